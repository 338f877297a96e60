"""An answer while it is made, for as many as wait for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager

from starlette.types import ASGIApp, Message, Scope

from graph.repeats import Result
from servers.context import Claimed, context_of

logger = logging.getLogger(__name__)


class Recording:
    """An application's answer to one request, from its first byte on: every reader gets all of it, at a pace of its own,
    and slows neither the application nor the other readers.

    When the last reader leaves an answer that is not whole, it is `deserted`: the application hears that its client is gone,
    unless what it has begun is lasting.
    """

    def __init__(self, app: ASGIApp, scope: Scope, body: bytes, fingerprint: bytes, claimed: Claimed) -> None:
        self._app, self._scope = app, scope
        context_of(scope).recorded = True
        context_of(scope).claimed = claimed
        self._body: bytes | None = body
        self.fingerprint = fingerprint
        self._start: Message | None = None
        self._pieces: list[bytes] = []
        self._whole = self._over = False
        self._error: Exception | None = None
        self._changed = asyncio.Event()  # another one after each change
        self._readers = 0
        self._deserted = asyncio.Event()

    async def run(self) -> None:
        """Let the application answer. What it raises is raised to the readers."""
        try:
            await self._app(self._scope, self._receive, self._send)
        except Exception as error:
            self._error = error
            if not self._readers:
                logger.exception("unexpected error in a request that was left (%s)", context_of(self._scope).id)
        finally:
            self._over = True
            self._tell()

    @property
    def deserted(self) -> bool:
        """Whether all readers have left before the end of what does not last."""
        return self._deserted.is_set() and not self.lasting

    @property
    def over(self) -> bool:
        """Whether nothing more comes."""
        return self._over

    @property
    def lasting(self) -> bool:
        """Whether what has begun goes on without a client."""
        return context_of(self._scope).lasting

    @property
    def failed(self) -> bool:
        """Whether it ended in an error that its status does not tell."""
        return context_of(self._scope).failed

    @property
    def result(self) -> Result | None:
        """The whole answer; None where it has not come to its end."""
        if self._start is None or not self._whole:
            return None
        headers = tuple(self._start["headers"])
        return Result(self.fingerprint, self._start["status"], headers, b"".join(self._pieces))

    @contextmanager
    def reader(self) -> Iterator[None]:
        """Somebody reads inside."""
        self._readers += 1
        try:
            yield
        finally:
            self._readers -= 1
            if not self._readers and not self._whole:
                self._deserted.set()

    async def messages(self) -> AsyncGenerator[Message, None]:
        """The answer from its beginning, as it comes; bytes that are there together are one message."""
        told = 0
        begun = False
        while True:
            if self._start is not None and not begun:
                begun = True
                yield {**self._start, "headers": list(self._start["headers"])}
            elif begun and (told < len(self._pieces) or self._whole):
                body, told, whole = b"".join(self._pieces[told:]), len(self._pieces), self._whole
                yield {"type": "http.response.body", "body": body, "more_body": not whole}
                if whole:
                    break
            elif self._over:
                break
            else:
                await self._changed.wait()
        if self._error is not None:
            raise self._error

    async def _receive(self) -> Message:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._deserted.wait()
        if self.lasting:
            await asyncio.Event().wait()  # until the answer is whole, and nobody listens any more
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = {**message, "headers": list(message.get("headers", ()))}
        else:
            self._pieces.append(message.get("body", b""))
            self._whole = not message.get("more_body", False)
        self._tell()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
