"""From errors to envelopes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from graph.errors import (
    ContextTooLong,
    ConversationBusy,
    InvalidRequest,
    NotFound,
    OutputsRefused,
    Overloaded,
    RunEnded,
    ShuttingDown,
)
from graph.run import Failure
from graph.storage.port import Conflict, Delete, StorageUnavailable
from servers.errors import ApiError, BadRequest, of_exception, of_failure, of_run, respond, unknown_model
from tests import stories
from tests.servers.asgi import ask
from tests.servers.conftest import Serve
from tests.servers.doubles import ScriptedEngine
from tests.servers.openai_schema import check

CHAT = {"messages": [{"role": "user", "content": "Hi"}]}


@pytest.mark.parametrize(
    ("error", "status", "type", "param", "code"),
    [
        (BadRequest("x", "p", "c"), 400, "invalid_request_error", "p", "c"),
        (InvalidRequest("x", "messages"), 400, "invalid_request_error", "messages", None),
        (ContextTooLong(9, 8), 400, "invalid_request_error", "messages", "context_length_exceeded"),
        (OutputsRefused("x", "messages"), 400, "invalid_request_error", "messages", None),
        (NotFound("x"), 404, "invalid_request_error", None, "not_found"),
        (unknown_model("gpt-9"), 404, "invalid_request_error", "model", "model_not_found"),
        (ConversationBusy("x"), 409, "invalid_request_error", None, "conversation_busy"),
        (RunEnded("x"), 400, "invalid_request_error", None, "run_ended"),
        (ShuttingDown("x"), 503, "server_error", None, "shutting_down"),
        (Overloaded("x", 2.5), 429, "rate_limit_error", None, "rate_limit_exceeded"),
        (StorageUnavailable("secret"), 503, "server_error", None, "storage_unavailable"),
        (Conflict(Delete("k", "i")), 500, "server_error", None, "internal_error"),
        (RuntimeError("secret"), 500, "server_error", None, "internal_error"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
async def test_what_a_route_raises(
    serve: Serve, error: Exception, status: int, type: str, param: str | None, code: str | None
) -> None:
    app = await serve(ScriptedEngine(error=error))
    answer = await ask(app, "POST", "/v1/chat/completions", json=CHAT)
    assert answer.status == status
    assert (answer.error["type"], answer.error["param"], answer.error["code"]) == (type, param, code)
    assert answer.error["message"]
    assert b"secret" not in answer.body
    assert ("retry-after" in answer.headers) == (status in (409, 429, 503))
    check("ErrorResponse", answer.json())


@pytest.mark.parametrize(("error", "seconds"), [(Overloaded("x", 2.5), "3"), (ConversationBusy("x"), "1")])
def test_when_to_try_again(error: Exception, seconds: str) -> None:
    assert respond(of_exception(error)).headers["retry-after"] == seconds


@pytest.mark.parametrize(
    ("code", "status", "type", "told"),
    [
        ("invalid_prompt", 400, "invalid_request_error", "invalid_prompt"),
        ("rate_limit_exceeded", 429, "rate_limit_error", "rate_limit_exceeded"),
        ("upstream_error", 502, "server_error", "upstream_error"),
        ("upstream_timeout", 504, "server_error", "upstream_timeout"),
        ("storage_unavailable", 503, "server_error", "storage_unavailable"),
        ("shutting_down", 503, "server_error", "shutting_down"),
        ("conversation_busy", 409, "invalid_request_error", "conversation_busy"),
        ("server_error", 500, "server_error", "internal_error"),
        ("unheard_of", 500, "server_error", "internal_error"),
    ],
)
def test_how_a_run_failed(code: str, status: int, type: str, told: str) -> None:
    error = of_failure(Failure(code, "It broke."))
    assert (error.status, error.type, error.code) == (status, type, told)
    assert status == 500 or error.message == "It broke."
    run = replace(stories.FAILED_LATE.end, failure=Failure(code, "It broke."))
    assert (of_run(run) or ApiError(0, "")).status == status


def test_how_else_a_run_ends_without_an_answer() -> None:
    expired, cancelled = of_run(stories.EXPIRED.end), of_run(stories.CANCELLED.end)
    assert expired is not None
    assert (expired.status, expired.code) == (504, "run_expired")
    assert cancelled is not None
    assert (cancelled.status, cancelled.code) == (503, "run_cancelled")


@pytest.mark.parametrize(
    "story", [stories.PLAIN, stories.CUT_SHORT, stories.CLIENT_CALLS], ids=lambda story: story.name
)
def test_an_answer_is_no_error(story: stories.Story) -> None:
    assert of_run(story.end) is None


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/nope"),
        ("POST", "/v1/nope"),
        ("PUT", "/v1/chat/completions"),
        ("GET", "/v1/chat/completions/"),
        ("PUT", "/v1/chat/completions/some"),
        ("DELETE", "/v1/models"),
        ("POST", "/health"),
        ("GET", "/v1/models/"),
        ("OPTIONS", "/v1/models"),
    ],
)
async def test_an_unknown_route_or_method(serve: Serve, method: str, path: str) -> None:
    answer = await ask(await serve(), method, path)
    assert answer.status == 404
    assert answer.error["code"] == "not_found"
    assert f"{method} {path}" in answer.error["message"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"{'a': 1}",
        b'{"messages": NaN}',
        b'{"temperature": 1e999}',
        b'{"seed": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b'{"messages":[{"role":"user","content":"x","a":' + b"[" * 300 + b"]" * 300 + b"}]}",
        b'{"a": "\xff"}',
        '{"a": "é"}'.encode("latin-1"),
        '{"a": 1}'.encode("utf-16"),
        b'{"a": "\\ud800"}',
        b"\xef\xbb\xbf{}",
    ],
    ids=range(13),
)
async def test_what_is_no_json(serve: Serve, body: bytes) -> None:
    engine = ScriptedEngine()
    answer = await ask(await serve(engine), "POST", "/v1/chat/completions", body=body)
    assert answer.status == 400
    assert (answer.error["type"], answer.error["code"]) == ("invalid_request_error", "invalid_json")
    assert not engine.requests


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", ""])
async def test_json_is_read_whatever_it_is_called(serve: Serve, content_type: str) -> None:
    engine = ScriptedEngine()
    app = await serve(engine)
    await ask(app, "POST", "/v1/chat/completions", json=CHAT, headers={"Content-Type": content_type})
    assert engine.requests


async def test_the_first_fault_of_a_body_is_told(serve: Serve) -> None:
    chat = {"messages": [{"role": "user", "content": "Hi"}, {"role": "robot"}], "temperature": 9}
    answer = await ask(await serve(), "POST", "/v1/chat/completions", json=chat)
    assert (answer.status, answer.error["param"]) == (400, "messages[1].role")
