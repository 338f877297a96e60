"""Limits of bodies."""

from __future__ import annotations

import asyncio

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from graph.sizes import LARGEST_FILE, LARGEST_PART, MB
from servers.body import SLOWEST, BodyLimit
from servers.errors import ApiError, respond
from tests.servers.asgi import Connection, ask
from tests.servers.conftest import Serve


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Says how long the body was."""
    try:
        size = len(await Request(scope, receive).body())
        await Response(str(size).encode())(scope, receive, send)
    except ApiError as error:
        await respond(error)(scope, receive, send)


@pytest.mark.parametrize("headers", [{}, {"Content-Length": "100"}])
async def test_a_body_up_to_the_limit(headers: dict[str, str]) -> None:
    answer = await ask(BodyLimit(echo, 100), "POST", "/", body=[b"x" * 50, b"x" * 50], headers=headers)
    assert (answer.status, answer.body) == (200, b"100")


@pytest.mark.parametrize("headers", [{}, {"Content-Length": "101"}, {"Content-Length": "nonsense"}])
async def test_a_body_over_the_limit(headers: dict[str, str]) -> None:
    answer = await ask(BodyLimit(echo, 100), "POST", "/", body=[b"x" * 50, b"x" * 51], headers=headers)
    assert answer.status == 413
    assert answer.error["code"] == "request_too_large"
    assert "100 bytes" in answer.error["message"]


async def test_what_is_announced_too_long_is_not_read() -> None:
    connection = Connection(BodyLimit(echo, 100), "POST", "/", ended=False, headers={"Content-Length": "101"})
    assert (await connection.over()).status == 413


async def test_an_endless_body_is_cut_off_at_the_limit() -> None:
    connection = Connection(BodyLimit(echo, 100), "POST", "/", body=[b"x" * 60, b"x" * 60], ended=False)
    assert (await connection.over()).status == 413


async def test_a_body_that_does_not_come() -> None:
    connection = Connection(BodyLimit(echo, 100, patience=0.01), "POST", "/", body=[b"x"], ended=False)
    answer = await connection.over()
    assert answer.status == 408
    assert answer.error["code"] == "request_timeout"
    assert answer.headers["connection"] == "close"


async def test_forms_with_files_have_limits_of_their_own() -> None:
    for path, limit in (("/v1/files", LARGEST_FILE + MB), ("/v1/uploads/upload_x/parts", LARGEST_PART + MB)):
        for size, status in ((limit, 200), (limit + 1, 413)):
            headers = {"Content-Length": str(size)}
            assert (await ask(BodyLimit(echo, 100), "POST", path, body=b"x" * 200, headers=headers)).status == status
    for path in ("/v1/files/", "/v1/files/file-x", "/v1/uploads", "/v1/uploads/a/b/parts", "/v1/uploads/a/complete"):
        assert (await ask(BodyLimit(echo, 100), "POST", path, body=b"x" * 200)).status == 413


async def test_a_slow_but_steady_body_is_not_cut() -> None:
    connection = Connection(
        BodyLimit(echo, LARGEST_FILE, patience=0.01), "POST", "/", body=[b"x" * SLOWEST], ended=False
    )
    await asyncio.sleep(0.05)  # longer than the patience: what has come has earned a second
    connection.send(b"x")
    assert (await connection.over()).body == b"%d" % (SLOWEST + 1)


async def test_time_without_reading_does_not_count() -> None:
    async def late(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(0.02)
        await echo(scope, receive, send)

    assert (await ask(BodyLimit(late, 100, patience=0.01), "POST", "/", body=b"x")).status == 200


async def test_after_its_end_nothing_is_limited() -> None:
    async def patient(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        await request.body()
        message = await request.receive()
        await Response(message["type"].encode())(scope, receive, send)

    connection = Connection(BodyLimit(patient, 100, patience=0.01), "POST", "/", body=b"x")
    await asyncio.sleep(0.03)
    connection.leave()
    assert (await connection.over()).body == b"http.disconnect"


async def test_the_limit_is_a_setting(serve: Serve) -> None:
    app = await serve(max_body_mb=0.001)
    answer = await ask(app, "POST", "/v1/chat/completions", body=b"x" * 2000)
    assert answer.status == 413
    assert answer.error["code"] == "request_too_large"
