"""What `cortex-flow` can do. To add a command, write it here; what it needs is imported when it runs."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from servers import settings
from servers.imports import without_collections

commands = typer.Typer(
    name="cortex-flow",
    help="A multi-agent team behind OpenAI's APIs.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@commands.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Where to listen; else OPENAI_COMPAT_HOST, else 127.0.0.1.")] = None,
    port: Annotated[int | None, typer.Option(help="Else OPENAI_COMPAT_PORT, else PORT, else 8001.")] = None,
    workers: Annotated[int, typer.Option(min=1, max=1024, help="So many processes, on a storage that they share.")] = 1,
    worker: Annotated[
        bool | None, typer.Option("--worker/--no-worker", help="Carry runs too, or leave them to workers; else WORKER.")
    ] = None,
) -> None:
    """Serve the API until SIGTERM."""
    with without_collections():
        configured = settings.load(host=host, port=port, worker=worker)
        from servers.serve import serve as run
    raise typer.Exit(run(configured, workers))


@commands.command()
def worker() -> None:
    """Carry runs and read files that servers on the same storage have accepted, until SIGTERM."""
    with without_collections():
        configured = settings.listening_nowhere(worker=True)
        from servers.worker import work as run
    raise typer.Exit(run(configured))


@commands.command()
def chat(
    question: Annotated[str | None, typer.Argument(help="What to ask; without it, standard input is read.")] = None,
    model: Annotated[str | None, typer.Option(help="The team, an agent, or a provider's model.")] = None,
    conversation: Annotated[str | None, typer.Option(help="The conversation to go on with.")] = None,
    tenant: Annotated[str, typer.Option(help="Whose conversation it is, where keys have tenants.")] = "default",
    as_json: Annotated[bool, typer.Option("--json", help="Print the completion as the API would answer it.")] = False,
) -> None:
    """Ask the team a question, in a process of its own on the same storage."""
    with without_collections():
        configured = settings.listening_nowhere()
        from servers import logs
        from servers.terminal.chat import Question
        from servers.terminal.chat import chat as ask
    logs.configure(configured.log_format, "warning")
    text = question if question is not None else sys.stdin.read()
    if any("\ud800" <= each <= "\udfff" for each in text):
        raise typer.BadParameter("the question is no UTF-8 text.")
    if not text.strip():
        raise typer.BadParameter("there is nothing to ask.")
    raise typer.Exit(ask(configured, Question(text, model, conversation, tenant), as_json=as_json))


@commands.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="JSON with assistants, threads, messages and files as OpenAI has them.")],
    tenant: Annotated[str, typer.Option(help="Whose they will be, where keys have tenants.")] = "default",
) -> None:
    """Keep assistants, threads, messages and files of another service, with their ids."""
    with without_collections():
        configured = settings.listening_nowhere()
        from servers import logs
        from servers.terminal.importing import import_dump
    logs.configure(configured.log_format, "warning")
    raise typer.Exit(import_dump(configured, file, tenant))


library = typer.Typer(help="The documents that the researcher looks things up in.", no_args_is_help=True)
commands.add_typer(library, name="library")


@library.command()
def add(path: Annotated[Path, typer.Argument(help="A file, or a folder.", exists=True)]) -> None:
    """Add documents, or add them anew where they have changed. A server need not be stopped."""
    from servers.terminal import library as work

    raise typer.Exit(work.add(settings.listening_nowhere(), path))


@library.command("list")
def show() -> None:
    """List the documents that were added."""
    from servers.terminal import library as work

    raise typer.Exit(work.show(settings.listening_nowhere()))


@library.command()
def remove(names: Annotated[list[str], typer.Argument(help="Documents, as `list` calls them.")]) -> None:
    """Remove documents."""
    from servers.terminal import library as work

    raise typer.Exit(work.remove(settings.listening_nowhere(), names))


@commands.command()
def migrate() -> None:
    """Bring the storage to this version's schema. Nobody may be using it."""
    from graph.storage import StorageError
    from graph.storage import migrate as migrate_storage

    url = settings.listening_nowhere().storage_url
    try:
        before, after = asyncio.run(migrate_storage(url))
    except StorageError as error:
        raise settings.BadSettings(f"{settings.variable('storage_url')}: {error}") from error
    typer.echo(f"{settings.without_password(url)}: schema {before} -> {after}")


storage = typer.Typer(help="Where everything is kept.", no_args_is_help=True)
commands.add_typer(storage, name="storage")


@storage.command()
def copy(
    source: Annotated[str, typer.Argument(metavar="FROM", help="The URL of a storage that nobody is using.")],
    target: Annotated[str, typer.Argument(metavar="TO", help="The URL of an empty one.")],
    from_blobs: Annotated[
        str | None, typer.Option(help="Where the first keeps blobs; else BLOB_URL, else its default.")
    ] = None,
    to_blobs: Annotated[
        str | None, typer.Option(help="Where the second will; else BLOB_URL, else its default.")
    ] = None,
) -> None:
    """Copy everything of one storage into another, and compare. Called again, it goes on where it broke off."""
    configured = settings.listening_nowhere()
    from servers import logs
    from servers.terminal.storage import copy_storage

    logs.configure(configured.log_format, "warning")
    blobs = configured.blob_url
    raise typer.Exit(copy_storage(source, target, from_blobs or blobs, to_blobs or blobs))


sandbox = typer.Typer(help="Where programs that a model wrote are run.", no_args_is_help=True)
commands.add_typer(sandbox, name="sandbox")


@sandbox.command()
def prepare() -> None:
    """Compile what SANDBOX needs, so that no program waits for it: in an image, or after an upgrade."""
    configured = settings.load()
    from servers.terminal.sandbox import prepare as work

    raise typer.Exit(work(configured))


@commands.command()
def version() -> None:
    """Print the version."""
    from servers.version import version as installed

    typer.echo(installed())
