"""A stream of server-sent events given as bytes: sse-starlette's response, at a third of its cost per event."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from time import monotonic
from typing import Final

from sse_starlette.sse import EventSourceResponse, SendTimeoutError
from starlette.types import Message, Receive, Scope, Send

PING: Final = 15.0  # seconds between comments that keep proxies from closing a quiet stream
STALL: Final = 30.0  # seconds after which a client that does not read is given up

logger = logging.getLogger(__name__)


class EventStream(EventSourceResponse):
    """Sends frames as they come. `left` is awaited when the stream is over, however that came about.

    A timer for every single send is what makes the original slow; here one look per stream now and then does. It stands
    in the place of the original's watch for the server's shutdown: what the server does then is the engine's decision,
    which ends the runs, and so the streams.
    """

    def __init__(
        self,
        frames: AsyncIterator[bytes],
        left: Callable[[], Awaitable[None]],
        headers: Mapping[str, str],
        *,
        ping: float = PING,
        stall: float = STALL,
    ) -> None:
        super().__init__(frames, headers={"cache-control": "no-cache", **headers}, ping=ping, sep="\n")
        self._left = left
        self._stall = stall
        self._sending: float | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def timed(message: Message) -> None:
            if self._sending is not None:  # a ping behind a frame that is not read
                return await send(message)
            self._sending = monotonic()
            await send(message)
            self._sending = None
            return None

        try:
            await super().__call__(scope, receive, timed)
        except SendTimeoutError:
            logger.warning("a client has not read its stream for %g seconds and was given up", self._stall)
        finally:
            await self._left()

    async def _send_with_timeout(self, send: Send, message: Message) -> None:
        await send(message)

    async def _listen_for_exit_signal_with_grace(self) -> None:
        """Raise `SendTimeoutError` once a send has taken too long."""
        while True:
            since = monotonic() if self._sending is None else self._sending
            left = since + self._stall - monotonic()
            if left <= 0:
                raise SendTimeoutError
            await asyncio.sleep(left)
