"""What happens in a run, or in several for one answer, from the start to the end, as the frames of that answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

from graph.errors import NotFound, RunEnded
from graph.run import Run
from graph.storage.port import StorageError
from servers.chat_completions.usage import Tokens
from servers.errors import ApiError, of_exception
from servers.logs import Outages

if TYPE_CHECKING:
    from graph.engine import Engine

PATIENCE: Final = 5.0  # seconds that a stream waits for its first sign of life, to be a status code if it fails at once
_outages = Outages(logging.getLogger(__name__))
E = TypeVar("E")
E_contra = TypeVar("E_contra", contravariant=True)


class Encoder(Protocol[E_contra]):
    """Makes frames of what happens. `runs` are those of the answer, the first of which takes the others with it where it is
    cancelled; `over`: there is nothing more to encode; `error` says why there is no answer."""

    @property
    def runs(self) -> tuple[Run, ...]: ...

    @property
    def over(self) -> bool: ...

    @property
    def answered(self) -> bool: ...

    @property
    def error(self) -> ApiError | None: ...

    def encode(self, event: E_contra, /) -> bytes: ...

    def is_sign_of_life(self, event: E_contra, /) -> bool: ...

    def close(self, tokens: Tokens | None = None) -> bytes: ...

    def fail(self, error: ApiError) -> bytes: ...


Settle = Callable[[Sequence[Run]], Awaitable[Tokens | None]]


class AnswerStream(Generic[E]):
    """`begin`, then `frames`; `leave` whatever happens. `settle` does what is due before the end of an answer goes
    out, and gives its tokens where they were counted."""

    def __init__(
        self, engine: Engine, batches: AsyncGenerator[Sequence[E], None], chunks: Encoder[E], settle: Settle
    ) -> None:
        self._engine = engine
        self._chunks = chunks
        self._settle = settle
        self._batches = batches
        self._waiting: asyncio.Task[Sequence[E]] | None = None
        self._ready = b""

    @property
    def answered(self) -> bool:
        """Whether the answer came to its end."""
        return self._chunks.answered

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
            alive = not batch or self._chunks.over or any(map(self._chunks.is_sign_of_life, batch))
        if error := self._chunks.error:
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
            first = self._chunks.runs[0]
            with suppress(RunEnded, NotFound):
                await self._engine.cancel(first.tenant, first.id)

    async def _end(self, ready: bytes) -> bytes:
        """The last piece. It waits for what has to be done before an answer ends; where that fails there is no end."""
        runs = self._chunks.runs
        try:
            tokens = await self._settle(runs) if self._chunks.answered else None
        except StorageError as error:
            _outages.tell(f"run {runs[0].id}, at its end", error)
            return self._chunks.fail(of_exception(error))
        return ready + self._chunks.close(tokens)

    async def _rest(self) -> AsyncGenerator[Sequence[E], None]:
        if self._waiting is not None:
            yield await self._waiting
        async for batch in self._batches:
            yield batch

    async def _next(self) -> Sequence[E]:
        """What happens next; nothing at all is the end."""
        return await anext(self._batches, None) or ()

    def _encoded(self, batch: Sequence[E]) -> bytes:
        return b"".join([self._chunks.encode(event) for event in batch])
