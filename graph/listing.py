"""Documents in the order in which they came to be, as clients page through them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from graph.events import now_ms
from graph.storage.port import Delete, Document, Order, Put, Storage

T = TypeVar("T")

_SCANNED = 100  # documents that are in memory at once while the wanted ones are looked for
_LARGE = 64_000  # bytes of a document
PLACE = "place"
_PLACE_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """The documents of one kind under a parent, `decode`d. `label` picks by index; `wanted` by what they hold: the others
    are read past, a few at a time. Clients know the documents' ids without their first part, `scope`."""

    storage: Storage
    tenant: str
    kind: str
    decode: Callable[[Document], T]
    parent: str = ""
    label: str | None = None
    wanted: Callable[[T], bool] | None = None
    scope: str = ""

    async def position(self, id: str) -> int | None:
        """Where a document of that id stands, or stood when it was removed within the last hour. None: nowhere."""
        id = f"{self.scope}{id}"
        document = await self.storage.get(self.tenant, self.kind, id)
        if document is not None:
            return document.sequence if document.parent == self.parent else None
        left = await self.storage.get(self.tenant, PLACE, _place_id(self.kind, id))
        return int(left.body) if left is not None and left.parent == self.parent else None

    async def read(self, order: Order, after: int | None, before: int | None, limit: int) -> list[T]:
        """The next ones behind `after`, up to `before`, in the direction of `order`."""
        found: list[T] = []
        page = limit if self.wanted is None else _SCANNED
        while len(found) < limit:
            documents = await self.storage.query(
                self.tenant,
                self.kind,
                parent=self.parent,
                label=self.label,
                order=order,
                after=after,
                before=before,
                limit=page,
            )
            decoded = [await self._decoded(document) for document in documents]
            found += decoded if self.wanted is None else filter(self.wanted, decoded)
            if len(documents) < page:
                break
            after = documents[-1].sequence
            await asyncio.sleep(0)  # there may be thousands to read past: let requests pass
        return found[:limit]

    async def _decoded(self, document: Document) -> T:
        if len(document.body) > _LARGE:
            await asyncio.sleep(0)  # takes milliseconds, and there may be a hundred
        return self.decode(document)


def place(kind: str, document: Document) -> Put:
    """The write that belongs to a document's `Delete`: whoever deletes what a page shows still gets the next page."""
    return Put(
        PLACE,
        _place_id(kind, document.id),
        b"%d" % document.sequence,
        parent=document.parent,
        due=now_ms() + _PLACE_MS,
    )


async def sweep_places(storage: Storage) -> None:
    """Forget the places whose time is over."""
    while due := await storage.due(PLACE, now_ms()):
        for tenant, id in due:
            await storage.commit(tenant, Delete(PLACE, id))


def _place_id(kind: str, id: str) -> str:
    return f"{kind}/{id}"
