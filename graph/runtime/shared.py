"""The runtime of many processes: each starts what it accepts itself while it has room, and the rest waits in a queue
from which all of them take."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Final

from graph.runtime.in_process import InProcess
from graph.runtime.port import Execute, Job, Queue, RuntimeAway

_KNOWN_FOR = 1.0  # seconds that a count of those who wait is believed
START_SECONDS: Final = 15.0  # as long as a storage waits for its server
_PAUSE: Final = 0.3


class Shared:
    """Does jobs here and puts what is too much into a queue. `works`: this process does jobs at all."""

    def __init__(self, queue: Queue, limit: int, of_tenant: int = 0, *, works: bool = True) -> None:
        self._queue = queue
        self._limit = limit
        self._works = works
        self._here = InProcess(limit, of_tenant)
        self._counted = (-_KNOWN_FOR, 0)

    async def open(self) -> None:
        """A server that is not there yet, or is just starting, is waited for."""
        until = monotonic() + START_SECONDS
        while True:
            try:
                return await self._queue.open()
            except RuntimeAway:
                if monotonic() + _PAUSE > until:
                    raise
            await asyncio.sleep(_PAUSE)

    async def start(self, execute: Execute) -> None:
        if self._works:
            await self._here.start(execute)
            await self._queue.take(self._taken, self._limit)

    async def submit(self, job: Job) -> bool:
        if self._here.has_room(job.tenant):
            return await self._here.submit(job)
        at, count = self._counted
        self._counted = (at, count + 1)
        await self._queue.put(job)
        return False

    async def offer(self, job: Job) -> None:
        await self._queue.put(job)

    async def waiting(self) -> int:
        """Of the whole fleet, at most a second ago; what was put from here since then is counted along."""
        at, count = self._counted
        if monotonic() - at > _KNOWN_FOR:
            count = await self._queue.waiting()
            self._counted = (monotonic(), count)
        return count + await self._here.waiting()

    async def stop(self) -> None:
        await self._queue.stop()
        for job in self._here.clear():
            await self._queue.put(job)

    async def close(self) -> None:
        await self._queue.close()

    async def _taken(self, job: Job) -> None:
        """Do a job of the queue. One whose tenant has enough at work here waits here without a place in the queue's
        reckoning, so that it keeps no other tenant waiting; where others have room, the sweep offers it to them."""
        if self._here.is_full_for(job.tenant):
            await self._here.submit(job)
        else:
            await self._here.carried(job)
