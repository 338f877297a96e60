"""A web server on loopback, for what looks things up: it says what a test tells it, and remembers what it was asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import ClientConnectionResetError, web
from multidict import CIMultiDictProxy


@dataclass
class Answer:
    """What the site says to one path. `hold` is waited for before it, `trickle` between any two of its pieces (and never
    comes); `close` hangs up behind it."""

    body: bytes | str | list[bytes] = b""
    kind: str = "text/html; charset=utf-8"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    hold: asyncio.Event | None = None
    trickle: asyncio.Event | None = None
    close: bool = False

    @property
    def pieces(self) -> list[bytes]:
        if isinstance(self.body, list):
            return self.body
        return [self.body.encode() if isinstance(self.body, str) else self.body]


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    query: dict[str, str]
    headers: CIMultiDictProxy[str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


class Site:
    """`answers` by path; a path without one is a 404."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer | Callable[[], Answer]] = {}
        self.asked: list[Asked] = []
        self._runner = web.ServerRunner(web.Server(self._handle), shutdown_timeout=0.1)
        self.port = 0

    @property
    def address(self) -> tuple[str, int]:
        return ("127.0.0.1", self.port)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def paths(self) -> list[str]:
        """What it was asked for, without robots.txt."""
        return [asked.path for asked in self.asked if asked.path != "/robots.txt"]

    def redirect(self, path: str, to: str, status: int = 302) -> None:
        self.answers[path] = Answer(status=status, headers={"Location": to})

    async def start(self) -> None:
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.content.read()
        self.asked.append(Asked(request.method, request.path, dict(request.query), request.headers, body))
        found = self.answers.get(request.path, Answer(status=404))
        answer = found() if callable(found) else found
        if answer.hold is not None:
            await answer.hold.wait()
        try:
            return await _send(request, answer)
        except ClientConnectionResetError:
            return web.Response()


async def _send(request: web.BaseRequest, answer: Answer) -> web.StreamResponse:
    headers = {"Content-Type": answer.kind, **answer.headers} if answer.kind else dict(answer.headers)
    if not isinstance(answer.body, list):
        response = web.Response(body=answer.pieces[0], status=answer.status, headers=headers)
        if answer.close:
            response.force_close()
        return response
    stream = web.StreamResponse(status=answer.status, headers=headers)
    await stream.prepare(request)
    for piece in answer.pieces:
        await stream.write(piece)
        if answer.trickle is not None:
            await answer.trickle.wait()
    await stream.write_eof()
    return stream


@asynccontextmanager
async def opened() -> AsyncIterator[Site]:
    """A site that is up."""
    site = Site()
    await site.start()
    try:
        yield site
    finally:
        await site.stop()
