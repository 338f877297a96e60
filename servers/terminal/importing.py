"""`cortex-flow import`: a dump of OpenAI's objects, kept in the storage of the settings."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from graph.errors import RunError
from graph.storage.port import StorageError
from servers.backend import Backend, StartFailed
from servers.errors import of_exception
from servers.importing import BrokenDump, Brought, bring, read
from servers.rooms import rooms
from servers.settings import Settings, without_password

_SHOWN = 50  # problems: whoever has more has one that repeats


def import_dump(settings: Settings, file: Path, tenant: str) -> int:
    """Import, say what came of it, and return the exit code: 1 where nothing could be imported. Raises `OSError`."""
    data = file.read_bytes()
    try:
        brought = asyncio.run(_import(settings, data, tenant))
    except BrokenDump as broken:
        return _complain(*_few([f"{file.name}: {problem}" for problem in broken.problems]), "Nothing was imported.")
    except StartFailed as error:
        return _complain(str(error))
    except (RunError, StorageError) as error:
        return _complain(of_exception(error).message)
    for note in brought.notes:
        sys.stderr.write(f"{note}\n")
    sys.stdout.write(f"{_summary(brought)} [{without_password(settings.storage_url)}, tenant {tenant}]\n")
    return 0


async def _import(settings: Settings, data: bytes, tenant: str) -> Brought:
    """The dump is whole before the storage is opened, which may be that of a server at work."""
    dump = read(data)
    backend = Backend(settings, alone=False)
    try:
        return await bring(dump, rooms(await backend.claim(), settings.token_model), tenant)
    finally:
        await backend.close()


def _summary(brought: Brought) -> str:
    new, known = _counted(brought.new), _counted(brought.known)
    if not new:
        return f"Nothing new: {known} here already." if known else "The dump is empty."
    return f"Imported {new}; {known} here already." if known else f"Imported {new}."


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{number} {kind}{'s' * (number != 1)}" for kind, number in counts.items() if number)


def _few(problems: list[str]) -> list[str]:
    more = len(problems) - _SHOWN
    return [*problems[:_SHOWN], f"... and {more} more."] if more > 0 else problems


def _complain(*lines: str) -> int:
    for line in lines:
        sys.stderr.write(f"cortex-flow: {line}\n")
    return 1
