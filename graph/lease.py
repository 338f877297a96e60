"""The lease belongs to the process: one owner document, renewed while it lives; runs name their owner.

An owner is dead when its document has not been renewed for `DEAD_AFTER`, or is gone. A living one can be sent the ids
of its runs that somebody wants stopped: they stand in a log of its own.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import orjson

from graph.events import now_ms
from graph.ids import new_id
from graph.storage.port import Append, Delete, Drop, Put, Storage, StorageError

log = logging.getLogger(__name__)
RENEW_EVERY = 3.0
DEAD_AFTER = 10.0
WAIT = 60.0
TENANT = ""  # owners belong to no tenant: no client's tenant is empty

Notice = Callable[[str], None]


class Lease:
    """This process as an owner of runs. Written before the first run is owned, removed at `release`."""

    def __init__(self, storage: Storage) -> None:
        self.owner = new_id()
        self._storage = storage
        self._notice: Notice | None = None
        self._acquiring = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []

    def listen(self, notice: Notice) -> None:
        """Hear of runs that other processes want stopped: `notice` is called with their ids. Before `acquire`."""
        self._notice = notice

    async def acquire(self) -> None:
        """Begin to own runs."""
        async with self._acquiring:
            if not self._tasks:
                await self._write()
                self._begin(self._renew())
                if self._notice is not None:
                    self._begin(self._hear(self._notice))

    async def release(self) -> None:
        """Own nothing more."""
        async with self._acquiring:
            if not self._tasks:
                return
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks)
            self._tasks.clear()
            await self.bury(self.owner)

    async def is_alive(self, owner: str) -> bool:
        """Whether that owner's lease holds."""
        if owner == self.owner:
            return True
        document = await self._storage.get(TENANT, "owner", owner)
        if document is None:
            return False
        until: int = orjson.loads(document.body)["until"]
        return until > now_ms()

    async def bury(self, owner: str) -> None:
        """Forget a dead owner."""
        await self._storage.commit(TENANT, Delete("owner", owner), Drop(_log_of(owner)))

    async def notify(self, owner: str, run_id: str) -> None:
        """Tell a living owner that one of its runs is to be stopped."""
        await self._storage.commit(TENANT, Append(_log_of(owner), (run_id.encode(),)))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.create_task(work))

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEW_EVERY)
            try:
                await self._write()
            except StorageError as error:
                log.warning("the lease could not be renewed: %s", error)

    async def _hear(self, notice: Notice) -> None:
        heard = 0
        while True:
            try:
                await self._storage.wait(TENANT, _log_of(self.owner), heard, WAIT)
                notices = await self._storage.read(TENANT, _log_of(self.owner), after=heard)
                heard += len(notices)
                for _, body in notices:
                    notice(body.decode())
            except StorageError as error:
                log.warning("other processes can't be heard: %s", error)
                await asyncio.sleep(RENEW_EVERY)

    async def _write(self) -> None:
        until = now_ms() + int(DEAD_AFTER * 1000)
        body = orjson.dumps({"until": until, "host": socket.gethostname(), "pid": os.getpid()})
        await self._storage.commit(TENANT, Put("owner", self.owner, body, due=until))


def _log_of(owner: str) -> str:
    return f"owner/{owner}"
