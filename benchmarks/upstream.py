"""The scripted upstream as a process of its own, lean enough not to be what is measured.

`http://127.0.0.1:PORT/<profile>/v1` speaks chat completions as that profile says, and gives embeddings by the words of a text. `GET /tally` tells the calls since it
was last asked; `GET /tally?hung_up=N&asked=M` waits until so many clients have left early and so many calls have come, and then tells when.
"""

from __future__ import annotations

import argparse
import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Final, cast

import orjson

from benchmarks.profiles import Body, Script, profiles
from benchmarks.tokens import SLOT, STAMP, serials, stamp
from tests import meaning
from tests.replies import Reply

EMBEDDING: Final = 1536  # numbers in an embedding, as many as OpenAI's small model gives

_LENGTH: Final = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_WANTED: Final = re.compile(r"hung_up=(\d+)&asked=(\d+)")
_JSON: Final = b"HTTP/1.1 %d OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
_STREAM: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_END: Final = b"0\r\n\r\n"


@dataclass
class Tally:
    """What has been asked since it was last told. `asked` and `hung_up` are times of `time.monotonic()`."""

    asked: list[float] = field(default_factory=list)
    hung_up: list[float] = field(default_factory=list)
    wanted: tuple[int, int] = (0, 0)
    waiting: Connection | None = None

    def ask(self, at: float) -> None:
        self.asked.append(at)
        self.settle()

    def hang_up(self, at: float) -> None:
        self.hung_up.append(at)
        self.settle()

    def wait(self, connection: Connection, hung_up: int, asked: int) -> None:
        """Tell this connection when so many have hung up and so many have asked."""
        self.waiting, self.wanted = connection, (hung_up, asked)
        self.settle()

    def settle(self) -> None:
        if self.waiting is None or len(self.hung_up) < self.wanted[0] or len(self.asked) < self.wanted[1]:
            return
        told = orjson.dumps({"calls": len(self.asked), "hung_up": self.hung_up, "asked": self.asked})
        self.waiting.send(_JSON % (200, len(told)) + told)
        self.asked, self.hung_up, self.waiting = [], [], None


class Upstream:
    """What all connections share: the scripts, the tally, and the answers' bytes, built once."""

    def __init__(self, scripts: Mapping[str, Script]) -> None:
        self.scripts = scripts
        self.tally = Tally()
        self.serials = serials()
        self._streams: dict[tuple[int, str, bool], list[bytes]] = {}

    def frames(self, reply: Reply, body: Body) -> list[bytes]:
        """A stream's pieces as they go over the wire, one write each."""
        usage = bool((body.get("stream_options") or {}).get("include_usage"))
        key = (id(reply), body["model"], usage)
        if key not in self._streams:
            opening, pieces, end = reply.frames(body["model"], usage)
            self._streams[key] = [_STREAM + _chunk(opening), *map(_chunk, pieces), _chunk(end) + _END]
        return self._streams[key]


class Connection(asyncio.Protocol):
    """A client's connection: one request after the other."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._loop = asyncio.get_running_loop()
        self._received = b""
        self._transport: asyncio.Transport | None = None
        self._rest: list[bytes] = []
        self._sent = 0
        self._delay = 0.0
        self._begun = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._rest:
            self._upstream.tally.hang_up(monotonic())

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, rest = self._received.partition(b"\r\n\r\n")
        length = int(told[1]) if (told := _LENGTH.search(head)) else 0
        if found and len(rest) >= length:
            self._received = b""
            self._asked(head.split(b" ", 2)[1].decode(), rest)

    def send(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def _asked(self, path: str, content: bytes) -> None:
        if path.startswith("/tally"):
            wanted = _WANTED.search(path)
            return self._upstream.tally.wait(self, *map(int, wanted.groups() if wanted else (0, 0)))
        if path.endswith("/embeddings"):
            told = meaning.answer(orjson.loads(content), size=EMBEDDING)
            return self.send(_JSON % (200, len(told)) + told)
        script = self._upstream.scripts.get(path.split("/", 2)[1])
        if script is None or not path.endswith("/chat/completions"):  # some clients look for models
            return self.send(_JSON % (404, 2) + b"{}")
        self._upstream.tally.ask(monotonic())
        body: Body = orjson.loads(content)
        reply = script(body)
        answer = self._stream if body.get("stream") else self._whole
        if not reply.first_delay:
            return answer(reply, body)
        self._loop.call_later(reply.first_delay, answer, reply, body)
        return None

    def _whole(self, reply: Reply, body: Body) -> None:
        content = reply.whole(body["model"]).replace(SLOT, next(self._upstream.serials), 1)
        self.send(_JSON % (200, len(content)) + content)

    def _stream(self, reply: Reply, body: Body) -> None:
        self._rest = list(self._upstream.frames(reply, body))
        self._rest[1] = self._rest[1].replace(SLOT, next(self._upstream.serials), 1)
        self._rest.reverse()
        self._sent, self._delay, self._begun = 0, reply.delay, monotonic()
        self.send(self._rest.pop())
        self._next()

    def _next(self) -> None:
        """One token, in a write of its own. A paced one comes at its time, whatever the others were late."""
        if self._transport is None:
            return
        piece = self._rest.pop()
        self.send(piece.replace(STAMP, stamp()) if self._delay else piece)
        self._sent += 1
        if not self._rest:
            return
        if self._delay and len(self._rest) > 1:
            self._loop.call_later(max(0.0, self._begun + self._sent * self._delay - monotonic()), self._next)
        else:
            self._loop.call_soon(self._next)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def _serve(port: int) -> None:
    upstream = Upstream(profiles())
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(upstream), "127.0.0.1", port, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


def main() -> None:
    """Serves every profile until it is stopped. Prints its port when it is ready."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.upstream", description=main.__doc__)
    parser.add_argument("--port", type=int, default=0)
    port = parser.parse_args().port
    import uvloop

    uvloop.run(_serve(port))


if __name__ == "__main__":
    main()
