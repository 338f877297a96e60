"""Vector stores on a storage, and files to put into them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

from graph.events import now_ms
from graph.files import File, Files
from graph.ids import new_id
from graph.lease import Lease
from graph.storage import Storage, open_storage
from graph.vector_stores.embedded import EmbeddingModel
from graph.vector_stores.knowledge import Knowledge
from graph.vector_stores.parsing.reader import Limits
from graph.vector_stores.search import Found, Wanted
from graph.vector_stores.stores import Attachment, new_store
from graph.vector_stores.values import Attributes, Chunking, StoreFile, VectorStore
from tests import backends

TENANT = "t"


class House:
    """A process's vector stores. Files are read when `drain` is called, or in the background from `start` on."""

    def __init__(
        self,
        storage: Storage,
        *,
        embeddings: EmbeddingModel | None = None,
        index_folder: Path | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.storage = storage
        self.files = Files(storage)
        self.lease = Lease(storage)
        self.knowledge = Knowledge(storage, "gpt-4", embeddings=embeddings, index_folder=index_folder, limits=limits)
        self.stores = self.knowledge.stores

    def start(self) -> None:
        self.knowledge.start(self.lease)

    async def drain(self) -> None:
        await self.knowledge.drain(self.lease)

    async def file(self, text: str | bytes, name: str = "a.txt") -> File:
        data = text.encode() if isinstance(text, str) else text

        async def chunks() -> AsyncIterator[bytes]:
            yield data

        async with self.files.incoming(TENANT) as content:
            await content.take(chunks())
            file = File(new_id(), name, "assistants", len(data), content.blob, now_ms())
            return await self.files.keep(content, file)

    async def store(self, *files: tuple[str, str | bytes], chunking: Chunking | None = None) -> VectorStore:
        """A store with files of these names and contents, not read yet."""
        made = [await self.file(text, name) for name, text in files]
        return await self.stores.create(
            TENANT, new_store(), [Attachment(each, chunking or Chunking()) for each in made]
        )

    async def attach(self, store: VectorStore, file: File, attributes: Attributes | None = None) -> StoreFile:
        [attached] = await self.stores.attach(TENANT, store.id, [Attachment(file, attributes=attributes)])
        return attached

    async def read(self, *files: tuple[str, str | bytes], **given: Any) -> VectorStore:
        """The same, read."""
        store = await self.store(*files, **given)
        await self.drain()
        return await self.stores.get(TENANT, store.id)

    async def all(self, store: VectorStore) -> list[StoreFile]:
        return await self.stores.files(TENANT, store.id).read("asc", None, None, 10_000)

    async def search(self, store: VectorStore, query: str, **wanted: Any) -> Sequence[Found]:
        return await self.knowledge.searches.search(TENANT, [store.id], Wanted([query], **wanted))

    async def chunks(self, file: StoreFile) -> list[str]:
        return [chunk.text async for some in self.stores.chunks(TENANT, file) for chunk in some]

    async def settled(self, store: VectorStore) -> VectorStore:
        """The store, once nothing in it is to be read."""
        async with asyncio.timeout(60):
            while True:
                found = await self.stores.get(TENANT, store.id)
                if not found.counts.in_progress:
                    return found
                await asyncio.sleep(0.02)

    async def close(self) -> None:
        await self.knowledge.close()
        await self.lease.release()


@asynccontextmanager
async def house(url: str | None = None, **options: Any) -> AsyncIterator[House]:
    """Opened, and closed behind the test; in memory, or in the backend that `CORTEX_TEST_STORAGE` names."""
    with backends.chosen("memory://") if url is None else nullcontext(url) as chosen:
        storage = open_storage(chosen)
        await storage.open()
        opened = House(storage, **options)
        try:
            yield opened
        finally:
            await opened.close()
            await storage.close()
