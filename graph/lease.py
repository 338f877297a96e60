"""The lease belongs to the process: one owner document, renewed while it lives; runs name their owner.

An owner is dead when its document has not been renewed for `DEAD_AFTER`, or is gone. A living one can be sent notices about
its runs: they stand in a log of its own, which it empties now and then.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Coroutine
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from graph.events import now_ms
from graph.ids import new_id
from graph.storage.port import Append, Conflict, Delete, Drop, Put, Storage, StorageError

log = logging.getLogger(__name__)
RENEW_EVERY = 3.0
DEAD_AFTER = 10.0
WAIT = 60.0
MOST_HEARD = 1000  # notices, behind which the log is begun anew
TENANT = ""  # owners belong to no tenant: no client's tenant is empty


@dataclass(frozen=True, slots=True)
class Cancel:
    """One of the owner's runs is to be stopped."""

    run_id: str


@dataclass(frozen=True, slots=True)
class Follow:
    """Somebody elsewhere follows one of the owner's runs, and listens at this channel (see `graph.channel`)."""

    tenant: str
    run_id: str
    channel: str


@dataclass(frozen=True, slots=True)
class Unfollow:
    """Nobody listens at this channel any more."""

    channel: str


_NOTHING = b"{}"  # what can't be appended where the log is longer than is known
Notice = Cancel | Follow | Unfollow
Hear = Callable[[Notice], None]
_NOTICES: dict[str, type[Notice]] = {cls.__name__: cls for cls in (Cancel, Follow, Unfollow)}


class Lease:
    """This process as an owner of runs. Written before the first run is owned, removed at `release`."""

    def __init__(self, storage: Storage) -> None:
        self.owner = new_id()
        self._storage = storage
        self._notice: Hear | None = None
        self._acquiring = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []

    def listen(self, notice: Hear) -> None:
        """Hear what other processes want of runs owned here: `notice` is called with it. Before `acquire`."""
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

    async def notify(self, owner: str, notice: Notice) -> None:
        """Tell a living owner."""
        await self._storage.commit(TENANT, Append(_log_of(owner), (_encode(notice),)))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.create_task(work))

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEW_EVERY)
            try:
                await self._write()
            except StorageError as error:
                log.warning("the lease could not be renewed: %s", error)

    async def _hear(self, notice: Hear) -> None:
        heard, sure = 0, True
        while True:
            try:
                if not sure and not await self._stands(heard):
                    heard = 0
                sure = True
                await self._storage.wait(TENANT, _log_of(self.owner), heard, WAIT)
                notices = await self._storage.read(TENANT, _log_of(self.owner), after=heard)
                heard += len(notices)
                for _, body in notices:
                    if (said := _decode(body)) is not None:
                        notice(said)
                if heard >= MOST_HEARD and await self._emptied(heard):
                    heard = 0
            except StorageError as error:
                log.warning("other processes can't be heard: %s", error)
                sure = False
                await asyncio.sleep(RENEW_EVERY)

    async def _stands(self, heard: int) -> bool:
        """Whether what was heard is still in the log: it may have been emptied, and the answer lost."""
        return not heard or bool(await self._storage.read(TENANT, _log_of(self.owner), after=heard - 1, limit=1))

    async def _emptied(self, heard: int) -> bool:
        """Empty the log of what was heard; False when there is more in it by now."""
        place = _log_of(self.owner)
        try:
            await self._storage.commit(TENANT, Append(place, (_NOTHING,), after=heard), Drop(place))
        except Conflict:
            return False
        return True

    async def _write(self) -> None:
        until = now_ms() + int(DEAD_AFTER * 1000)
        body = orjson.dumps({"until": until, "host": socket.gethostname(), "pid": os.getpid()})
        await self._storage.commit(TENANT, Put("owner", self.owner, body, due=until))


def _encode(notice: Notice) -> bytes:
    return orjson.dumps({"n": type(notice).__name__, **asdict(notice)})


def _decode(body: bytes) -> Notice | None:
    """None for what a later version has to say."""
    fields = orjson.loads(body)
    kind = _NOTICES.get(fields.pop("n", ""))
    return kind(**fields) if kind else None


async def living(storage: Storage) -> list[str]:
    """The processes that own runs of this store, as messages may call them."""
    owners = [orjson.loads(document.body) for document in await storage.query(TENANT, "owner", limit=1000)]
    return [f"process {owner['pid']} on {owner['host']}" for owner in owners if owner["until"] > now_ms()]


def _log_of(owner: str) -> str:
    return f"owner/{owner}"
