"""The port on PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from graph.storage.blobs import Blobs, WithBlobs
from graph.storage.port import Append, Document, Order, Stored, Write
from graph.storage.postgres import documents, schema, writes
from graph.storage.postgres.connections import Connections, Row
from graph.storage.postgres.listener import Listener
from graph.storage.postgres.passages import PostgresPassages
from graph.storage.postgres.place import Place
from graph.storage.postgres.texts import stored, told
from graph.storage.waiters import Waiters


class PostgresStorage(WithBlobs):
    """Tables in a database, for any number of servers. Blobs are kept beside each server unless `blob_url` names a place
    for all."""

    shared = True

    def __init__(self, url: str, blob_url: str | None = None) -> None:
        super().__init__(Blobs.of_many(blob_url))
        place = Place.of(url)
        self._statements = documents.Statements(place)
        self._connections = Connections(place)
        self.passages = PostgresPassages(self._connections, self._statements)
        self._waiters = Waiters()
        self._listener = Listener(place, self._waiters)

    async def open(self, *, claim: bool = False) -> None:
        """Makes the tables where there are none. A database that is not there is waited for, some seconds."""
        await self._blobs.open()
        await self._connections.open()
        self._listener.open()

    async def close(self) -> None:
        """Who still waits for a log gets a `StorageError`. Closing twice is allowed."""
        await self._listener.close()
        await self._connections.close()
        self._waiters.wake_all()

    async def migrate(self) -> tuple[int, int]:
        """Bring the tables to today's schema: the versions before and after."""
        return await self._connections.at_start(schema.migrate)

    async def get(self, tenant: str, kind: str, id: str) -> Document | None:
        found = await self._rows(documents.GET, stored(tenant), stored(kind), stored(id))
        return documents.document(found[0]) if found else None

    async def get_many(self, tenant: str, kind: str, ids: Sequence[str]) -> list[Document]:
        if not ids:
            return []
        found = await self._rows(documents.GET_MANY, stored(tenant), stored(kind), [stored(id) for id in ids])
        return documents.in_order(ids, map(documents.document, found))

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
        asked = self._statements.query(tenant, kind, parent, label, order, after, before, limit)
        return [documents.document(row) for row in await self._connections.rows(*asked)]

    async def commit(self, tenant: str, *asked: Write) -> None:
        values = writes.values(tenant, self._listener.origin, asked)
        await self._connections.execute(self._statements.of(writes.COMMIT), values, asked)
        for write in asked:
            if isinstance(write, Append):
                self._waiters.wake(self._listener.key(stored(tenant), stored(write.log)))

    async def read(self, tenant: str, log: str, after: int = 0, limit: int = 1000) -> list[tuple[int, bytes]]:
        found = await self._rows(documents.READ, stored(tenant), stored(log), max(after, 0), max(limit, 0))
        return [(position, body) for position, body in found]

    async def wait(self, tenant: str, log: str, after: int, timeout: float) -> bool:
        async def grown() -> bool:
            [(length,)] = await self._rows(documents.LENGTH, stored(tenant), stored(log))
            return bool(length > after)

        if timeout <= 0:
            return await grown()
        self._listener.listen()
        return await self._waiters.until(self._listener.key(stored(tenant), stored(log)), grown, timeout)

    async def due(self, kind: str, until: int, limit: int = 100) -> list[tuple[str, str]]:
        found = await self._rows(documents.DUE, stored(kind), until, max(limit, 0))
        return [(told(tenant), told(id)) for tenant, id in found]

    async def everything(self) -> AsyncIterator[Stored]:
        async for row in self._connections.stream(self._statements.of(documents.ALL), 50):
            yield documents.filed(row)
        async for row in self._connections.stream(self._statements.of(documents.ALL_ENTRIES), 500):
            yield documents.entry(row)

    async def _rows(self, text: str, *values: Any) -> list[Row]:
        return await self._connections.rows(self._statements.of(text), values)
