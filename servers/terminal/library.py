"""The library from the command line: documents are added, listed and removed, beside a running server or without one."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from graph.lease import Lease
from graph.library.documents import FORMATS, files_in
from graph.sizes import LARGEST_FILE
from graph.storage.port import StorageError
from graph.vector_stores.library import StoredLibrary
from servers.backend import Backend, StartFailed
from servers.settings import Settings

_ENDINGS = {*FORMATS, ".pdf", ".docx", ".xlsx"}

Work = Callable[[StoredLibrary, Lease], Awaitable[int]]


def add(settings: Settings, path: Path) -> int:
    """Add a file, or a folder with all that can be read in it. Returns the exit code: 1 where a file could not be read."""

    async def work(library: StoredLibrary, lease: Lease) -> int:
        documents = await asyncio.to_thread(_documents, path)
        added = await library.add(documents)
        _say(f"{added} of {len(documents)} documents are new or have changed.")
        await library.read(lease)
        failed = [each for each in await library.documents() if each.filename in documents and each.error]
        for each in failed:
            assert each.error is not None
            _say(f"{each.filename}: {each.error.message}")
        return 1 if failed else 0

    return _run(settings, work)


def show(settings: Settings) -> int:
    """List the documents."""

    async def work(library: StoredLibrary, lease: Lease) -> int:
        for each in await library.documents():
            _say(f"{each.filename}  ({each.status}, {each.usage_bytes} bytes)")
        return 0

    return _run(settings, work)


def remove(settings: Settings, names: list[str]) -> int:
    """Remove documents by their names. Returns 1 where one was not there."""

    async def work(library: StoredLibrary, lease: Lease) -> int:
        removed = await library.remove(names)
        for name in names:
            if name not in removed:
                _say(f"{name}: there is no such document.")
        return 0 if removed.issuperset(names) else 1

    return _run(settings, work)


def _run(settings: Settings, work: Work) -> int:
    return asyncio.run(_opened(settings, work))


async def _opened(settings: Settings, work: Work) -> int:
    backend = Backend(settings, alone=False)
    try:
        storage = await backend.claim()
        lease = Lease(storage)
        try:
            return await work(StoredLibrary(await backend.open_knowledge(storage)), lease)
        finally:
            await lease.release()
    except (StorageError, StartFailed, OSError) as error:
        sys.stderr.write(f"cortex-flow: {error}\n")
        return 1
    finally:
        await backend.close()


def _documents(path: Path) -> dict[str, Path]:
    """The files to be added, by the names that they get: a folder's by their paths in it."""
    if path.is_file():
        return {path.name: path}
    root = path.resolve(strict=True)
    return {each.relative_to(root).as_posix(): each for each in files_in(root, _ENDINGS, LARGEST_FILE)}


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
