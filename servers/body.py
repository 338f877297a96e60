"""How much a client may send, and how long it may take."""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from servers.context import header
from servers.errors import ApiError, respond

PATIENCE: Final = 30.0
SLOWEST: Final = 16 * 1024  # bytes a second, once the patience is used up
_BODILESS = frozenset({"GET", "HEAD", "OPTIONS"})


class BodyLimit:
    """Refuses bodies over `limit` bytes with 413, before or while they are read, and those that take longer than
    `patience` seconds plus their time at `SLOWEST` with 408."""

    def __init__(self, app: ASGIApp, limit: int, patience: float = PATIENCE) -> None:
        self._app, self._limit, self._patience = app, limit, patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in _BODILESS:
            await self._app(scope, receive, send)
        elif _announced(scope) > self._limit:
            await respond(_too_large(self._limit))(scope, receive, send)
        else:
            await self._app(scope, _Meter(receive, self._limit, self._patience), send)


class _Meter:
    """Receives a body, counting it; after its end it only passes on."""

    def __init__(self, receive: Receive, limit: int, patience: float) -> None:
        self._receive, self._limit, self._patience = receive, limit, patience
        self._size = 0
        self._begun: float | None = None
        self._ended = False

    async def __call__(self) -> Message:
        if self._ended:
            return await self._receive()
        if self._begun is None:
            self._begun = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout_at(self._begun + self._patience + self._size / SLOWEST):
                message = await self._receive()
        except TimeoutError:
            raise _too_slow() from None
        self._count(message)
        return message

    def _count(self, message: Message) -> None:
        self._size += len(message.get("body", b""))
        if self._size > self._limit:
            raise _too_large(self._limit)
        self._ended = not message.get("more_body", False)


def _announced(scope: Scope) -> int:
    length = header(scope, b"content-length") or b"0"
    return int(length) if length.isdigit() else 0


def _too_large(limit: int) -> ApiError:
    return ApiError(413, f"The request's body is over the limit of {limit} bytes.", code="request_too_large")


def _too_slow() -> ApiError:
    message = "The request's body did not arrive in time."
    return ApiError(408, message, code="request_timeout", headers={"connection": "close"})
