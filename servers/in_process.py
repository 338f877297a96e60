"""Requests to the ASGI application from within its own process and event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal, NamedTuple
from urllib.parse import quote

from starlette.types import ASGIApp, Message, Scope


@dataclass(frozen=True, slots=True)
class Asked:
    """A request. The names of its headers are in lower case."""

    method: Literal["GET", "POST", "DELETE"]
    path: str
    query: bytes = b""
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class Frame(NamedTuple):
    """A server-sent event. What it does not say is empty."""

    data: bytes
    event: str = ""
    id: str = ""


class Exchange:
    """A request under way, and its answer as it comes. What nobody has read yet is kept: a slow reader slows nobody."""

    def __init__(self, app: ASGIApp, asked: Asked) -> None:
        self._incoming: asyncio.Queue[Message] = asyncio.Queue()
        self._outgoing: asyncio.Queue[Message | None] = asyncio.Queue()
        self._incoming.put_nowait({"type": "http.request", "body": asked.body, "more_body": False})
        self._task = asyncio.create_task(self._run(app, _scope(asked)))

    async def begin(self) -> tuple[int, dict[str, str]]:
        """The status and the headers, their names in lower case."""
        start = await self._outgoing.get()
        if start is None:
            await self._task  # which says why
            raise RuntimeError("The application has not answered.")
        return start["status"], {name.decode(): value.decode("latin-1") for name, value in start["headers"]}

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body, piece by piece."""
        while (message := await self._outgoing.get()) is not None:
            if message.get("body"):
                yield message["body"]

    async def rest(self) -> bytes:
        """The body, whole."""
        return b"".join([piece async for piece in self.pieces()])

    async def leave(self) -> None:
        """Hang up: what is not over is cancelled. Returns when it has ended."""
        self._incoming.put_nowait({"type": "http.disconnect"})
        await asyncio.wait([self._task])

    async def _run(self, app: ASGIApp, scope: Scope) -> None:
        try:
            await app(scope, self._incoming.get, self._outgoing.put)
        finally:
            self._outgoing.put_nowait(None)


@asynccontextmanager
async def exchange(app: ASGIApp, asked: Asked) -> AsyncIterator[Exchange]:
    """A request; whoever leaves it hangs up."""
    begun = Exchange(app, asked)
    try:
        yield begun
    finally:
        await begun.leave()


async def frames(pieces: AsyncIterable[bytes]) -> AsyncGenerator[Frame, None]:
    """The server-sent events of a body; comments are none."""
    rest = b""
    async for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n\n")
        for frame in whole:
            fields = dict(line.partition(b": ")[::2] for line in frame.split(b"\n"))
            if b"data" in fields:
                yield Frame(fields[b"data"], fields.get(b"event", b"").decode(), fields.get(b"id", b"").decode())


def _scope(asked: Asked) -> Scope:
    headers = {"content-type": "application/json", "host": "in-process", **asked.headers}
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": asked.method,
        "scheme": "http",
        "path": asked.path,
        "raw_path": quote(asked.path).encode(),
        "query_string": asked.query,
        "root_path": "",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
        "client": None,
        "server": None,
    }
