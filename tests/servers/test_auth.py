"""Keys and tenants."""

from __future__ import annotations

import pytest

from tests.servers.asgi import ask
from tests.servers.conftest import Serve
from tests.servers.doubles import ScriptedEngine
from tests.servers.openai_schema import check

CHAT = {"model": "cortex-flow", "messages": [{"role": "user", "content": "Hi"}]}
KEYS = "sk-bare, acme:sk-one, acme:sk-two,other:with:colon"


@pytest.mark.parametrize(
    ("key", "tenant"),
    [("sk-bare", "default"), ("sk-one", "acme"), ("sk-two", "acme"), ("with:colon", "other")],
)
async def test_a_key_opens_its_tenant(serve: Serve, key: str, tenant: str) -> None:
    engine = ScriptedEngine()
    app = await serve(engine, api_keys=KEYS)
    await ask(app, "POST", "/v1/chat/completions", json=CHAT, headers={"Authorization": f"Bearer {key}"})
    assert [request.tenant for request in engine.requests] == [tenant]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer sk-on"},
        {"Authorization": "Bearer acme:sk-one"},
        {"Authorization": "Basic sk-one"},
        {"Authorization": "sk-one"},
        {"Authorization": "Bearer clé"},
    ],
)
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v1/models"), ("POST", "/v1/chat/completions"), ("GET", "/nope")]
)
async def test_nobody_else_comes_in(serve: Serve, headers: dict[str, str], method: str, path: str) -> None:
    engine = ScriptedEngine()
    app = await serve(engine, api_keys=KEYS)
    answer = await ask(app, method, path, json=CHAT, headers=headers)
    assert answer.status == 401
    assert (answer.error["type"], answer.error["code"]) == ("authentication_error", "invalid_api_key")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "sk-" not in answer.error["message"]
    check("ErrorResponse", answer.json())
    assert not engine.requests


@pytest.mark.parametrize("path", ["/health", "/", "/docs", "/openapi.json"])
async def test_what_is_open_to_everybody(serve: Serve, path: str) -> None:
    app = await serve(api_keys=KEYS)
    assert (await ask(app, "GET", path)).status == 200


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_the_scheme_is_written_in_any_case(serve: Serve, scheme: str) -> None:
    app = await serve(api_keys=KEYS)
    assert (await ask(app, "GET", "/v1/models", headers={"authorization": f"{scheme} sk-bare"})).status == 200


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer dummy"}])
async def test_without_keys_everybody_is_the_default_tenant(serve: Serve, headers: dict[str, str]) -> None:
    engine = ScriptedEngine()
    app = await serve(engine)
    await ask(app, "POST", "/v1/chat/completions", json=CHAT, headers=headers)
    assert [request.tenant for request in engine.requests] == ["default"]
