"""Requests to the ASGI application from within its own process and event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote

from starlette.types import ASGIApp, Message, Scope


class Exchange:
    """A request under way, and its answer as it comes. What nobody has read yet is kept: a slow reader slows nobody."""

    def __init__(self, app: ASGIApp, method: str, path: str, query: bytes, body: bytes) -> None:
        self._incoming: asyncio.Queue[Message] = asyncio.Queue()
        self._outgoing: asyncio.Queue[Message | None] = asyncio.Queue()
        self._incoming.put_nowait({"type": "http.request", "body": body, "more_body": False})
        self._task = asyncio.create_task(self._run(app, _scope(method, path, query)))

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
async def exchange(app: ASGIApp, method: str, path: str, query: bytes, body: bytes) -> AsyncIterator[Exchange]:
    """A request; whoever leaves it hangs up."""
    begun = Exchange(app, method, path, query, body)
    try:
        yield begun
    finally:
        await begun.leave()


async def frames(pieces: AsyncIterable[bytes]) -> AsyncGenerator[bytes, None]:
    """The data of server-sent events; comments have none."""
    rest = b""
    async for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n\n")
        for frame in whole:
            for line in frame.split(b"\n"):
                if line.startswith(b"data: "):
                    yield line.removeprefix(b"data: ")


def _scope(method: str, path: str, query: bytes) -> Scope:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": quote(path).encode(),
        "query_string": query,
        "root_path": "",
        "headers": [(b"content-type", b"application/json"), (b"host", b"in-process")],
        "client": None,
        "server": None,
    }
