"""The vector stores of a process: opened, read into and searched together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from graph.files import Files
from graph.lease import Lease
from graph.request import FileSearch
from graph.storage.passages import passages_of
from graph.storage.port import Storage
from graph.vector_stores.embedded import Embedder, EmbeddingModel
from graph.vector_stores.index.fts import FtsIndex
from graph.vector_stores.index.port import Index
from graph.vector_stores.index.shared import SharedIndex
from graph.vector_stores.ingestion import Ingestion
from graph.vector_stores.parsing.reader import Limits
from graph.vector_stores.run_files import SearchedFiles
from graph.vector_stores.search import Searches
from graph.vector_stores.stores import VectorStores


class Knowledge:
    """`stores` and `searches` can be used at once. Files are read from `start` on, or by `drain`.

    `index_folder`: where what searches need is kept from one start to the next; None = nowhere, it is made again. A storage that
    searches texts itself needs neither.
    """

    def __init__(
        self,
        storage: Storage,
        token_model: str,
        *,
        embeddings: EmbeddingModel | None = None,
        index_folder: Path | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.stores = VectorStores(storage)
        self._embedder = Embedder(storage, embeddings)
        self._index = _index(self.stores, index_folder)
        self._files = Files(storage)
        self._token_model = token_model
        self._limits = limits
        self._ingestion: Ingestion | None = None
        self._leaving: asyncio.Task[None] | None = None
        self.stores.on_gone = self._index.forget
        self.searches = Searches(self.stores, self._index, self._embedder)

    def of_run(self, tenant: str, wanted: FileSearch, window: int) -> SearchedFiles:
        """The files of a run, for agents with a window of so many tokens."""
        return SearchedFiles(tenant, wanted, self.stores, self.searches, window)

    def start(self, lease: Lease) -> None:
        """Read in the background what is put into stores."""
        self._ingestion = self._reading(lease)
        self._ingestion.start()

    def leave(self, offer: Callable[[], Awaitable[None]]) -> None:
        """Leave the reading to others: `offer` is called when something is put into stores."""
        self._leaving = asyncio.create_task(self._leave(offer))

    async def wake(self, _: object) -> None:
        """Look for what is to be read now, where this process reads."""
        self.stores.arrived.set()

    async def drain(self, lease: Lease, tenant: str | None = None) -> None:
        """Read here and now all that waits to be read, of a tenant or of all."""
        reading = self._reading(lease)
        try:
            await reading.drained(tenant)
        finally:
            await reading.stop()

    async def stop(self) -> None:
        """Read no more; what is half read is given back."""
        if self._leaving is not None:
            self._leaving.cancel()
            await asyncio.wait([self._leaving])
        if self._ingestion is not None:
            await self._ingestion.stop()

    async def close(self) -> None:
        await self.stop()
        await self._index.close()

    async def _leave(self, offer: Callable[[], Awaitable[None]]) -> None:
        while True:
            await self.stores.arrived.wait()
            self.stores.arrived.clear()
            await offer()

    def _reading(self, lease: Lease) -> Ingestion:
        return Ingestion(self.stores, self._files, lease, self._embedder, self._token_model, self._limits)


def _index(stores: VectorStores, folder: Path | None) -> Index:
    passages = passages_of(stores.storage)
    return FtsIndex(stores, folder) if passages is None else SharedIndex(stores, passages)
