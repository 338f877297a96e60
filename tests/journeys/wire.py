"""Plain HTTP, byte by byte: what no client would send, and what clients don't show."""

from __future__ import annotations

import http.client
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import orjson

from tests.servers.described import check_answer
from tests.servers.openai_schema import CHAT, check_chat


@dataclass(frozen=True)
class Answer:
    """A whole response. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """The envelope's content, after a look at its shape."""
        assert self.headers["content-type"] == "application/json", self
        body = self.json
        assert set(body) == {"error"}, body
        error: dict[str, Any] = body["error"]
        assert set(error) == {"message", "type", "param", "code"}, error
        assert isinstance(error["message"], str)
        assert error["message"]
        return error

    @property
    def events(self) -> list[Any]:
        """The data of a stream's frames; `[DONE]` is a string."""
        return [event for frame in self.body.split(b"\n\n") if frame for event in _data(frame)]


class Wire:
    """Requests to one server, each on a connection of its own."""

    def __init__(self, host: str, port: int, timeout: float) -> None:
        self._address = (host, port, timeout)
        self._open: list[Connection] = []

    def ask(
        self,
        method: str = "POST",
        path: str = CHAT,
        body: bytes | Iterable[bytes] | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """A whole request, and its whole answer. A body in pieces is sent chunked, without a length."""
        connection = self.send(method, path, orjson.dumps(json) if json is not None else body, headers)
        try:
            return connection.answer()
        finally:
            connection.close()

    def send(
        self,
        method: str = "POST",
        path: str = CHAT,
        body: bytes | Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Connection:
        """Send a request, and leave it to the caller to read the answer, or to hang up."""
        connection = Connection(*self._address)
        self._open.append(connection)
        connection.send(method, path, body, headers or {})
        return connection

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for connection in self._open:
            connection.close()


class Connection:
    """One request on its way. What it is answered has to be what OpenAI describes for its route."""

    def __init__(self, host: str, port: int, timeout: float) -> None:
        self._connection = http.client.HTTPConnection(host, port, timeout=timeout)
        self._response: http.client.HTTPResponse | None = None
        self._asked = ("", "")

    def send(self, method: str, path: str, body: bytes | Iterable[bytes] | None, headers: Mapping[str, str]) -> None:
        self._asked = (method, path)
        chunked = body is not None and not isinstance(body, bytes)
        self._connection.request(
            method, path, body, {"Content-Type": "application/json", **headers}, encode_chunked=chunked
        )

    @property
    def response(self) -> http.client.HTTPResponse:
        """The response; its headers have come."""
        if self._response is None:
            self._response = self._connection.getresponse()
        return self._response

    def answer(self) -> Answer:
        """The whole answer."""
        body = self.response.read()
        headers = {name.lower(): value for name, value in self.response.getheaders()}
        check_answer(*self._asked, headers.get("content-type", ""), body)
        return Answer(self.response.status, headers, body)

    def event(self) -> Any:
        """The next event of a stream."""
        while True:
            line = self.response.readline()
            assert line, "the stream has ended"
            for event in _data(line.rstrip(b"\n")):
                if self._asked == ("POST", CHAT) and event != "[DONE]":
                    check_chat(event)
                return event

    def wait_closed(self) -> None:
        """Returns when the server has hung up, after an answer."""
        assert self._connection.sock.recv(1) == b""

    def close(self) -> None:
        """Hang up."""
        if self._response is not None:
            self._response.close()
        self._connection.close()


def _data(frame: bytes) -> Iterator[Any]:
    """The data of a frame, which is one line; comments and the lines between have none."""
    if frame.startswith(b"data: "):
        text = frame.removeprefix(b"data: ")
        yield text.decode() if text == b"[DONE]" else orjson.loads(text)
