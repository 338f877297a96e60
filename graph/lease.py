"""The lease belongs to the process: one owner document, renewed while it lives; runs name their owner.

An owner is dead when its document has not been renewed for `DEAD_AFTER`, or is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket

import orjson

from graph.events import now_ms
from graph.ids import new_id
from graph.storage.port import Delete, Put, Storage, StorageError

log = logging.getLogger(__name__)
RENEW_EVERY = 3.0
DEAD_AFTER = 10.0
TENANT = ""  # owners belong to no tenant: no client's tenant is empty


class Lease:
    """This process as an owner of runs. Written before the first run is owned, removed at `release`."""

    def __init__(self, storage: Storage) -> None:
        self.owner = new_id()
        self._storage = storage
        self._renewal: asyncio.Task[None] | None = None

    async def acquire(self) -> None:
        """Begin to own runs."""
        if self._renewal is None:
            await self._write()
            self._renewal = asyncio.create_task(self._renew())

    async def release(self) -> None:
        """Own nothing more."""
        if self._renewal is None:
            return
        self._renewal.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._renewal
        self._renewal = None
        await self._storage.commit(TENANT, Delete("owner", self.owner))

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
        await self._storage.commit(TENANT, Delete("owner", owner))

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEW_EVERY)
            try:
                await self._write()
            except StorageError as error:
                log.warning("the lease could not be renewed: %s", error)

    async def _write(self) -> None:
        until = now_ms() + int(DEAD_AFTER * 1000)
        body = orjson.dumps({"until": until, "host": socket.gethostname(), "pid": os.getpid()})
        await self._storage.commit(TENANT, Put("owner", self.owner, body, due=until))
