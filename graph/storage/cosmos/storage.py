"""The port on a container of Azure Cosmos DB."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, TypeVar

from graph.storage.blobs import Blobs, WithBlobs
from graph.storage.cosmos import logs, names, records
from graph.storage.cosmos.account import Account, Item
from graph.storage.cosmos.bodies import Bodies, PartsGone
from graph.storage.cosmos.commits import Commits, Pause
from graph.storage.cosmos.location import Location
from graph.storage.cosmos.plans import Plan
from graph.storage.port import (
    Append,
    Document,
    Entry,
    Filed,
    Order,
    StorageUnavailable,
    Stored,
    Write,
)
from graph.storage.versions import refuse_newer
from graph.storage.waiters import Waiters

T = TypeVar("T")

SCHEMA: Final = 1
_PAGE: Final = 100
_AGAIN: Final = 10
_FIRST_LOOK, _LONGEST_LOOK = 0.05, 0.5


class CosmosStorage(WithBlobs):
    """One container for any number of processes."""

    shared = True

    def __init__(self, url: str, blob_url: str | None = None) -> None:
        super().__init__(Blobs.of_many(blob_url))
        self._account = Account(Location.of(url))
        self._bodies = Bodies(self._account)
        self._commits = Commits(self._account)
        self._waiters = Waiters()
        self._writing: set[asyncio.Task[None]] = set()

    async def open(self, *, claim: bool = False) -> None:
        """Raises `StorageError` for an account that can't be reached or used, with what to do about it."""
        await self._blobs.open()
        await self._account.open()
        try:
            self._check(await self._schema())
        except BaseException:
            await self._account.close()
            raise

    async def close(self) -> None:
        """Waits for commits under way. Closing twice is allowed."""
        if self._writing:
            await asyncio.wait(self._writing)
        await self._account.close()
        self._waiters.wake_all()

    async def migrate(self) -> tuple[int, int]:
        """There is one schema yet: the versions before and after."""
        await self._account.open()
        try:
            found = await self._schema()
            self._check(found)
            return found, SCHEMA
        finally:
            await self._account.close()

    async def get(self, tenant: str, kind: str, id: str) -> Document | None:
        async def look() -> Document | None:
            for _ in range(_AGAIN):
                anchor = await self._account.read(names.document(tenant, kind, "", id))
                image = await self._commits.worth(anchor)
                if image is None or anchor is None:
                    return None
                if "at" not in image:
                    return await self._document(anchor, image)
                item = await self._account.read(names.document(tenant, kind, image["at"], id))
                image = await self._commits.worth(item)
                if image is not None and item is not None:
                    return await self._document(item, image)
            return None  # it was moved, or removed and made again, each time

        return await _whole(look)

    async def get_many(self, tenant: str, kind: str, ids: Sequence[str]) -> list[Document]:
        wanted = list(dict.fromkeys(ids))
        found = dict(zip(wanted, await asyncio.gather(*(self.get(tenant, kind, id) for id in wanted)), strict=True))
        return [document for id in ids if (document := found[id]) is not None]

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
        low, high = (after, before) if order == "asc" else (before, after)
        partition = None if parent is None else names.shelf(tenant, kind, parent)
        parameters = {"t": tenant, "k": kind, "l": label, "low": low, "high": high}
        found: dict[str, Document] = {}
        while len(found) < limit:
            given = {name: value for name, value in parameters.items() if value is not None}
            top = min(limit - len(found), 1000)
            ending = f"ORDER BY c.s {order.upper()}"
            items = await self._account.query(_where(given), given, partition=partition, ending=ending, top=top)
            for each in await self._filed(items):
                if label is None or each.document.label == label:
                    found[each.document.id] = each.document
            if len(items) < top:
                break
            parameters["low" if order == "asc" else "high"] = items[-1].fields["s"]
        return list(found.values())

    async def commit(self, tenant: str, *writes: Write) -> None:
        """Goes on when its caller is cancelled: locks that nobody takes off would be in others' way."""
        writing = asyncio.create_task(self._commit(tenant, writes))
        self._writing.add(writing)
        writing.add_done_callback(self._written)
        await asyncio.shield(writing)

    async def read(self, tenant: str, log: str, after: int = 0, limit: int = 1000) -> list[tuple[int, bytes]]:
        key = names.log(tenant, log)

        async def look() -> list[tuple[int, bytes]]:
            image = await self._commits.worth(await self._account.read(key))
            return [] if image is None else await logs.read(image, self._bodies, key[0], after, limit)

        return await _whole(look)

    async def wait(self, tenant: str, log: str, after: int, timeout: float) -> bool:
        """An append of this process wakes at once. For those of others the log is looked at, less often as time goes by:
        Cosmos DB tells nobody, and its change feed is asked in the same way."""
        clock = asyncio.get_running_loop().time
        deadline, pause = clock() + timeout, _FIRST_LOOK
        while await self._length(tenant, log) <= after:
            left = deadline - clock()
            if left <= 0:
                return False
            await self._waiters.until((tenant, log), _second_time(), min(pause, left))
            pause = min(1.5 * pause, _LONGEST_LOOK)
        return True

    async def due(self, kind: str, until: int, limit: int = 100) -> list[tuple[str, str]]:
        """Asks every partition."""
        if limit <= 0:
            return []
        where = "c.y = 'document' AND c.k = @k AND c.d <= @until"
        found = await self._account.query(where, {"k": kind, "until": until}, ending="ORDER BY c.d ASC", top=limit)
        worth = await asyncio.gather(*map(self._commits.worth, found))
        reached = [
            (image["due"], image["sequence"], item.fields["t"], item.fields["i"])
            for item, image in zip(found, worth, strict=True)
            if image is not None and image.get("due") is not None and image["due"] <= until
        ]
        return [(tenant, id) for _, _, tenant, id in sorted(reached)]

    async def everything(self) -> AsyncIterator[Stored]:
        after = -1
        while True:
            where, ending = "c.y = 'document' AND c.s > @after", "ORDER BY c.s ASC"
            items = await self._account.query(where, {"after": after}, ending=ending, top=_PAGE)
            for item in items:
                for filed in await self._filed([item]):
                    yield filed
            if len(items) < _PAGE:
                break
            after = items[-1].fields["s"]
        async for item in self._account.each("c.y = 'log'", {}):
            async for entry in self._entries(item.fields["t"], item.fields["i"]):
                yield entry

    def _written(self, writing: asyncio.Task[None]) -> None:
        self._writing.discard(writing)
        if not writing.cancelled():
            writing.exception()  # it is the caller's affair, who may have gone

    async def _entries(self, tenant: str, log: str) -> AsyncIterator[Entry]:
        position = 0
        while page := await self.read(tenant, log, position, _PAGE):
            for position, body in page:
                yield Entry(tenant, log, position, body)

    async def _commit(self, tenant: str, writes: Sequence[Write]) -> None:
        pause = Pause()
        while not await self._attempt(tenant, writes):
            await pause()
        for write in writes:
            if isinstance(write, Append):
                self._waiters.wake((tenant, write.log))

    async def _attempt(self, tenant: str, writes: Sequence[Write]) -> bool:
        """False when somebody was in the way. Raises `Conflict`."""
        plan = Plan(tenant, self._commits, self._bodies)
        await plan.apply(writes)
        changes = await plan.changes(self._sequences)
        done = not changes or await self._commits.commit(changes)
        with suppress(StorageUnavailable):  # what is left takes room, and is in nobody's way
            await self._bodies.remove(plan.left if done else plan.parts)
        return done

    async def _sequences(self, count: int) -> int:
        return await self._account.increase(names.COUNTER, "last", count) - count + 1

    async def _filed(self, items: Sequence[Item]) -> list[Filed]:
        """The documents that these items are worth, as far as they are."""
        found = await asyncio.gather(*map(self._filed_one, items))
        return [filed for filed in found if filed is not None]

    async def _filed_one(self, item: Item) -> Filed | None:
        async def look() -> Filed | None:
            image = await self._commits.worth(item)
            if image is None or "at" in image:
                return None
            document = await self._document(item, image)
            return Filed(item.fields["t"], item.fields["k"], document, image["due"])

        try:
            return await look()
        except PartsGone:  # it was written again since it was listed
            tenant, kind, id = (item.fields[name] for name in "tki")
            document = await self.get(tenant, kind, id)
            due = (records.now(await self._account.read(item.key)) or {}).get("due")
            return None if document is None else Filed(tenant, kind, document, due)

    async def _document(self, item: Item, image: Mapping[str, Any]) -> Document:
        """Raises `PartsGone`."""
        body = await self._bodies.read(item.key[0], image["body"])
        id = item.fields["i"]
        return Document(id, image["parent"], image["sequence"], image["version"], body, image["label"])

    async def _length(self, tenant: str, log: str) -> int:
        image = await self._commits.worth(await self._account.read(names.log(tenant, log)))
        return 0 if image is None else int(image["length"])

    async def _schema(self) -> int:
        """The container's schema version, written now where there is none."""
        found = await self._account.read(names.SCHEMA)
        if found is not None:
            return int(found.fields["version"])
        await self._account.create(names.COUNTER, {"y": "counter", "last": 0})
        await self._account.create(names.SCHEMA, {"y": "schema", "version": SCHEMA})
        return SCHEMA

    def _check(self, found: int) -> None:
        refuse_newer(self._account.name, found, SCHEMA, "choose another container in STORAGE_URL")


def _where(given: Mapping[str, Any]) -> str:
    conditions = {
        "t": "c.t = @t",
        "k": "c.k = @k",
        "l": "ARRAY_CONTAINS(c.l, @l)",
        "low": "c.s > @low",
        "high": "c.s < @high",
    }
    return " AND ".join(["c.y = 'document'", *(text for name, text in conditions.items() if name in given)])


def _second_time() -> Callable[[], Awaitable[bool]]:
    """For who waits to be woken: asked first, the answer is no."""
    answers = iter([False])

    async def asked() -> bool:
        return next(answers, True)

    return asked


async def _whole(look: Callable[[], Awaitable[T]]) -> T:
    """What was seen, when all of its parts were there."""
    for _ in range(_AGAIN):
        try:
            return await look()
        except PartsGone:
            continue
    raise StorageUnavailable("what is read is written anew each time")
