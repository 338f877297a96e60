"""A run at work in this process: its journal, its turn that is still open, and those who follow it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Generic, Literal, Protocol, TypeVar

from graph import events as ev
from graph.journal import OpenPart, Position, left_over, replay, retell_open
from graph.run import Run, fold

StopReason = Literal["cancel", "expired", "handover", "sibling"]
T = TypeVar("T")


class LostRun(Exception):
    """Another owner has taken this run: say nothing more."""


class Listener(Protocol):
    """Who is told what happens, and when nothing more comes."""

    def put(self, events: Iterable[ev.Event]) -> None: ...

    def close(self) -> None: ...


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


class OpenTurn:
    """What is told of a turn that is not whole yet: its parts, in order."""

    def __init__(self) -> None:
        self.parts: list[OpenPart] = []

    @property
    def told(self) -> int:
        """How much that is, as positions count it."""
        return sum(1 + sum(map(len, part.text)) for part in self.parts)

    def find(self, id: str) -> OpenPart | None:
        """The part of this message or call."""
        return next((part for part in reversed(self.parts) if _id(part.start) == id), None)

    def add(self, event: ev.Live) -> None:
        """Something was told."""
        match event:
            case ev.MessageStarted() | ev.CallStarted():
                self.parts.append(OpenPart(event))
            case ev.TextDelta(id, text, logprobs):
                part = self._part(id)
                part.text.append(text)
                part.logprobs += logprobs
            case ev.CallDelta(id, text):
                self._part(id).text.append(text)
            case ev.AgentProgress():
                pass

    def close(self, event: ev.Durable) -> None:
        """Something was written, which may make a part whole, or all of them void."""
        match event:
            case ev.MessageCompleted(id) | ev.CallCompleted(id):
                self.parts = [part for part in self.parts if _id(part.start) != id]
            case ev.RunStarted():
                self.parts = []

    def _part(self, id: str) -> OpenPart:
        part = self.find(id)
        assert part is not None, "nobody has started this"
        return part


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
        self._turn = OpenTurn()
        self._followers: set[Listener] = set()

    def emit(self, event: ev.Live) -> None:
        """Tell a live event."""
        self._turn.add(event)
        for follower in self._followers:
            follower.put((event,))

    def tell(self, events: Sequence[ev.Durable]) -> None:
        """Add durable events to the journal, and tell them."""
        for event in events:
            self.run = fold(self.run, event)
            self._turn.close(event)
        self.journal.extend(events)
        for follower in self._followers:
            follower.put(events)

    async def follow(self, after: Position) -> AsyncGenerator[Sequence[ev.Event], None]:
        """Everything after a position, until this leg is over."""
        follower = Follower(self._so_far(after))
        with self.heard_by(follower):
            async for batch in follower.batches():
                yield batch

    @contextmanager
    def heard_by(self, listener: Listener) -> Iterator[None]:
        """Inside, somebody hears what happens from now on."""
        if self.over.is_set():
            listener.close()
        self._followers.add(listener)
        try:
            yield
        finally:
            self._followers.discard(listener)

    def catch_up(self, events: Sequence[ev.Durable]) -> None:
        """Tell what was written elsewhere, and what of it was told live and not heard here."""
        for event in list(replay(events, Position(0, self._turn.told))):
            if isinstance(event, ev.Live):
                self.emit(event)
            else:
                self.tell((event,))

    def catch_up_live(self, turn: OpenTurn) -> None:
        """Tell what is told elsewhere of the open turn, and was not heard here."""
        for part in turn.parts:
            mine = self._turn.find(_id(part.start))
            for event in retell_open([part], 0 if mine is None else 1 + sum(map(len, mine.text))):
                assert isinstance(event, ev.Live)
                self.emit(event)

    def _so_far(self, after: Position) -> Generator[ev.Event, None, None]:
        told = yield from replay(self.journal, after)
        yield from retell_open(self._turn.parts, told)

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
        return Position(len(self.journal), self._turn.told)

    def unknown(self, after: Position) -> int:
        """How much who was told so far has been told of the open turn that is not known here."""
        return max(0, left_over(self.journal, after) - self._turn.told)

    @property
    def open_parts(self) -> list[OpenPart]:
        """What is half told: to be completed before a terminal event."""
        return self._turn.parts


def _id(start: ev.MessageStarted | ev.CallStarted) -> str:
    return start.message_id if isinstance(start, ev.MessageStarted) else start.call_id
