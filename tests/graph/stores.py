"""Stores that misbehave the way networks do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeGuard

from graph.storage.memory import MemoryStorage
from graph.storage.port import Append, Document, Put, StorageError, StorageUnavailable, Write
from tests.graph.doubles import Gate

Matches = Callable[[Write], bool]
Plan = Callable[[Callable[[], Awaitable[None]]], Awaitable[None]]


class Unsteady(MemoryStorage):
    """A store in memory that lets others run around each of its operations, as every store behind a network does.

    `away` makes it unreachable; `lose`, `refuse` and `hold` each spoil the next commit with a write that matches.
    """

    def __init__(self) -> None:
        super().__init__()
        self.away = False
        self._plans: list[tuple[Matches, Plan]] = []

    def lose(self, matches: Matches, error: StorageError | None = None) -> None:
        """That commit is written, and its answer lost."""

        async def lose(commit: Callable[[], Awaitable[None]]) -> None:
            await commit()
            raise error or StorageUnavailable("the connection was cut")

        self._plans.append((matches, lose))

    def refuse(self, matches: Matches, error: StorageError | None = None) -> None:
        """That commit is not written."""

        async def refuse(commit: Callable[[], Awaitable[None]]) -> None:
            raise error or StorageUnavailable("the store is away")

        self._plans.append((matches, refuse))

    def hold(self, matches: Matches) -> Gate:
        """That commit is written, and its answer waits for the gate."""
        gate = Gate()

        async def hold(commit: Callable[[], Awaitable[None]]) -> None:
            await commit()
            gate.reached.set()
            await gate.open.wait()

        self._plans.append((matches, hold))
        return gate

    async def commit(self, tenant: str, *writes: Write) -> None:
        async def commit() -> None:
            await MemoryStorage.commit(self, tenant, *writes)

        await self._breathe()
        for number, (matches, plan) in enumerate(self._plans):
            if any(map(matches, writes)):
                del self._plans[number]
                await plan(commit)
                return
        await commit()
        await self._breathe()

    async def get(self, tenant: str, kind: str, id: str) -> Document | None:
        await self._breathe()
        return await super().get(tenant, kind, id)

    async def get_many(self, tenant: str, kind: str, ids: Sequence[str]) -> list[Document]:
        await self._breathe()
        return await super().get_many(tenant, kind, ids)

    async def read(self, tenant: str, log: str, after: int = 0, limit: int = 1000) -> list[tuple[int, bytes]]:
        await self._breathe()
        return await super().read(tenant, log, after, limit)

    async def due(self, kind: str, until: int, limit: int = 100) -> list[tuple[str, str]]:
        await self._breathe()
        return await super().due(kind, until, limit)

    async def _breathe(self) -> None:
        if self.away:
            raise StorageUnavailable("the store is away")
        await asyncio.sleep(0)


def run_document(write: Write) -> TypeGuard[Put]:
    return isinstance(write, Put) and write.kind == "run"


def journal_of(*events: str) -> Matches:
    """A write of these events to a journal, be it a log or in its run's document."""
    marks = [f'"e":"{event}"'.encode() for event in events]

    def matches(write: Write) -> bool:
        entries = write.entries if isinstance(write, Append) else (write.body,) if run_document(write) else ()
        return all(any(mark in entry for entry in entries) for mark in marks)

    return matches
