"""Streams of events as bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from servers.sse import EventStream
from tests.servers.asgi import Connection, ask


class Source:
    """Frames, the last one after a signal; knows when it was left."""

    def __init__(self, *frames: bytes, held: bool = False) -> None:
        self._frames = frames
        self.go_on = asyncio.Event()
        if not held:
            self.go_on.set()
        self.open = False
        self.left = 0

    async def frames(self) -> AsyncGenerator[bytes, None]:
        self.open = True
        try:
            for frame in self._frames[:-1]:
                yield frame
            await self.go_on.wait()
            yield self._frames[-1]
        finally:
            self.open = False

    async def leave(self) -> None:
        assert not self.open
        self.left += 1

    def stream(self, **options: Any) -> EventStream:
        return EventStream(self.frames(), self.leave, {"x-own": "1"}, **options)


async def test_frames_are_written_as_they_are() -> None:
    source = Source(b"data: 1\n\n", b"data: 2\n\ndata: 3\n\n")
    answer = await ask(source.stream(), "POST", "/")
    assert answer.writes == [b"data: 1\n\n", b"data: 2\n\ndata: 3\n\n"]
    assert answer.messages[-1]["more_body"] is False
    assert source.left == 1


async def test_headers() -> None:
    answer = await ask(Source(b"data: 1\n\n").stream(), "POST", "/")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["connection"] == "keep-alive"
    assert answer.headers["x-own"] == "1"


async def test_a_quiet_stream_is_kept_alive() -> None:
    source = Source(b"data: 1\n\n", b"data: 2\n\n", held=True)
    connection = Connection(source.stream(ping=0.01), "POST", "/")
    await connection.until(b": ping")
    source.go_on.set()
    assert (await connection.over()).events() == [1, 2]


async def test_a_client_that_leaves() -> None:
    source = Source(b"data: 1\n\n", b"data: 2\n\n", held=True)
    connection = Connection(source.stream(), "POST", "/")
    await connection.until(b"data: 1")
    connection.leave()
    await connection.over()
    assert source.left == 1
    assert b"data: 2" not in connection.body


async def test_a_client_that_does_not_read(caplog: pytest.LogCaptureFixture) -> None:
    source = Source(b"data: 1\n\n", b"data: 2\n\n")
    connection = Connection(source.stream(stall=0.02), "POST", "/")
    connection.reading.clear()
    await connection.over()
    assert source.left == 1
    assert "has not read its stream" in caplog.text


async def test_a_slow_source_is_no_stall() -> None:
    source = Source(b"data: 1\n\n", b"data: 2\n\n", held=True)
    connection = Connection(source.stream(stall=0.01), "POST", "/")
    await connection.until(b"data: 1")
    await asyncio.sleep(0.05)
    source.go_on.set()
    assert (await connection.over()).events() == [1, 2]


async def test_a_source_that_breaks() -> None:
    async def broken() -> AsyncGenerator[bytes, None]:
        yield b"data: 1\n\n"
        raise RuntimeError("oops")

    left = asyncio.Event()

    async def leave() -> None:
        left.set()

    with pytest.raises(RuntimeError, match="oops"):
        await ask(EventStream(broken(), leave, {}), "POST", "/")
    assert left.is_set()
