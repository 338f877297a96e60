"""What comes before a request is one: its head, or no HTTP at all."""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path

import orjson
import pytest

from tests.journeys.server import running


def said(port: int, data: bytes) -> bytes:
    """What the server answers before it hangs up."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        with suppress(BrokenPipeError, ConnectionResetError):  # it has heard enough
            connection.sendall(data)
        heard = b""
        with suppress(ConnectionResetError):  # it hung up while we were still talking
            while chunk := connection.recv(65536):
                heard += chunk
        return heard


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> object:
    folder: Path = tmp_path_factory.mktemp("protocol")
    with running(folder, STORAGE_URL="memory://", OPENAI_COMPAT_ENABLE="false") as server:
        yield server.port


def test_a_head_without_end_is_refused(port: int) -> None:
    head = b"GET /health HTTP/1.1\r\n" + b"".join(b"x-%d: %s\r\n" % (i, b"a" * 900) for i in range(80))
    answer = said(port, head)
    assert answer.startswith(b"HTTP/1.1 431 ")


def test_a_whole_head_that_is_too_long_is_refused(port: int) -> None:
    answer = said(port, b"GET /health HTTP/1.1\r\nHost: x\r\nx-long: " + b"a" * 70_000 + b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 431 ")


def test_what_is_no_http_gets_the_envelope(port: int) -> None:
    head, _, body = said(port, b"BREW /pot COFFEE/1.0\r\n\r\n").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert orjson.loads(body)["error"]["code"] == "invalid_http"


def test_ordinary_requests_follow_each_other_on_a_connection(port: int) -> None:
    request = b"GET /health HTTP/1.1\r\nHost: x\r\n"
    answers = said(port, request + b"\r\n" + request + b"Connection: close\r\n\r\n")
    assert answers.count(b'{"status":"ok"}') == 2


def test_a_head_that_begins_behind_a_long_body_is_not_charged_for_it(port: int) -> None:
    body = b"POST /nope HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n" + b"a" * 200_000
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(body + b"GET /health HTTP/1.1\r\nHost: x\r\n")
        heard = connection.recv(65536)
        connection.sendall(b"Connection: close\r\n\r\n")
        while chunk := connection.recv(65536):
            heard += chunk
    assert heard.startswith(b"HTTP/1.1 404 ")
    assert b"HTTP/1.1 200 " in heard
