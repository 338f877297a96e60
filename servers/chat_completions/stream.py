"""A run, followed from its start to its end, as the frames of its answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from graph.errors import NotFound, RunEnded
from graph.events import CallAnswered, Event, RunStarted
from graph.journal import Position
from graph.run import Run
from graph.storage.port import StorageError
from servers.chat_completions.chunks import Chunks
from servers.chat_completions.usage import Tokens
from servers.errors import of_exception, of_run

if TYPE_CHECKING:
    from graph.engine import Engine

PATIENCE: Final = 5.0  # seconds that a stream waits for its first sign of life, to be a status code if it fails at once


logger = logging.getLogger(__name__)


class AnswerStream:
    """`begin`, then `frames`; `leave` whatever happens. `settle` does what is due before the end of an answer goes
    out, and gives its tokens where they were counted."""

    def __init__(
        self, engine: Engine, run: Run, chunks: Chunks, settle: Callable[[Run], Awaitable[Tokens | None]]
    ) -> None:
        self._engine = engine
        self._tenant, self._id = run.tenant, run.id
        self._chunks = chunks
        self._settle = settle
        self._batches = engine.follow(run.tenant, run.id, Position(run.journal_length, 0))
        self._waiting: asyncio.Task[Sequence[Event]] | None = None
        self._ready = b""

    async def begin(self, patience: float = PATIENCE) -> None:
        """Wait for the first sign of life, but not too long. Raises `ApiError` for a run that ends without any."""
        deadline = asyncio.get_running_loop().time() + patience
        alive = False
        while not alive:
            self._waiting = asyncio.create_task(self._next())
            await asyncio.wait([self._waiting], timeout=deadline - asyncio.get_running_loop().time())
            if not self._waiting.done():
                return
            batch, self._waiting = self._waiting.result(), None
            self._ready += self._encoded(batch)
            alive = not batch or self._chunks.over or any(map(_is_sign_of_life, batch))
        if error := of_run(self._chunks.run):
            raise error

    async def frames(self) -> AsyncGenerator[bytes, None]:
        """The answer; frames that are there together are one piece."""
        ready, goes_on = self._ready, not self._chunks.over
        if ready and goes_on:
            yield ready
            ready = b""
        if goes_on:
            async for batch in self._rest():
                ready = self._encoded(batch)
                if self._chunks.over:
                    break
                if ready:
                    yield ready
                    ready = b""
        yield await self._end(ready)

    async def leave(self) -> None:
        """Nobody reads any more: a run that is not over is cancelled."""
        if self._waiting is not None:
            self._waiting.cancel()
            await asyncio.wait([self._waiting])
        await self._batches.aclose()
        if not self._chunks.over:
            with suppress(RunEnded, NotFound):
                await self._engine.cancel(self._tenant, self._id)

    async def _end(self, ready: bytes) -> bytes:
        """The last piece. It waits for what has to be done before an answer ends; where that fails there is no end."""
        try:
            tokens = await self._settle(self._chunks.run) if self._chunks.answered else None
        except StorageError as error:
            logger.error("storage failed at the end of run %s: %s", self._id, error, exc_info=error)
            return self._chunks.fail(of_exception(error))
        return ready + self._chunks.close(tokens)

    async def _rest(self) -> AsyncGenerator[Sequence[Event], None]:
        if self._waiting is not None:
            yield await self._waiting
        async for batch in self._batches:
            yield batch

    async def _next(self) -> Sequence[Event]:
        """What happens next; nothing at all is the end of the run's events."""
        return await anext(self._batches, None) or ()

    def _encoded(self, batch: Sequence[Event]) -> bytes:
        return b"".join([self._chunks.encode(event) for event in batch])


def _is_sign_of_life(event: Event) -> bool:
    """Whether a model has answered: how a leg begins says nothing about that."""
    return not isinstance(event, RunStarted | CallAnswered)
