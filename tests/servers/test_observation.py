"""Request ids, headers, the log, and what nobody caught."""

from __future__ import annotations

import asyncio
import logging
import re

import pytest
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from servers.observation import Observation
from tests.servers.asgi import Connection, ask
from tests.servers.conftest import Serve
from tests.stories import RUN


async def fine(scope: Scope, receive: Receive, send: Send) -> None:
    await Response(b"fine", headers={"x-own": "1"})(scope, receive, send)


async def broken(scope: Scope, receive: Receive, send: Send) -> None:
    raise RuntimeError("the secret reason")


async def broken_late(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    raise RuntimeError("the secret reason")


async def silent(scope: Scope, receive: Receive, send: Send) -> None:
    """The client left, and nothing was answered."""


async def test_headers_of_every_answer() -> None:
    answer = await ask(Observation(fine), "GET", "/")
    assert re.fullmatch("req_[0-9a-f]{32}", answer.headers["x-request-id"])
    assert answer.headers["openai-processing-ms"].isdigit()
    assert answer.headers["openai-version"] == "2020-10-01"
    assert answer.headers["x-own"] == "1"


@pytest.mark.parametrize("id", ["abc", "3f2504e0-4f89-11d3-9a0c-0305e82c3301", "x" * 128])
async def test_an_id_that_came_along_is_kept(id: str) -> None:
    assert (await ask(Observation(fine), "GET", "/", headers={"X-Request-Id": id})).headers["x-request-id"] == id


@pytest.mark.parametrize("id", ["", "a b", "x" * 129, "a\tb", "é"])
async def test_an_id_that_is_none_is_replaced(id: str) -> None:
    answer = await ask(Observation(fine), "GET", "/", headers={"X-Request-Id": id})
    assert answer.headers["x-request-id"].startswith("req_")


async def test_what_nobody_caught_is_logged_and_not_told(caplog: pytest.LogCaptureFixture) -> None:
    answer = await ask(Observation(broken), "GET", "/x", headers={"X-Request-Id": "abc"})
    assert answer.status == 500
    assert (answer.error["type"], answer.error["code"]) == ("server_error", "internal_error")
    assert b"secret" not in answer.body
    assert "the secret reason" in caplog.text
    assert "GET /x (abc)" in caplog.text


async def test_what_breaks_behind_the_start_is_logged_alone(caplog: pytest.LogCaptureFixture) -> None:
    connection = await ask(Observation(broken_late), "GET", "/")
    assert len(connection.messages) == 1
    assert "the secret reason" in caplog.text


async def test_one_line_per_request(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    app = await serve(api_keys="acme:k")
    chat = {"messages": [{"role": "user", "content": "my private words"}]}
    caplog.set_level(logging.INFO, "servers.access")
    headers = {"Authorization": "Bearer k", "X-Request-Id": "abc"}
    await ask(app, "POST", "/v1/chat/completions?x=private", json=chat, headers=headers)
    [record] = [record for record in caplog.records if record.name == "servers.access"]
    assert re.fullmatch(rf"POST /v1/chat/completions 200 [0-9.]+ms acme abc {RUN}", record.getMessage()), (
        record.getMessage()
    )
    fields = record.__dict__["fields"]
    assert {key: fields[key] for key in fields if key != "ms"} == {
        "method": "POST",
        "path": "/v1/chat/completions",
        "status": 200,
        "tenant": "acme",
        "request_id": "abc",
        "run_id": RUN,
    }
    assert "private" not in caplog.text


async def test_a_line_stays_one_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "servers.access")
    await ask(Observation(fine), "GET", "/a%0Ab")
    assert "GET /a%0Ab 200" in caplog.text


async def test_a_client_that_left_before_the_answer(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "servers.access")
    await Connection(Observation(silent), "GET", "/").over()
    assert "GET / 499" in caplog.text


async def test_who_is_cut_off_by_the_end_of_the_server_may_try_again() -> None:
    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        raise asyncio.CancelledError

    async def server(scope: Scope, receive: Receive, send: Send) -> None:
        with pytest.raises(asyncio.CancelledError):
            await Observation(endless)(scope, receive, send)

    answer = await ask(server, "GET", "/")
    assert (answer.status, answer.error["code"], answer.headers["retry-after"]) == (503, "shutting_down", "1")
