"""Requests to an ASGI application without a network: whole ones, and connections that are held open or broken off."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote

import orjson
from starlette.types import ASGIApp, Message

from tests.servers.described import check_answer


class Connection:
    """One request, and what came back so far."""

    def __init__(
        self,
        app: ASGIApp,
        method: str,
        path: str,
        *,
        json: Any = None,
        body: bytes | Iterable[bytes] = b"",
        headers: Mapping[str, str] | None = None,
        ended: bool = True,
    ) -> None:
        self.messages: list[Message] = []
        self._asked = (method, path)
        self._incoming: asyncio.Queue[Message] = asyncio.Queue()
        self._changed = asyncio.Event()
        self.reading = asyncio.Event()
        self.reading.set()
        pieces = [orjson.dumps(json)] if json is not None else [body] if isinstance(body, bytes) else list(body)
        for number, piece in enumerate(pieces, 1):
            self._incoming.put_nowait(
                {"type": "http.request", "body": piece, "more_body": not ended or number < len(pieces)}
            )
        if not ended and not pieces:
            self._incoming.put_nowait({"type": "http.request", "body": b"", "more_body": True})
        self._task = asyncio.create_task(self._run(app, _scope(method, path, headers or {})))

    async def _run(self, app: ASGIApp, scope: dict[str, Any]) -> None:
        try:
            await app(scope, self._incoming.get, self._send)
        finally:
            self._changed.set()

    async def _send(self, message: Message) -> None:
        await self.reading.wait()
        self.messages.append(message)
        self._changed.set()

    def send(self, body: bytes) -> None:
        """The client sends the last of its body."""
        self._incoming.put_nowait({"type": "http.request", "body": body, "more_body": False})

    def leave(self) -> None:
        """The client goes away."""
        self._incoming.put_nowait({"type": "http.disconnect"})

    async def until(self, text: bytes) -> None:
        """Wait until the body has this in it."""
        while text not in self.body:
            assert not self._task.done(), self.body
            self._changed.clear()
            await self._changed.wait()

    async def over(self) -> Connection:
        """Wait for the end of the exchange. What is answered has to be what OpenAI describes for the route."""
        async with asyncio.timeout(20):
            await self._task
        if self.started:
            check_answer(*self._asked, self.headers.get("content-type", ""), self.body)
        return self

    @property
    def started(self) -> bool:
        return bool(self.messages)

    @property
    def status(self) -> int:
        return int(self.messages[0]["status"])

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.messages[0]["headers"]}

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages[1:])

    @property
    def writes(self) -> list[bytes]:
        """The pieces of the body, as they were written."""
        return [message["body"] for message in self.messages[1:] if message["body"]]

    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        error: dict[str, Any] = self.json()["error"]
        assert set(error) == {"message", "type", "param", "code"}
        assert self.headers["content-type"] == "application/json"
        return error

    def events(self) -> list[Any]:
        """The data of a stream of events; the last one is `[DONE]`."""
        return read_events(self.body)


def read_events(body: bytes) -> list[Any]:
    """The data of each event; what is no JSON stays text."""
    frames = [frame for frame in body.decode().split("\n\n") if frame and not frame.startswith(":")]
    assert all(frame.startswith("data: ") for frame in frames), frames
    data = [frame.removeprefix("data: ") for frame in frames]
    return [each if each == "[DONE]" else orjson.loads(each) for each in data]


async def ask(app: ASGIApp, method: str, path: str, **request: Any) -> Connection:
    """A whole request and its whole answer."""
    return await Connection(app, method, path, **request).over()


def _scope(method: str, path: str, headers: Mapping[str, str]) -> dict[str, Any]:
    raw, _, query = path.partition("?")
    return {
        "type": "http",
        "method": method,
        "path": unquote(raw),
        "raw_path": raw.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "scheme": "http",
        "http_version": "1.1",
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 1),
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()],
    }
