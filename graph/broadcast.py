"""What is told of runs carried here to processes that follow them from afar: see `graph.channel`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from contextlib import suppress
from typing import Final, assert_never

from graph import events as ev
from graph.carrier import Carrier
from graph.channel import Channel, Said
from graph.journal import retell_open
from graph.lease import Cancel, Follow, Notice, Unfollow
from graph.storage.port import Storage, StorageError
from graph.work import Work

WINDOW = 0.025  # seconds in which deltas are grouped
AGAIN = 1.0  # seconds after which a store that was away is tried again
_LAST_WORDS: Final = 5.0  # seconds

log = logging.getLogger(__name__)


class Outbox:
    """A listener whose events leave in groups: what changes a run's state at once, deltas when the last group is a while ago."""

    def __init__(self) -> None:
        self._events: list[ev.Event] = []
        self._closed = False
        self._something, self._urgent = asyncio.Event(), asyncio.Event()

    def put(self, events: Iterable[ev.Event]) -> None:
        for event in events:
            self._events.append(event)
            if not isinstance(event, ev.TextDelta | ev.CallDelta | ev.AgentProgress):
                self._urgent.set()
        self._something.set()

    def close(self) -> None:
        self._closed = True
        self._something.set()
        self._urgent.set()

    async def group(self) -> Said:
        """What there is to say, as soon as there is something."""
        await self._something.wait()
        self._something.clear()
        self._urgent.clear()
        events, self._events = tuple(self._events), []
        return Said(events, over=self._closed)

    async def pause(self) -> None:
        """The time between two groups."""
        with suppress(TimeoutError):
            async with asyncio.timeout(WINDOW):
                await self._urgent.wait()


class Broadcasts:
    """Hears what other processes want of the runs carried here, and tells those who follow one."""

    def __init__(self, storage: Storage, carrier: Carrier) -> None:
        self._storage, self._carrier = storage, carrier
        self._speaking: dict[str, asyncio.Task[None]] = {}

    def hear(self, notice: Notice) -> None:
        """Do what a notice says."""
        match notice:
            case Cancel(run_id):
                self._carrier.cancel(run_id)
            case Follow(_, _, channel):
                if channel not in self._speaking:
                    task = self._speaking[channel] = asyncio.create_task(self._speak(notice))
                    task.add_done_callback(lambda _: self._speaking.pop(channel, None))
            case Unfollow(channel):
                if task_of := self._speaking.get(channel):
                    task_of.cancel()
            case _:
                assert_never(notice)

    async def close(self) -> None:
        """End, when everybody has heard that nothing is carried here any more."""
        if tasks := list(self._speaking.values()):
            _, left = await asyncio.wait(tasks, timeout=_LAST_WORDS)
            for task in left:
                task.cancel()
            if left:
                await asyncio.wait(left)

    async def _speak(self, notice: Follow) -> None:
        channel = Channel(self._storage, notice.tenant, notice.channel)
        work = self._carrier.known(notice.tenant, notice.run_id)
        if work is None or not self._carrier.has_taken(notice.run_id):
            await _say(channel, Said(over=True))
            return
        outbox = Outbox()
        with work.heard_by(outbox):
            said = _opening(work)
            while await _say(channel, said) and not said.over:
                await outbox.pause()
                said = await outbox.group()


def _opening(work: Work) -> Said:
    return Said(tuple(retell_open(work.open_parts, 0)), opening=len(work.journal))


async def _say(channel: Channel, said: Said) -> bool:
    """Say it, as soon as the store is there; False when nobody listens any more."""
    while True:
        try:
            if not await channel.is_heard():
                return False
            await channel.say(said)
            return True
        except StorageError as error:
            log.warning("a run's events can't be told to another process: %s", error)
            await asyncio.sleep(AGAIN)
