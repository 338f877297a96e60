"""The index on SQLite's full text search: a database for each store, the least used of which are closed."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

from graph.vector_stores.index.database import Database, remove
from graph.vector_stores.index.port import Hit, Question
from graph.vector_stores.stores import VectorStores
from graph.vector_stores.values import Chunk, StoreFile, VectorStore

P = ParamSpec("P")
T = TypeVar("T")

log = logging.getLogger(__name__)

_OPEN: Final = 32
_THREADS: Final = 2


@dataclass(slots=True)
class _Shelf:
    """The database of a store. Whoever uses it has the lock."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    database: Database | None = None
    users: int = 0


class FtsIndex:
    """Databases in a folder, which stay, or with None temporary ones, made from the stored chunks at a store's first
    search."""

    def __init__(self, stores: VectorStores, folder: Path | None = None) -> None:
        self._stores = stores
        self._folder = folder
        self._shelves: OrderedDict[tuple[str, str], _Shelf] = OrderedDict()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="vector-stores")

    async def search(self, tenant: str, store: VectorStore, question: Question, limit: int) -> Sequence[Hit]:
        async with self._opened(tenant, store) as database:
            await self._follow(tenant, store, database)
            return await self._run(database.search, question, limit)

    async def prepare(self, tenant: str, store: VectorStore) -> None:
        async with self._opened(tenant, store) as database:
            await self._follow(tenant, store, database)

    async def forget(self, tenant: str, id: str) -> None:
        """Remove the index of a store that is gone."""
        shelf = self._shelves.pop((tenant, id), None)
        if shelf is not None:
            async with shelf.lock:
                await self._close(shelf)
        if self._folder is not None:
            await self._run(remove, self._path(tenant, id))

    async def close(self) -> None:
        while self._shelves:
            _, shelf = self._shelves.popitem()
            async with shelf.lock:
                await self._close(shelf)
        self._threads.shutdown()

    async def _follow(self, tenant: str, store: VectorStore, database: Database) -> None:
        """Take in what has changed since the last time."""
        if await self._run(lambda: database.revision) == store.revision:
            return
        held = dict(await self._run(database.files))
        async for file in self._stores.every_file(tenant, store.id, "completed"):
            known = held.pop(file.file_id, None)
            if known is None or known[0] != file.revision:
                await self._run(database.put, file, await self._chunks(tenant, file))
            elif known[1] != file.attributes:
                await self._run(database.mark, file)
        if held:
            await self._run(database.remove, list(held))
        await self._run(database.settle, store.revision)

    async def _chunks(self, tenant: str, file: StoreFile) -> list[Chunk]:
        return [chunk async for some in self._stores.chunks(tenant, file) for chunk in some]

    @asynccontextmanager
    async def _opened(self, tenant: str, store: VectorStore) -> AsyncIterator[Database]:
        key = (tenant, store.id)
        shelf = self._shelves.setdefault(key, _Shelf())
        self._shelves.move_to_end(key)
        shelf.users += 1
        try:
            async with shelf.lock:
                if shelf.database is None:
                    path = self._path(tenant, store.id) if self._folder is not None else None
                    shelf.database = await self._run(Database, path)
                yield shelf.database
        finally:
            shelf.users -= 1
        await self._let_go()

    async def _let_go(self) -> None:
        """Close what has not been used for long, where too many are open."""
        idle = [key for key, shelf in self._shelves.items() if not shelf.users]
        gone = [self._shelves.pop(key) for key in idle[: max(0, len(self._shelves) - _OPEN)]]
        for shelf in gone:
            await self._close(shelf)

    async def _close(self, shelf: _Shelf) -> None:
        database, shelf.database = shelf.database, None
        if database is not None:
            await self._run(database.close)

    def _path(self, tenant: str, id: str) -> Path:
        assert self._folder is not None
        name = hashlib.blake2b(f"{tenant}/{id}".encode(), digest_size=16).hexdigest()
        return self._folder / name[:2] / f"{name}.db"

    async def _run(self, action: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, partial(action, *args, **kwargs))
