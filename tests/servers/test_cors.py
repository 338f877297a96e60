"""Which web pages may call."""

from __future__ import annotations

import pytest

from tests.servers.asgi import ask
from tests.servers.conftest import Serve
from tests.servers.doubles import ScriptedEngine

PAGE = {"Origin": "https://page.example"}
PREFLIGHT = {
    **PAGE,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type,x-stainless-os",
}


async def test_a_preflight_needs_no_key(serve: Serve) -> None:
    app = await serve(api_keys="k")
    answer = await ask(app, "OPTIONS", "/v1/chat/completions", headers=PREFLIGHT)
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-allow-headers"] == PREFLIGHT["Access-Control-Request-Headers"]
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("path", ["/v1/models", "/nope", "/health"])
async def test_every_answer_can_be_read_by_a_page(serve: Serve, path: str) -> None:
    app = await serve()
    answer = await ask(app, "GET", path, headers=PAGE)
    assert answer.headers["access-control-allow-origin"] == "*"
    exposed = answer.headers["access-control-expose-headers"].split(", ")
    assert {"x-conversation-id", "x-agents-used", "x-request-id"} <= set(exposed)


async def test_a_refusal_can_be_read_too(serve: Serve) -> None:
    app = await serve(api_keys="k")
    answer = await ask(app, "GET", "/v1/models", headers=PAGE)
    assert answer.status == 401
    assert answer.headers["access-control-allow-origin"] == "*"


async def test_other_callers_see_nothing_of_it(serve: Serve) -> None:
    answer = await ask(await serve(), "GET", "/v1/models")
    assert not any(name.startswith("access-control") for name in answer.headers)


async def test_some_origins_alone(serve: Serve) -> None:
    app = await serve(cors_origins="https://page.example, https://other.example", cors_methods="GET POST")
    allowed = await ask(app, "OPTIONS", "/v1/models", headers=PREFLIGHT)
    assert allowed.headers["access-control-allow-origin"] == "https://page.example"
    assert allowed.headers["access-control-allow-methods"] == "GET, POST"
    strange = await ask(app, "OPTIONS", "/v1/models", headers={**PREFLIGHT, "Origin": "https://evil.example"})
    assert strange.status == 400
    assert strange.error["code"] == "cors_refused"
    assert "access-control-allow-origin" not in strange.headers


async def test_a_page_that_may_not_call_sets_nothing_to_work(serve: Serve) -> None:
    engine = ScriptedEngine()
    app = await serve(engine, cors_origins="https://page.example")
    plain = {"Origin": "https://evil.example", "Content-Type": "text/plain", "Host": "evil.example:8001"}
    answer = await ask(
        app, "POST", "/v1/chat/completions", json={"messages": [{"role": "user", "content": "Hi"}]}, headers=plain
    )
    assert (answer.status, answer.error["code"]) == (403, "origin_refused")
    assert engine.requests == []


async def test_our_own_pages_may_call(serve: Serve) -> None:
    app = await serve(cors_origins="https://page.example")
    own = {"Origin": "http://127.0.0.1:8001", "Host": "127.0.0.1:8001"}
    assert (await ask(app, "GET", "/v1/models", headers=own)).status == 200
