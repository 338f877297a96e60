"""The port on Redis.

A commit is one script, which Redis runs whole or not at all, one after the other: sequences are given in the order of
commits. Every read is one round trip. Nothing looks through the keys, but for who asks for everything.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import assert_never

from graph.storage.blobs import Blobs, WithBlobs
from graph.storage.port import Append, Conflict, Delete, Document, Drop, Entry, Filed, Order, Put, Stored, Write
from graph.storage.redis.client import Client, Script
from graph.storage.redis.keys import Keys, decoded, encoded, part
from graph.storage.redis.listener import Listener
from graph.storage.redis.location import Location
from graph.storage.redis.packing import due_of, unpacked
from graph.storage.redis.preparation import migrate, prepare
from graph.storage.waiters import Waiters

PAGE = 500
PAGE_BYTES = 4 * 1024 * 1024
ANY_BYTES = 2**53

COMMIT, QUERY = Script("commit.lua"), Script("query.lua")


class RedisStorage(WithBlobs):
    """For as many processes as like. `lifetime`: see `graph.storage.port.lifetime`."""

    shared = True

    def __init__(self, url: str, blob_url: str | None = None) -> None:
        location = Location.of(url)
        super().__init__(Blobs.of_many(blob_url))
        self.lifetime = location.lifetime
        self._where = location.name
        self._keys = Keys(location.prefix)
        self._client = Client(location)
        self._waiters = Waiters()
        self._listener = Listener(self._client.connection, self._heard, location.name)

    async def open(self, *, claim: bool = False) -> None:
        """Waits some seconds for a server that is not there. Raises `StorageError`, with what to do about it."""
        await self._blobs.open()
        await self._client.open()
        try:
            await prepare(self._client, self._keys, self._where)
        except BaseException:
            await self._client.close()
            raise
        self._listener.start()

    async def close(self) -> None:
        """Who still waits for a log gets a `StorageError`. Closing twice is allowed."""
        await self._listener.stop()
        await self._client.close()
        self._waiters.wake_all()

    async def migrate(self) -> tuple[int, int]:
        """Bring the store to today's schema: the versions before and after. No process may be using it."""
        await self._client.open()
        try:
            return await migrate(self._client, self._keys, self._where)
        finally:
            await self._client.close()

    async def get(self, tenant: str, kind: str, id: str) -> Document | None:
        raw = await self._client.call("GET", self._keys.shelf(tenant, kind) + encoded(id))
        return None if raw is None else unpacked(id, raw)[0]

    async def get_many(self, tenant: str, kind: str, ids: Sequence[str]) -> list[Document]:
        if not ids:
            return []
        shelf = self._keys.shelf(tenant, kind)
        found = await self._client.call("MGET", *(shelf + encoded(id) for id in ids))
        return [unpacked(id, raw)[0] for id, raw in zip(ids, found, strict=True) if raw is not None]

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
        if limit <= 0:
            return []
        index = self._keys.index(tenant, kind, parent, label)
        ends = [b"(%d" % each if each is not None else None for each in (after, before)]
        first, last = (b"-inf", b"+inf") if order == "asc" else (b"+inf", b"-inf")
        found = await self._client.run(
            QUERY,
            index,
            self._keys.shelf(tenant, kind),
            "ZRANGEBYSCORE" if order == "asc" else "ZREVRANGEBYSCORE",
            ends[0] or first,
            ends[1] or last,
            limit,
            ANY_BYTES,
        )
        return [document for document, _ in _pairs(found)]

    async def commit(self, tenant: str, *writes: Write) -> None:
        if not writes:
            return
        arguments: list[bytes | int | str] = [self._keys.prefix, encoded(tenant), part(tenant)]
        for write in writes:
            arguments += _told(write)
        failed = await self._client.run(COMMIT, self._keys.sequence, *arguments)
        if failed:
            raise Conflict(writes[failed - 1])
        for write in writes:
            if isinstance(write, Append):
                self._waiters.wake((tenant, write.log))

    async def read(self, tenant: str, log: str, after: int = 0, limit: int = 1000) -> list[tuple[int, bytes]]:
        start = max(after, 0)
        if limit <= 0:
            return []
        entries = await self._client.call("LRANGE", self._keys.log(tenant, log), start, start + limit - 1)
        return list(enumerate(entries, start + 1))

    async def wait(self, tenant: str, log: str, after: int, timeout: float) -> bool:
        key = self._keys.log(tenant, log)

        async def grown() -> bool:
            return int(await self._client.call("LLEN", key)) > after

        if await grown():
            return True
        if timeout <= 0:
            return False
        with self._listener.hears(key):
            return await self._waiters.until((tenant, log), grown, timeout)

    async def due(self, kind: str, until: int, limit: int = 100) -> list[tuple[str, str]]:
        if limit <= 0:
            return []
        members = await self._client.call("ZRANGEBYSCORE", self._keys.due(kind), "-inf", until, "LIMIT", 0, limit)
        return [due_of(member) for member in members]

    async def everything(self) -> AsyncIterator[Stored]:
        async for index in self._each(b"k"):
            tenant, kind = self._keys.shelf_of(index)
            async for document, due in self._shelf(tenant, kind, index):
                yield Filed(tenant, kind, document, due)
        async for key in self._each(b"e"):
            tenant, log = self._keys.log_of(key)
            async for position, body in self._log(tenant, log):
                yield Entry(tenant, log, position, body)

    async def _each(self, letter: bytes) -> AsyncIterator[bytes]:
        """The keys of a sort, once each. Looks through all keys of the server, a few at a time."""
        seen: set[bytes] = set()
        cursor = b"0"
        while True:
            pattern = b"%b%b:*" % (self._keys.prefix, letter)
            cursor, keys = await self._client.call("SCAN", cursor, "MATCH", pattern, "COUNT", 1000)
            for key in keys:
                if key not in seen:
                    seen.add(key)
                    yield key
            if int(cursor) == 0:
                return

    async def _shelf(self, tenant: str, kind: str, index: bytes) -> AsyncIterator[tuple[Document, int | None]]:
        after = b"-inf"
        shelf = self._keys.shelf(tenant, kind)
        while found := await self._client.run(QUERY, index, shelf, "ZRANGEBYSCORE", after, "+inf", PAGE, PAGE_BYTES):
            for document, due in _pairs(found):
                yield document, due
                after = b"(%d" % document.sequence

    async def _log(self, tenant: str, log: str) -> AsyncIterator[tuple[int, bytes]]:
        after = 0
        while entries := await self.read(tenant, log, after, PAGE):
            for entry in entries:
                yield entry
            after = entries[-1][0]

    def _heard(self, channel: bytes) -> None:
        self._waiters.wake(self._keys.log_of(channel))


def _pairs(found: Sequence[bytes]) -> Iterator[tuple[Document, int | None]]:
    """The documents of a query, each with its due."""
    for place in range(0, len(found), 2):
        yield unpacked(decoded(found[place]), found[place + 1])


def _told(write: Write) -> tuple[bytes | int | str, ...]:
    """A write in the words of `commit.lua`."""
    match write:
        case Put():
            label = b"" if write.label is None else b"=" + encoded(write.label)
            expect, due = _number(write.expect), _number(write.due)
            return b"P", part(write.kind), encoded(write.id), expect, encoded(write.parent), label, due, write.body
        case Delete():
            return b"D", part(write.kind), encoded(write.id), _number(write.expect)
        case Append():
            return b"A", encoded(write.log), _number(write.after), len(write.entries), *write.entries
        case Drop():
            return b"X", encoded(write.log)
        case _:
            assert_never(write)


def _number(value: int | None) -> str:
    return "" if value is None else str(value)
