"""A stream of server-sent events given as bytes: beside the request's own task, one that listens and one timer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from typing import Final

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from servers.leaving import client_left

PING: Final = 15.0  # seconds of silence after which a comment keeps proxies from closing the stream
STALL: Final = 30.0  # seconds after which a client that does not read is given up

_HEADERS: Final = {"cache-control": "no-cache", "connection": "keep-alive", "x-accel-buffering": "no"}
_COMMENT: Final = b": ping\n\n"

logger = logging.getLogger(__name__)


class EventStream(Response):
    """Sends frames as they come, until they end, the client leaves, or it does not read. `left` is awaited when the stream
    is over, however that came about. With `gone`, a client that leaves does not end it: that is awaited then, and the
    frames come to their own end."""

    media_type = "text/event-stream"

    def __init__(
        self,
        frames: AsyncGenerator[bytes, None],
        left: Callable[[], Awaitable[None]],
        headers: Mapping[str, str],
        *,
        gone: Callable[[], Awaitable[None]] | None = None,
        ping: float = PING,
        stall: float = STALL,
    ) -> None:
        self.status_code, self.background = 200, None
        self.init_headers({**_HEADERS, **headers})
        self._frames = frames
        self._left, self._gone = left, gone
        self._ping, self._stall = ping, stall

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with aclosing(self._frames):
                await self._until_left(receive, send)
        finally:
            await self._left()

    async def _until_left(self, receive: Receive, send: Send) -> None:
        """Send everything; a client that leaves or stalls ends it like a time limit that is reached."""
        limit = asyncio.timeout(None)
        writer = _Writer(send, limit, self._ping, self._stall)
        listening = asyncio.create_task(self._listen(receive, limit))
        try:
            async with limit:
                await self._write(writer)
        except TimeoutError:
            if not limit.expired():  # it is the frames' own
                raise
        finally:
            listening.cancel()
            writer.stop()

    async def _listen(self, receive: Receive, limit: asyncio.Timeout) -> None:
        await client_left(receive)
        if self._gone is None:
            _reach(limit)
        else:
            await self._gone()

    async def _write(self, writer: _Writer) -> None:
        await writer.write({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async for frame in self._frames:
            await writer.write(_body(frame))
        await writer.write({"type": "http.response.body", "body": b"", "more_body": False})


class _Writer:
    """Sends one message at a time. A timer looks after it: silence is filled with a comment, and a message that the
    client does not take reaches the limit."""

    def __init__(self, send: Send, limit: asyncio.Timeout, ping: float, stall: float) -> None:
        self._send, self._limit = send, limit
        self._ping, self._stall = ping, stall
        self._loop = asyncio.get_running_loop()
        self._sending = False
        self._since = self._loop.time()  # when the message on its way, or the last one, was sent
        self._comment: asyncio.Task[None] | None = None
        self._timer = self._look_in(min(ping, stall))

    async def write(self, message: Message) -> None:
        """Send a message, behind the comment that may be on its way."""
        if self._comment is not None:
            await self._comment
            self._comment = None
        await self._timed(message)

    def stop(self) -> None:
        self._timer.cancel()
        if self._comment is not None:
            self._comment.cancel()

    async def _timed(self, message: Message) -> None:
        self._since, self._sending = self._loop.time(), True
        await self._send(message)
        self._sending = False

    def _look_in(self, seconds: float) -> asyncio.TimerHandle:
        return self._loop.call_later(seconds, self._look)

    def _look(self) -> None:
        left = self._since + (self._stall if self._sending else self._ping) - self._loop.time()
        if left <= 0 and self._sending:
            logger.warning("a client has not read its stream for %g seconds and was given up", self._stall)
            return _reach(self._limit)
        if left <= 0:
            self._comment, left = asyncio.create_task(self._say()), self._ping
        self._timer = self._look_in(min(left, self._stall))
        return None

    async def _say(self) -> None:
        with suppress(OSError):  # some servers tell in this way that the client has gone; who listens hears it too
            await self._timed(_body(_COMMENT))


def _body(data: bytes) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": True}


def _reach(limit: asyncio.Timeout) -> None:
    if not limit.expired():
        limit.reschedule(asyncio.get_running_loop().time())
