"""A run that another process carries, as it is followed here.

A mirror knows the run's journal, and asks the run's owner for what is told besides (see `graph.channel`). What it hears is
told here as if the run was carried here. Where the owner is silent, dead or not there yet, the journal goes on alone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from graph import events as ev
from graph.channel import Channel, Said
from graph.errors import ShuttingDown
from graph.journal import Position, unseen
from graph.lease import Follow, Lease, Unfollow
from graph.recovery import Recovery
from graph.run import Run
from graph.runs import Runs, log_of
from graph.storage.port import Storage, StorageError
from graph.work import OpenTurn, Work

TICK = 3.0  # seconds of silence after which is looked whether the owner is still there
_WAIT = 5.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What mirrors look at. `load` reads a run with its journal; `carried_here` says of a run that it is no affair of theirs;
    `retention` is how many seconds a channel may be left behind."""

    storage: Storage
    runs: Runs
    lease: Lease
    recovery: Recovery
    load: Callable[[str, str], Awaitable[tuple[Run, Sequence[ev.Durable], int]]]
    carried_here: Callable[[str], bool]
    retention: float


class Mirrors:
    """The mirrors of this process: one for each run that is carried elsewhere and followed here, as long as it is followed."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._mirrors: dict[tuple[str, str], Mirror] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    @asynccontextmanager
    async def reading(self, tenant: str, run_id: str) -> AsyncIterator[Mirror]:
        """The mirror of a run, there as long as somebody is inside. Raises `NotFound`, `StorageError`."""
        key = tenant, run_id
        mirror = self._mirrors.get(key)
        if mirror is None or mirror.task.done():
            mirror = self._mirrors[key] = self._begun(tenant, run_id)
        mirror.readers += 1
        try:
            await mirror.loaded()
            yield mirror
        finally:
            mirror.readers -= 1
            if not mirror.readers:
                mirror.task.cancel()
                if self._mirrors.get(key) is mirror:
                    del self._mirrors[key]

    async def close(self) -> None:
        """End them all: what is followed is told no more of."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _begun(self, tenant: str, run_id: str) -> Mirror:
        mirror = Mirror(self._around, tenant, run_id)
        self._tasks.add(mirror.task)
        mirror.task.add_done_callback(self._tasks.discard)
        if self._closed:
            mirror.task.cancel()
        return mirror


class Mirror:
    """A run as it is heard here, by as many as follow it."""

    def __init__(self, around: Surroundings, tenant: str, run_id: str) -> None:
        self._around, self._tenant, self._id = around, tenant, run_id
        self._work: asyncio.Future[Work] = asyncio.get_running_loop().create_future()
        self._turn = OpenTurn()  # as its owner has told it, behind so many entries of the journal:
        self._length = -1
        self._error: Exception | None = None
        self.readers = 0
        self.task = asyncio.create_task(self._run())

    @property
    def work(self) -> Work:
        """What is known of the run. Wait for `loaded` before."""
        return self._work.result()

    @property
    def over(self) -> bool:
        """Whether the run has ended, or waits for its client."""
        return self._work.done() and (self.work.run.ended or self.work.run.status == "requires_action")

    async def loaded(self) -> None:
        """Wait until the run is read. Raises what made that impossible."""
        either: list[asyncio.Future[Any]] = [self.task, self._work]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not self._work.done():
            self._raise()
            raise ShuttingDown("The server is shutting down. Follow the run elsewhere.")

    async def follow(self, after: Position) -> AsyncGenerator[Sequence[ev.Event], None]:
        """Everything after a position, until the run has ended, or waits for its client, or is carried here."""
        told = self.work.unknown(after)
        async with aclosing(self.work.follow(after)) as batches:
            async for batch in batches:
                rest = list[ev.Event]()
                for event in batch:
                    new, told = unseen(event, told)
                    rest += [new] if new else []
                if rest:
                    yield rest
        self._raise()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    async def _run(self) -> None:
        try:
            run, journal, _ = await self._around.load(self._tenant, self._id)
            self._work.set_result(Work(run, journal))
            while not (self.over or self._around.carried_here(self._id)):
                await self._hear_on(await self._catch_up())
        except Exception as error:
            self._error = error
        finally:
            if self._work.done():
                self.work.end()

    async def _hear_on(self, run: Run) -> None:
        """Hear of the run until it is time to look at it again."""
        if self.over:
            return
        if await self._around.recovery.carried_elsewhere(run):
            assert run.owner is not None
            await self._listen(run.owner)
        else:
            await self._around.storage.wait(self._tenant, log_of(self._id), len(self.work.journal), _WAIT)

    async def _catch_up(self) -> Run:
        """Tell what the journal has besides what is known. The run of its document."""
        run, _ = await self._around.runs.get(self._tenant, self._id)
        if await self._around.recovery.expire(run):
            run, _ = await self._around.runs.get(self._tenant, self._id)
        self.work.catch_up(await self._around.runs.rest(run, len(self.work.journal)))
        if self.work.run.fence > run.fence:  # taken since its document was read
            run, _ = await self._around.runs.get(self._tenant, self._id)
        return run

    async def _listen(self, owner: str) -> None:
        """Hear what the owner has to tell, until it has nothing more to tell, or another one carries the run."""
        channel = Channel(self._around.storage, self._tenant)
        self._length, self._turn = -1, OpenTurn()
        told = False
        try:
            await channel.listen(self._around.retention)
            await self._around.lease.notify(owner, Follow(self._tenant, self._id, channel.id))
            while not told:
                heard = await channel.hear(TICK)
                for said in heard:
                    await self._take(said)
                    told = told or said.over
                if not heard and not await self._goes_on(owner):
                    return
                await channel.listen(self._around.retention)
        finally:
            await self._leave(channel, owner, told=told)

    async def _goes_on(self, owner: str) -> bool:
        """Whether it is still this owner from whom there is something to hear."""
        run = await self._catch_up()
        return not self.over and run.owner == owner and await self._around.recovery.carried_elsewhere(run)

    async def _leave(self, channel: Channel, owner: str, *, told: bool) -> None:
        """Hear no more. The owner may still be speaking: then the channel is swept up later."""
        try:
            if told:
                await channel.remove()
            else:
                await self._around.lease.notify(owner, Unfollow(channel.id))
        except StorageError as error:
            log.info("a channel is left to be swept up: %s", error)

    async def _take(self, said: Said) -> None:
        if said.opening is not None:
            if said.opening > len(self.work.journal):
                await self._catch_up()
            self._length = said.opening
            for event in said.events:
                assert isinstance(event, ev.Live)
                self._turn.add(event)
            self._meet()
        else:
            for event in said.events:
                self._tell(event)

    def _tell(self, event: ev.Event) -> None:
        """Tell an event of the owner, unless the journal has told it here."""
        at_once = self._length == len(self.work.journal)
        if isinstance(event, ev.Live):
            self._turn.add(event)
            if at_once:
                self.work.emit(event)
            return
        self._turn.close(event)
        self._length += 1
        if at_once:
            self.work.tell((event,))
        else:
            self._meet()

    def _meet(self) -> None:
        """Where the owner has told as much of the journal as is known here: what it has told of the open turn is told."""
        if self._length == len(self.work.journal):
            self.work.catch_up_live(self._turn)
