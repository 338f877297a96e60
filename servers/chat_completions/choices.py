"""An answer with several choices: what happens in several runs, in the order in which it happens, as one stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from graph.events import Event
from graph.run import Run
from graph.work import Follower
from servers.chat_completions.chunks import Chunks
from servers.chat_completions.usage import Tokens
from servers.errors import ApiError

Told = tuple[int, Event]
"""Something that happens, and in which choice."""


class Choices:
    """The frames of an answer with several choices, as `Chunks` makes those of one. The first error is the last frame."""

    def __init__(self, runs: Sequence[Run], *, include_usage: bool = False, fingerprint: str | None = None) -> None:
        first, *others = runs
        siblings = [
            Chunks(run, include_usage=include_usage, fingerprint=fingerprint, index=index, answer_id=first.id)
            for index, run in enumerate(others, 1)
        ]
        self._first = Chunks(first, include_usage=include_usage, fingerprint=fingerprint, siblings=siblings)
        self._choices = [self._first, *siblings]
        self._open = set(self._choices)
        self._beginnings: list[bytes] | None = [b""] * len(runs)
        self._fallen: Chunks | None = None

    @property
    def runs(self) -> tuple[Run, ...]:
        """The runs of all choices, as they stand now."""
        return self._first.runs

    @property
    def over(self) -> bool:
        """Whether all choices are there, or one has failed."""
        return self._fallen is not None or not self._open

    @property
    def answered(self) -> bool:
        """Whether all choices came to their end."""
        return self._fallen is None and not self._open

    @property
    def error(self) -> ApiError | None:
        """Why there is no answer; None as long as there may be one."""
        return self._fallen.error if self._fallen else None

    def encode(self, told: Told) -> bytes:
        """The frames of an event, which may be none."""
        index, event = told
        choice = self._choices[index]
        if self.over:
            return b""
        frames = choice.encode(event)
        if choice.over:
            self._open.discard(choice)
            self._fallen = None if choice.answered else choice
        return frames if self._beginnings is None or self._fallen else self._in_order(index, frames)

    def is_sign_of_life(self, told: Told) -> bool:
        """Whether a model has answered."""
        return self._first.is_sign_of_life(told[1])

    def close(self, tokens: Tokens | None = None) -> bytes:
        """The end of the stream."""
        speaker = self._fallen or next(iter(self._open), self._first)
        return speaker.close(tokens)

    def fail(self, error: ApiError) -> bytes:
        """The end of a stream whose answer can't be given."""
        return self._first.fail(error)

    def _in_order(self, index: int, frames: bytes) -> bytes:
        """Nothing until all choices have begun, then what there is, choice by choice: clients make room for a choice when
        it comes for the first time, and some of them by its place (the helper for streams of openai-python)."""
        assert self._beginnings is not None
        self._beginnings[index] += frames
        if not all(self._beginnings):
            return b""
        begun, self._beginnings = b"".join(self._beginnings), None
        return begun


async def side_by_side(
    streams: Sequence[AsyncGenerator[Sequence[Event], None]],
) -> AsyncGenerator[Sequence[Told], None]:
    """What happens in all these streams, until the last has ended. Raises what the first of them raises that fails."""
    reader = Follower[Told]()

    async def pump(index: int, stream: AsyncGenerator[Sequence[Event], None]) -> None:
        async with aclosing(stream):
            async for batch in stream:
                reader.put([(index, event) for event in batch])

    async def pump_all() -> None:
        try:
            async with asyncio.TaskGroup() as pumps:
                for index in reversed(range(len(streams))):  # the first choice ends last: what is there already, too
                    pumps.create_task(pump(index, streams[index]))
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        finally:
            reader.close()

    pumping = asyncio.create_task(pump_all())
    try:
        async for batch in reader.batches():
            yield batch
        await pumping
    finally:
        pumping.cancel()
        await asyncio.wait([pumping])
