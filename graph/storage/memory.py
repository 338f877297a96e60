"""`memory://`: everything in this process, gone with it. For tests, trials and single conversations."""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import assert_never

from graph.storage.blobs import Blobs, WithBlobs
from graph.storage.port import Append, Conflict, Delete, Document, Drop, Entry, Filed, Order, Put, Stored, Write
from graph.storage.waiters import LogKey, Waiters

Undo = Callable[[], None]


class MemoryStorage(WithBlobs):
    """The port over dictionaries. A commit never yields to the loop, so it is seen whole or not at all."""

    shared = False

    def __init__(self, url: str = "memory://", blob_url: str | None = None) -> None:
        super().__init__(Blobs(blob_url or "memory://"))
        self._shelves: defaultdict[tuple[str, str], _Shelf] = defaultdict(_Shelf)
        self._due: defaultdict[str, dict[tuple[str, str], tuple[int, int]]] = defaultdict(dict)
        self._logs: dict[LogKey, list[bytes]] = {}
        self._sequence = 0
        self._waiters = Waiters()

    async def open(self, *, claim: bool = False) -> None:
        await self._blobs.open()

    async def close(self) -> None:
        """Nothing to give back: what was stored stays readable as long as this object lives."""

    async def migrate(self) -> tuple[int, int]:
        """Nothing is older than this process."""
        return 1, 1

    async def get(self, tenant: str, kind: str, id: str) -> Document | None:
        return self._shelf(tenant, kind).get(id)

    async def get_many(self, tenant: str, kind: str, ids: Sequence[str]) -> list[Document]:
        shelf = self._shelf(tenant, kind)
        return [document for id in ids if (document := shelf.get(id)) is not None]

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
        found = self._shelf(tenant, kind).between(parent, low, high, backwards=order == "desc")
        labelled = (document for document in found if label is None or document.label == label)
        return list(islice(labelled, max(limit, 0)))

    async def commit(self, tenant: str, *writes: Write) -> None:
        undos: list[Undo] = []
        try:
            for write in writes:
                self._apply(tenant, write, undos)
        except BaseException:
            for undo in reversed(undos):
                undo()
            raise
        for write in writes:
            if isinstance(write, Append):
                self._waiters.wake((tenant, write.log))

    async def read(self, tenant: str, log: str, after: int = 0, limit: int = 1000) -> list[tuple[int, bytes]]:
        start = max(after, 0)
        entries = self._logs.get((tenant, log), [])[start : start + max(limit, 0)]
        return list(enumerate(entries, start + 1))

    async def wait(self, tenant: str, log: str, after: int, timeout: float) -> bool:
        async def grown() -> bool:
            return self._length(tenant, log) > after

        return await self._waiters.until((tenant, log), grown, timeout)

    async def due(self, kind: str, until: int, limit: int = 100) -> list[tuple[str, str]]:
        waiting = self._due.get(kind, {})
        reached = ((when, key) for key, when in waiting.items() if when[0] <= until)
        return [key for _, key in heapq.nsmallest(max(limit, 0), reached)]

    async def everything(self) -> AsyncIterator[Stored]:
        for (tenant, kind), shelf in tuple(self._shelves.items()):
            waiting = self._due.get(kind, {})
            for document in tuple(shelf.between(None, None, None, backwards=False)):
                due = waiting.get((tenant, document.id))
                yield Filed(tenant, kind, document, due[0] if due else None)
        for (tenant, log), entries in tuple(self._logs.items()):
            for position, body in enumerate(tuple(entries), 1):
                yield Entry(tenant, log, position, body)

    def _shelf(self, tenant: str, kind: str) -> _Shelf:
        return self._shelves.get((tenant, kind), _EMPTY)

    def _length(self, tenant: str, log: str) -> int:
        return len(self._logs.get((tenant, log), ()))

    def _apply(self, tenant: str, write: Write, undos: list[Undo]) -> None:
        match write:
            case Put():
                undos.append(self._put(tenant, write))
            case Delete():
                undos.append(self._delete(tenant, write))
            case Append():
                undos.append(self._append(tenant, write))
            case Drop():
                undos.append(self._drop(tenant, write))
            case _:
                assert_never(write)

    def _put(self, tenant: str, write: Put) -> Undo:
        found = self._expected(tenant, write)
        if found is None:
            self._sequence += 1
            found = Document(write.id, write.parent, self._sequence, 0, b"")
        document = replace(found, parent=write.parent, version=found.version + 1, body=write.body, label=write.label)
        return self._set(tenant, write.kind, write.id, document, write.due)

    def _delete(self, tenant: str, write: Delete) -> Undo:
        self._expected(tenant, write)
        return self._set(tenant, write.kind, write.id, None, None)

    def _expected(self, tenant: str, write: Put | Delete) -> Document | None:
        found = self._shelf(tenant, write.kind).get(write.id)
        if write.expect is not None and write.expect != (found.version if found else 0):
            raise Conflict(write)
        return found

    def _set(self, tenant: str, kind: str, id: str, document: Document | None, due: int | None) -> Undo:
        shelf, waiting = self._shelves[tenant, kind], self._due[kind]
        before, before_due = shelf.get(id), waiting.pop((tenant, id), None)
        shelf.set(id, document)
        if document is not None and due is not None:
            waiting[tenant, id] = (due, document.sequence)

        def undo() -> None:
            self._set(tenant, kind, id, before, before_due[0] if before_due else None)

        return undo

    def _append(self, tenant: str, write: Append) -> Undo:
        length = self._length(tenant, write.log)
        if write.after is not None and write.after != length:
            raise Conflict(write)
        self._logs.setdefault((tenant, write.log), []).extend(write.entries)

        def undo() -> None:
            del self._logs[tenant, write.log][length:]

        return undo

    def _drop(self, tenant: str, write: Drop) -> Undo:
        entries = self._logs.pop((tenant, write.log), [])

        def undo() -> None:
            self._logs[tenant, write.log] = entries

        return undo


class _Shelf:
    """The documents of one kind of one tenant, by id, and in sequence under each parent (None: under any)."""

    def __init__(self) -> None:
        self._by_id: dict[str, Document] = {}
        self._by_sequence: dict[int, Document] = {}
        self._sequences: defaultdict[str | None, list[int]] = defaultdict(list)

    def get(self, id: str) -> Document | None:
        return self._by_id.get(id)

    def set(self, id: str, document: Document | None) -> None:
        """What stands under this id from now on; None removes it."""
        found = self._by_id.get(id)
        if found is not None and (document is None or document.parent != found.parent):
            self._remove(found)
            found = None
        if document is not None:
            self._by_id[id] = self._by_sequence[document.sequence] = document
            if found is None:
                self._place(document)

    def between(self, parent: str | None, low: int | None, high: int | None, *, backwards: bool) -> Iterator[Document]:
        """Those with low < sequence < high."""
        sequences = self._sequences.get(parent, [])
        start = 0 if low is None else bisect_right(sequences, low)
        stop = len(sequences) if high is None else bisect_left(sequences, high)
        positions = range(stop - 1, start - 1, -1) if backwards else range(start, stop)
        return (self._by_sequence[sequences[position]] for position in positions)

    def _place(self, document: Document) -> None:
        for parent in (None, document.parent):
            insort(self._sequences[parent], document.sequence)

    def _remove(self, document: Document) -> None:
        del self._by_id[document.id], self._by_sequence[document.sequence]
        for parent in (None, document.parent):
            sequences = self._sequences[parent]
            del sequences[bisect_left(sequences, document.sequence)]
            if not sequences:
                del self._sequences[parent]


_EMPTY = _Shelf()
