"""The runtime of a single process: a queue, and at most so many runs at a time."""

from __future__ import annotations

import asyncio

from graph.runtime.port import Execute


class InProcess:
    """Starts runs in this process, in the order they came, at most `limit` at the same time."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: dict[tuple[str, str], None] = {}  # in order, each once
        self._tasks: set[asyncio.Task[None]] = set()
        self._execute: Execute | None = None

    async def start(self, execute: Execute) -> None:
        self._execute = execute
        self._next()

    async def submit(self, tenant: str, run_id: str) -> None:
        self._waiting[tenant, run_id] = None
        self._next()

    async def stop(self) -> None:
        self._execute = None
        self._waiting.clear()

    def _next(self) -> None:
        while self._execute is not None and self._waiting and len(self._tasks) < self._limit:
            job = next(iter(self._waiting))
            del self._waiting[job]
            task = asyncio.ensure_future(self._execute(*job))
            self._tasks.add(task)
            task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._next()
