"""How much a client may send, and how long it may take."""

from __future__ import annotations

import asyncio
import re
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from graph.sizes import LARGEST_FILE, LARGEST_PART, MB
from servers.context import header, route_path
from servers.errors import ApiError, respond

PATIENCE: Final = 30.0
SLOWEST: Final = 16 * 1024  # bytes a second, once the patience is used up
_BODILESS = frozenset({"GET", "HEAD", "OPTIONS"})
_AROUND_FILES: Final = MB  # what a form has besides its file
_FORMS: Final = (
    (re.compile(r"/v1/files"), LARGEST_FILE + _AROUND_FILES),
    (re.compile(r"/v1/uploads/[^/]+/parts"), LARGEST_PART + _AROUND_FILES),
)


def form_limit(scope: Scope) -> int | None:
    """How long the body may be where it is a form with a file; None for any other path."""
    path = route_path(scope)
    return next((limit for pattern, limit in _FORMS if pattern.fullmatch(path)), None)


class BodyLimit:
    """Refuses bodies over `limit` bytes with 413 (forms with files: over theirs), before or while they are read, and those
    that take longer than `patience` seconds plus their time at `SLOWEST` with 408."""

    def __init__(self, app: ASGIApp, limit: int, patience: float = PATIENCE) -> None:
        self._app, self._limit, self._patience = app, limit, patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in _BODILESS:
            await self._app(scope, receive, send)
            return
        limit = form_limit(scope) or self._limit
        if _announced(scope) > limit:
            await respond(too_large(limit))(scope, receive, send)
        else:
            await self._app(scope, _Meter(receive, limit, self._patience), send)


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
            raise too_large(self._limit)
        self._ended = not message.get("more_body", False)


def _announced(scope: Scope) -> int:
    length = header(scope, b"content-length") or b"0"
    return int(length) if length.isdigit() else 0


def too_large(limit: int) -> ApiError:
    """There are more bytes than that."""
    return ApiError(413, f"The request's body is over the limit of {limit} bytes.", code="request_too_large")


def _too_slow() -> ApiError:
    message = "The request's body did not arrive in time."
    return ApiError(408, message, code="request_timeout", headers={"connection": "close"})
