"""The ways to a server: as MCP's own package goes them, with an ear for the end of a program and for what it says."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType
from typing import Final, TextIO, assert_never

import anyio
import httpx2
from mcp.client import Transport
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._stream_protocols import ReadStream, WriteStream
from mcp.shared.message import SessionMessage

from agents.tools.mcp.settings import Http, McpServer, Stdio

_CONNECT: Final = 15.0  # seconds
_LONGEST_LINE: Final = 1000
_MOST_NOISE: Final = 100  # lines of a program that are no messages

Received = SessionMessage | Exception
Streams = tuple[ReadStream[Received], WriteStream[SessionMessage]]

logger = logging.getLogger("agents.tools.mcp")
logging.getLogger("mcp.client.stdio").addFilter(
    lambda record: record.exc_info is None
)  # `_Heard` tells of it, and once


def transport(server: McpServer, ended: Callable[[], None]) -> Transport:
    """A way to the server, open inside `async with`. `ended` is called when its program has nothing more to say; that a
    server over HTTP is gone shows at the next request."""
    match server.way:
        case Stdio():
            return _program(server.name, server.way, ended)
        case Http():
            return _address(server.way)
        case _:
            assert_never(server.way)


@asynccontextmanager
async def _program(name: str, way: Stdio, ended: Callable[[], None]) -> AsyncGenerator[Streams]:
    parameters = StdioServerParameters(command=way.command, args=[*way.args], env={**way.env}, cwd=way.cwd)
    async with _logged(name) as errors, stdio_client(parameters, errors) as (read, write):
        yield _Heard(name, read, ended), write


@asynccontextmanager
async def _address(way: Http) -> AsyncGenerator[Streams]:
    timeout = httpx2.Timeout(_CONNECT, read=None)  # how long an answer may take is said call by call
    async with (
        httpx2.AsyncClient(headers={**way.headers}, timeout=timeout) as client,
        streamable_http_client(way.url, http_client=client) as streams,
    ):
        yield streams


class _Heard:
    """A stream of messages that tells of its end. Where there is too much in it that is none, that is its end."""

    def __init__(self, name: str, stream: ReadStream[Received], ended: Callable[[], None]) -> None:
        self._name, self._stream, self._ended = name, stream, ended
        self._noise = 0

    async def receive(self) -> Received:
        try:
            received = await self._stream.receive()
            if isinstance(received, Exception):
                self._misheard(received)
            return received
        except (anyio.EndOfStream, anyio.ClosedResourceError):
            self._ended()
            raise

    def _misheard(self, error: Exception) -> None:
        self._noise += 1
        if self._noise == 1:
            why = " ".join(str(error).split())[:_LONGEST_LINE]
            logger.warning("MCP server %s says what is no message: %s", self._name, why)
        if self._noise > _MOST_NOISE:
            raise anyio.EndOfStream

    def __aiter__(self) -> _Heard:
        return self

    async def __anext__(self) -> Received:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def __aenter__(self) -> _Heard:
        await self._stream.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._stream.__aexit__(kind, error, at)


def _logged(name: str) -> AbstractAsyncContextManager[TextIO]:
    """A file whose lines become lines of our log: a program's standard error."""
    return _piped(lambda: _Lines(name))


@asynccontextmanager
async def _piped(protocol: Callable[[], asyncio.Protocol]) -> AsyncGenerator[TextIO]:
    read, write = os.pipe()
    with os.fdopen(write, "w") as writer:
        reader, _ = await asyncio.get_running_loop().connect_read_pipe(protocol, os.fdopen(read, "rb", 0))
        try:
            yield writer
        finally:
            reader.close()


class _Lines(asyncio.Protocol):
    """Logs the lines that arrive, each up to a length."""

    def __init__(self, name: str) -> None:
        self._name, self._begun = name, b""

    def data_received(self, data: bytes) -> None:
        *lines, begun = (self._begun + data).split(b"\n")
        self._begun = begun[:_LONGEST_LINE]
        for line in lines:
            self._log(line)

    def connection_lost(self, exc: Exception | None) -> None:
        self._log(self._begun)

    def _log(self, line: bytes) -> None:
        text = line[:_LONGEST_LINE].decode(errors="replace").strip()
        if text:
            logger.info("MCP server %s says: %s", self._name, text)
