"""The runtime of a single process: a queue, and at most so many jobs at a time."""

from __future__ import annotations

import asyncio
from collections import Counter

from graph.runtime.port import Execute, Job


class InProcess:
    """Does jobs in this process, in the order they came: at most `limit` at the same time, of one tenant at most
    `of_tenant` (0 = as many). Who waits for its tenant holds nobody else up."""

    def __init__(self, limit: int, of_tenant: int = 0) -> None:
        self._limit = limit
        self._of_tenant = of_tenant
        self._waiting: dict[Job, None] = {}  # in order, each once
        self._tasks: set[asyncio.Task[None]] = set()
        self._tenants: Counter[str] = Counter()
        self._over: dict[Job, asyncio.Future[None]] = {}
        self._execute: Execute | None = None

    async def open(self) -> None:
        """There is nothing to connect to."""

    async def start(self, execute: Execute) -> None:
        self._execute = execute
        self._next()

    async def submit(self, job: Job) -> bool:
        self._waiting[job] = None
        self._next()
        return True

    async def offer(self, job: Job) -> None:
        await self.submit(job)

    async def carried(self, job: Job) -> None:
        """Do a job when its turn comes; returns when it is over, or will not be done here."""
        over = self._over.setdefault(job, asyncio.get_running_loop().create_future())
        await self.submit(job)
        await asyncio.shield(over)

    def has_room(self, tenant: str) -> bool:
        """Whether a job would begin at once."""
        return self._execute is not None and len(self._tasks) < self._limit and not self.is_full_for(tenant)

    def is_full_for(self, tenant: str) -> bool:
        """Whether a tenant has as much at work as it may."""
        return 0 < self._of_tenant <= self._tenants[tenant]

    async def waiting(self) -> int:
        return len(self._waiting)

    async def stop(self) -> None:
        self.clear()

    def clear(self) -> list[Job]:
        """Stop; what was waiting."""
        self._execute = None
        left = list(self._waiting)
        self._waiting.clear()
        for job in left:
            self._release(job)
        return left

    async def close(self) -> None:
        """There is nothing to disconnect from."""

    def _next(self) -> None:
        while self._execute is not None and len(self._tasks) < self._limit:
            job = next((each for each in self._waiting if not self.is_full_for(each.tenant)), None)
            if job is None:
                return
            del self._waiting[job]
            self._begin(job, self._execute)

    def _begin(self, job: Job, execute: Execute) -> None:
        task = asyncio.ensure_future(execute(job))
        self._tasks.add(task)
        self._tenants[job.tenant] += 1

        def done(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            self._tenants[job.tenant] -= 1
            if not self._tenants[job.tenant]:
                del self._tenants[job.tenant]
            if job not in self._waiting:
                self._release(job)
            self._next()

        task.add_done_callback(done)

    def _release(self, job: Job) -> None:
        if over := self._over.pop(job, None):
            over.set_result(None)
