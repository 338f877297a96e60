"""The operator's library: a vector store of its own, which the researchers of all tenants read beside the library of folders."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import suppress
from itertools import chain, zip_longest
from pathlib import Path
from typing import Final

from agents.tools.port import Library, Passage, Source
from graph.events import now_ms
from graph.files import File, Files
from graph.ids import id_of
from graph.lease import Lease
from graph.library.passages import plain
from graph.storage.port import Conflict
from graph.vector_stores.knowledge import Knowledge
from graph.vector_stores.search import Wanted
from graph.vector_stores.stores import Attachment
from graph.vector_stores.values import Chunking, StoreFile, VectorStore

TENANT: Final = "~library"  # no client's tenant has such a name
_STORE: Final = id_of("library")
_CHUNKING: Final = Chunking(300, 60)
_PIECE: Final = 1024 * 1024
_QUOTE: Final = 500


class StoredLibrary:
    """Documents by their names, kept until they are removed."""

    def __init__(self, knowledge: Knowledge) -> None:
        self._knowledge = knowledge
        self._stores = knowledge.stores
        self._files = Files(knowledge.stores.storage)

    async def search(self, query: str, limit: int) -> Sequence[Passage]:
        """At most `limit` passages, best first; none where nothing was ever added."""
        ids = await self._stores.usable(TENANT, [_STORE])
        if not ids:
            return []
        found = await self._knowledge.searches.search(TENANT, ids, Wanted([query], limit))
        return [Passage(Source(plain(each.filename), each.text[:_QUOTE]), each.text, each.score) for each in found]

    async def documents(self) -> Sequence[StoreFile]:
        """What is in it, as it was added."""
        return [file async for file in self._stores.every_file(TENANT, _STORE)]

    async def add(self, documents: Mapping[str, Path]) -> int:
        """Take in files by their names, to be read; returns how many of them are new or have changed. Raises `OSError`."""
        await self._opened()
        known = {file.filename: file for file in await self.documents()}
        added = 0
        for name, path in documents.items():
            id, old = await asyncio.to_thread(_id_of, name, path), known.get(name)
            if old is not None and old.file_id == id and old.status != "failed":
                continue
            await self._stores.attach(TENANT, _STORE, [Attachment(await self._kept(id, name, path), _CHUNKING)])
            if old is not None and old.file_id != id:
                await self._forget(old)
            added += 1
        return added

    async def read(self, lease: Lease) -> None:
        """Read what waits to be read, here or wherever else it is being read."""
        await self._knowledge.drain(lease, TENANT)
        await self._stores.settled(TENANT, [_STORE], seconds=None)

    async def remove(self, names: Collection[str]) -> set[str]:
        """Remove documents; returns the names that there were."""
        there = [file for file in await self.documents() if file.filename in names]
        for file in there:
            await self._forget(file)
        return {file.filename for file in there}

    async def _opened(self) -> None:
        now = now_ms()
        with suppress(Conflict):  # it is there
            await self._stores.create(TENANT, VectorStore(_STORE, now, now, "Library"))

    async def _kept(self, id: str, name: str, path: Path) -> File:
        async with self._files.incoming(TENANT) as content:
            await content.take(_pieces(path))
            return await self._files.keep(content, File(id, name, "assistants", content.size, content.blob, now_ms()))

    async def _forget(self, file: StoreFile) -> None:
        await self._files.delete(TENANT, file.file_id)
        await self._stores.forget_file(TENANT, file.file_id)


class Shelves:
    """The library of folders and the stored one, as the researcher searches them: the best of both, by turns."""

    def __init__(self, folders: Library, stored: StoredLibrary) -> None:
        self._folders = folders
        self._stored = stored

    async def search(self, tenant: str, query: str, limit: int) -> Sequence[Passage]:
        """At most `limit` passages."""
        stored, in_folders = await asyncio.gather(
            self._stored.search(query, limit), self._folders.search(tenant, query, limit)
        )
        by_turns = chain.from_iterable(zip_longest(stored, in_folders))
        return [passage for passage in by_turns if passage is not None][:limit]


def _id_of(name: str, path: Path) -> str:
    """Of a file by this name with this content."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return id_of(f"library {name} {digest}")


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    file = await asyncio.to_thread(path.open, "rb")
    with file:
        while data := await asyncio.to_thread(file.read, _PIECE):
            yield data
