"""The port on a SQLite file.

Single reads and commits are called directly on the event loop: they take microseconds, a thread hop takes more. Long
lists, scans and commits of many writes go to a thread with a connection of its own.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TypeVar

from graph.storage.blobs import Blobs, WithBlobs
from graph.storage.port import Append, Document, Order, StorageError, Stored, Write
from graph.storage.sqlite import documents, logs, whole
from graph.storage.sqlite.database import Database
from graph.storage.sqlite.location import Location
from graph.storage.sqlite.names import Names
from graph.storage.sqlite.neighbours import Neighbours
from graph.storage.sqlite.transaction import commit
from graph.storage.waiters import Waiters

T = TypeVar("T")

ON_THE_LOOP = 100  # rows or writes that are worth no thread


class SqliteStorage(WithBlobs):
    """One file for one server; commands may read and write beside it. Blobs lie in `<stem>-files` beside the file."""

    shared = False

    def __init__(self, url: str, blob_url: str | None = None) -> None:
        location = Location.of(url)
        super().__init__(Blobs(blob_url or location.blob_url))
        self._database = Database(location)
        self._names = Names()
        self._waiters = Waiters()
        self._neighbours = Neighbours(self._waiters, self._data_version)

    async def open(self, *, claim: bool = False) -> None:
        """Raises `StorageInUse`, and `StorageError` for a file that can't be used, with what to do about it."""
        await self._blobs.open()
        await self._database.open(claim=claim)

    async def close(self) -> None:
        """Waits for work in threads. Who still waits for a log gets a `StorageError`. Closing twice is allowed."""
        self._neighbours.stop()
        await self._database.close()
        self._waiters.wake_all()

    async def migrate(self) -> tuple[int, int]:
        """Bring the file to today's schema: the versions before and after. `StorageInUse` while a server has it."""
        return await self._database.migrate()

    async def get(self, tenant: str, kind: str, id: str) -> Document | None:
        def row(connection: sqlite3.Connection) -> Document | None:
            numbers = self._numbers(connection, tenant, kind)
            return documents.get(connection, *numbers, id) if numbers else None

        return await self._database.now(row)

    async def get_many(self, tenant: str, kind: str, ids: Sequence[str]) -> list[Document]:
        def rows(connection: sqlite3.Connection) -> list[Document]:
            numbers = self._numbers(connection, tenant, kind)
            return documents.get_many(connection, *numbers, ids) if numbers else []

        return await (self._database.now(rows) if len(ids) <= ON_THE_LOOP else self._database.in_thread(rows))

    async def query(
        self,
        tenant: str,
        kind: str,
        *,
        parent: str | None = None,
        label: str | None = None,
        order: Order = "desc",
        after: int | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> list[Document]:
        def rows(connection: sqlite3.Connection, limit: int) -> list[Document]:
            numbers = self._numbers(connection, tenant, kind)
            if numbers is None:
                return []
            return documents.query(connection, *numbers, parent, label, order, after, before, limit)

        if parent is None and label is None:  # no index has the sequence of these
            return await self._database.in_thread(rows, max(limit, 0))
        return await self._listed(rows, limit)

    async def commit(self, tenant: str, *writes: Write) -> None:
        run = self._database.now if len(writes) <= ON_THE_LOOP else self._database.in_thread
        await run(commit, self._names, tenant, writes)
        self._database.committed(writes)
        for write in writes:
            if isinstance(write, Append):
                self._waiters.wake((tenant, write.log))

    async def read(self, tenant: str, log: str, after: int = 0, limit: int = 1000) -> list[tuple[int, bytes]]:
        def rows(connection: sqlite3.Connection, limit: int) -> list[tuple[int, bytes]]:
            owner = self._names.find(connection, tenant)
            return [] if owner is None else logs.read(connection, owner, log, after, limit)

        return await self._listed(rows, limit)

    async def wait(self, tenant: str, log: str, after: int, timeout: float) -> bool:
        async def grown() -> bool:
            return await self._database.now(self._length, tenant, log) > after

        self._neighbours.watch()
        return await self._waiters.until((tenant, log), grown, timeout)

    async def due(self, kind: str, until: int, limit: int = 100) -> list[tuple[str, str]]:
        def rows(connection: sqlite3.Connection, limit: int) -> list[tuple[str, str]]:
            number = self._names.find(connection, kind)
            return [] if number is None else documents.due(connection, number, until, limit)

        return await self._listed(rows, limit)

    async def everything(self) -> AsyncIterator[Stored]:
        async for document in self._paged(whole.documents):
            yield document
        async for entry in self._paged(whole.entries):
            yield entry

    async def _paged(self, page: Callable[[sqlite3.Connection, int], list[tuple[int, T]]]) -> AsyncIterator[T]:
        after = 0
        while found := await self._database.in_thread(page, after):
            after = found[-1][0]
            for _, each in found:
                yield each

    async def _listed(self, rows: Callable[[sqlite3.Connection, int], list[T]], limit: int) -> list[T]:
        """A short list from the loop; one that turns out to be long from a thread."""
        found = await self._database.now(rows, min(max(limit, 0), ON_THE_LOOP + 1))
        return found if len(found) <= ON_THE_LOOP else await self._database.in_thread(rows, limit)

    def _numbers(self, connection: sqlite3.Connection, tenant: str, kind: str) -> tuple[int, int] | None:
        owner, number = self._names.find(connection, tenant), self._names.find(connection, kind)
        return None if owner is None or number is None else (owner, number)

    def _length(self, connection: sqlite3.Connection, tenant: str, log: str) -> int:
        owner = self._names.find(connection, tenant)
        return 0 if owner is None else logs.length(connection, owner, log)

    def _data_version(self) -> int | None:
        try:
            (number,) = self._database.connection.execute("PRAGMA data_version").fetchone()
        except (StorageError, sqlite3.Error):
            return None  # those who wait meet the same error when they look, and raise it
        return int(number)
