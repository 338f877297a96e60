"""The load generator: connections that cost almost nothing, requests that are bytes already."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from time import monotonic  # the same clock in every process; a loop's own has milliseconds alone
from typing import Any, Final, TypeVar, cast

import orjson

from benchmarks.tokens import MARK

T = TypeVar("T")

TIMEOUT: Final = 120.0  # seconds that any single answer may take
_LAST_CHUNK: Final = b"0\r\n\r\n"
_POLL: Final = re.compile(rb"(?i)\r\nopenai-poll-after-ms: *(\d+)")
_LENGTH: Final = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")


class Unanswered(Exception):
    """An answer that is no success, or none at all. The message says what came."""


@dataclass(frozen=True, slots=True)
class Target:
    """Something that speaks OpenAI's API on this machine. `path` comes before `/chat/completions`."""

    port: int
    path: str
    key: str = ""

    def request(self, body: dict[str, Any]) -> bytes:
        """A chat request."""
        return self.post("/chat/completions", body)

    def post(self, path: str, body: Mapping[str, Any]) -> bytes:
        """A POST request of any path behind its own."""
        content = orjson.dumps(body)
        head = f"POST {self.path}{path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
        head += f"Authorization: Bearer {self.key}\r\n" if self.key else ""
        head += f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        return head.encode() + content

    def get(self, path: str) -> bytes:
        """A GET request of any path."""
        return (
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nAuthorization: Bearer {self.key}\r\n\r\n".encode()
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer and when it came: times are of `time.monotonic()`. `first` is its first token's, `body` as on the wire
    (a streamed one with its chunks' sizes). `poll_after`: the seconds after which it says to ask again, 0 where it does
    not."""

    body: bytes
    began: float
    first: float
    ended: float
    poll_after: float = 0.0

    @property
    def seconds(self) -> float:
        return self.ended - self.began

    @property
    def tokens(self) -> int:
        return self.body.count(MARK)

    def json(self) -> Any:
        return orjson.loads(self.body)


class Connection(asyncio.Protocol):
    """One connection, one request at a time. Of the answer under way, `tokens` counts what has come so far, `spoken` is set
    when the first has, and `heard` gets each piece of its body as it comes."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._over: asyncio.Future[Answer] | None = None
        self._head = self._tail = b""
        self._opened = False
        self._parts: list[bytes] = []
        self._missing: int | None = None
        self._began = self._first = 0.0
        self.tokens = 0
        self.spoken = asyncio.Event()
        self.heard: Callable[[bytes], None] | None = None

    async def ask(self, request: bytes) -> Answer:
        """Send a request and wait for its answer. Raises `Unanswered`."""
        over = self.send(request)
        try:
            async with asyncio.timeout(TIMEOUT):
                return await over
        except TimeoutError:
            raise Unanswered(f"no answer within {TIMEOUT:g} seconds; so far: {self._so_far()!r}") from None

    def send(self, request: bytes) -> asyncio.Future[Answer]:
        """Send a request; its answer, or `Unanswered`, comes by the future."""
        over = self._over = self._loop.create_future()
        self._head, self._opened, self._parts, self._tail, self._missing = b"", False, [], b"", None
        self._first, self.tokens = 0.0, 0
        self.spoken.clear()
        self._began = monotonic()
        if self._transport is None:
            over.set_exception(Unanswered("the connection is closed"))
        else:
            self._transport.write(request)
        return over

    def close(self) -> None:
        """Hang up, whatever is under way."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._over is not None and not self._over.done():
            self._over.set_exception(Unanswered(f"the connection was closed; so far: {self._so_far()!r}"))

    def data_received(self, data: bytes) -> None:
        if not self._opened:
            data = self._open(data)
        if data:
            self._add(data)
        if self._opened and self._complete():
            self._end()

    def _open(self, data: bytes) -> bytes:
        """What of the body has come with the head, once that is complete."""
        self._head, found, body = (self._head + data).partition(b"\r\n\r\n")
        if not found:
            return b""
        self._opened, head = True, self._head
        length = _LENGTH.search(head)
        self._missing = int(length[1]) if length else None
        return body

    def _complete(self) -> bool:
        return self._missing == 0 if self._missing is not None else self._tail == _LAST_CHUNK

    def _add(self, data: bytes) -> None:
        self._parts.append(data)
        if self.heard is not None:
            self.heard(data)
        self._tail = (self._tail + data[-len(_LAST_CHUNK) :])[-len(_LAST_CHUNK) :]
        if self._missing is not None:
            self._missing -= len(data)
        came = data.count(MARK)
        if came and not self.tokens:
            self._first = monotonic()
            self.spoken.set()
        self.tokens += came

    def _end(self) -> None:
        assert self._over is not None
        body = b"".join(self._parts)
        if not self._head.startswith(b"HTTP/1.1 200"):
            self._over.set_exception(Unanswered(self._so_far().decode(errors="replace")))
        else:
            poll = _POLL.search(self._head)
            poll_after = int(poll[1]) / 1000 if poll else 0.0
            self._over.set_result(Answer(body, self._began, self._first, monotonic(), poll_after))

    def _so_far(self) -> bytes:
        return (self._head.split(b"\r\n")[0] + b" " + b"".join(self._parts))[:500]


async def connect(target: Target) -> Connection:
    """A connection of its own."""
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(Connection, "127.0.0.1", target.port)
    return connection


async def ask(target: Target, request: bytes) -> Answer:
    """One request on a connection of its own."""
    connection = await connect(target)
    try:
        return await connection.ask(request)
    finally:
        connection.close()


@dataclass(frozen=True, slots=True)
class Load:
    """What came of a load: its answers, in the order in which they ended, and the seconds it took in all."""

    answers: list[Answer]
    seconds: float

    @property
    def rate(self) -> float:
        """Answers per second."""
        return len(self.answers) / self.seconds


async def load(target: Target, make: Callable[[int], bytes], count: int, at_once: int, *, tokens: int) -> Load:
    """So many requests, so many at a time, each connection sending its next when its last was answered. Raises
    `Unanswered`, also where an answer has fewer than `tokens`."""

    async def work(connection: Connection, number: int) -> Answer:
        answer = await connection.ask(make(number))
        if answer.tokens < tokens:
            raise Unanswered(f"{answer.tokens} tokens came instead of {tokens}: {answer.body[:500]!r}")
        return answer

    began = monotonic()
    return Load(await spread(target, work, count, at_once), monotonic() - began)


async def spread(target: Target, work: Callable[[Connection, int], Awaitable[T]], count: int, at_once: int) -> list[T]:
    """So many pieces of work on so many connections, in the order in which they ended. Raises `Unanswered`."""
    connections = [await connect(target) for _ in range(at_once)]
    numbers, done = iter(range(count)), list[T]()
    try:
        async with asyncio.TaskGroup() as group:
            for connection in connections:
                group.create_task(_work(connection, work, numbers, done))
    except* Unanswered as failures:
        raise failures.exceptions[0] from None
    finally:
        for connection in connections:
            connection.close()
    return done


async def _work(
    connection: Connection,
    work: Callable[[Connection, int], Awaitable[T]],
    numbers: Iterator[int],
    done: list[T],
) -> None:
    for number in numbers:
        result = await work(connection, number)
        done.append(result)
