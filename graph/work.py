"""A run at work in this process: its journal, its turn that is still open, and those who follow it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator, Iterable, Sequence
from typing import Generic, Literal, TypeVar

from graph import events as ev
from graph.journal import OpenPart, Position, replay, retell_open
from graph.run import Run, fold

StopReason = Literal["cancel", "expired", "handover", "sibling"]
T = TypeVar("T")


class LostRun(Exception):
    """Another owner has taken this run: say nothing more."""


class Follower(Generic[T]):
    """A reader of what happens. What piles up between two reads is read together."""

    def __init__(self, first: Iterable[T] = ()) -> None:
        self._batch = list(first)
        self._closed = False
        self._wake: asyncio.Future[None] | None = None

    def put(self, events: Iterable[T]) -> None:
        self._batch.extend(events)
        self._notify()

    def close(self) -> None:
        """Nothing more comes."""
        self._closed = True
        self._notify()

    async def batches(self) -> AsyncGenerator[Sequence[T], None]:
        while True:
            if self._batch:
                batch, self._batch = self._batch, []
                yield batch
            elif self._closed:
                return
            else:
                self._wake = asyncio.get_running_loop().create_future()
                await self._wake

    def _notify(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)


class Work:
    """A run's leg in this process: from its start (or resumption) to its end (or next pause).

    `emit` tells live events, `tell` durable ones that have been written (or, for runs that are written at their end,
    will be). One who follows late sees the same as one who was there from the start. `kept`: the store will know of it.
    """

    def __init__(self, run: Run, journal: Sequence[ev.Durable] = (), *, kept: bool = True) -> None:
        self.run = run
        self.kept = kept
        self.journal: list[ev.Durable] = list(journal)
        self.first_entry = len(self.journal)
        self.first_item = len(run.items)
        self.stop: StopReason | None = None
        self.fate: ev.Durable | None = None
        self.carried = False  # whether what is known here is what is true
        self.inner: asyncio.Task[None] | None = None
        self.over = asyncio.Event()
        self._open: list[OpenPart] = []
        self._followers: set[Follower[ev.Event]] = set()

    def emit(self, event: ev.Live) -> None:
        """Tell a live event."""
        match event:
            case ev.MessageStarted() | ev.CallStarted():
                self._open.append(OpenPart(event))
            case ev.TextDelta(_, text, logprobs):
                part = self._part(event)
                part.text.append(text)
                part.logprobs += logprobs
            case ev.CallDelta(_, text):
                self._part(event).text.append(text)
            case ev.AgentProgress():
                pass
        for follower in self._followers:
            follower.put((event,))

    def tell(self, events: Sequence[ev.Durable]) -> None:
        """Add durable events to the journal, and tell them."""
        for event in events:
            self.run = fold(self.run, event)
            self._close(event)
        self.journal.extend(events)
        for follower in self._followers:
            follower.put(events)

    async def follow(self, after: Position) -> AsyncGenerator[Sequence[ev.Event], None]:
        """Everything after a position, until this leg is over."""
        follower = Follower(self._so_far(after))
        if self.over.is_set():
            follower.close()
        self._followers.add(follower)
        try:
            async for batch in follower.batches():
                yield batch
        finally:
            self._followers.discard(follower)

    def _so_far(self, after: Position) -> Generator[ev.Event, None, None]:
        told = yield from replay(self.journal, after)
        yield from retell_open(self._open, told)

    def end(self) -> None:
        """This leg is over."""
        self.over.set()
        for follower in self._followers:
            follower.close()

    def request_stop(self, reason: StopReason) -> None:
        """Stop the work. The first reason holds."""
        if self.stop is None:
            self.stop = reason
            if self.inner is not None:
                self.inner.cancel()

    def fall_with(self, fate: ev.Durable) -> None:
        """A run beside this one, for the same request, has ended like this, without an answer: so shall this one."""
        if self.stop is None:
            self.fate = fate
            self.request_stop("sibling")

    @property
    def settled(self) -> bool:
        """Whether this leg came to its own end: the run has ended, or waits for its client once more."""
        return self.run.ended or (self.run.status == "requires_action" and len(self.journal) > self.first_entry)

    @property
    def position(self) -> Position:
        """How far this leg has told its run."""
        told = sum(1 + sum(map(len, part.text)) for part in self._open)
        return Position(len(self.journal), told)

    @property
    def open_parts(self) -> list[OpenPart]:
        """What is half told: to be completed before a terminal event."""
        return self._open

    def _part(self, event: ev.TextDelta | ev.CallDelta) -> OpenPart:
        id = event.message_id if isinstance(event, ev.TextDelta) else event.call_id
        return next(part for part in reversed(self._open) if _id(part.start) == id)

    def _close(self, event: ev.Durable) -> None:
        match event:
            case ev.MessageCompleted(id) | ev.CallCompleted(id):
                self._open = [part for part in self._open if _id(part.start) != id]
            case ev.RunStarted():
                self._open = []


def _id(start: ev.MessageStarted | ev.CallStarted) -> str:
    return start.message_id if isinstance(start, ev.MessageStarted) else start.call_id
