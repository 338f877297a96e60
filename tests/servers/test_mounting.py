"""The service as a part of somebody's application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi import FastAPI, Request
from starlette.applications import Starlette
from starlette.types import ASGIApp

from servers import OpenAIServer, mount, mounted
from tests.servers.asgi import Connection, ask
from tests.servers.embedded import made, user

CHAT = "/v1/chat/completions"


@asynccontextmanager
async def running(app: Starlette) -> AsyncIterator[Any]:
    """What an ASGI server does around an application."""
    async with app.router.lifespan_context(app) as state:
        yield state


async def say(app: ASGIApp, prefix: str, text: str, **fields: Any) -> Connection:
    return await ask(app, "POST", f"{prefix}{CHAT}", json={"messages": [user(text)], **fields})


def content(answer: Connection) -> str:
    text: str = answer.json()["choices"][0]["message"]["content"]
    return text


def host() -> FastAPI:
    """Somebody's application, with a route and a state of its own."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, str]]:
        yield {"database": "open"}

    app = FastAPI(lifespan=lifespan)

    @app.get("/about")
    async def about(request: Request) -> dict[str, str]:
        return {"about": "us"}

    return app


@pytest.mark.parametrize("kind", [FastAPI, Starlette])
async def test_two_side_by_side(kind: Any) -> None:
    app = kind()
    red = mount(app, "/team-a", made(model_name="red"))
    blue = mount(app, "/b/team", made(model_name="blue", model_aliases={"gpt-*": "blue"}))
    async with running(app):
        for prefix, name in (("/team-a", "red"), ("/b/team", "blue")):
            listed = (await ask(app, "GET", f"{prefix}/v1/models")).json()["data"]
            assert [model["id"] for model in listed][:2] == [name, f"{name}-supervisor"]
        await say(app, "/team-a", "My name is Alice.", conversation_id="c")
        assert "Alice" in content(await say(app, "/team-a", "What is my name?", conversation_id="c"))
        assert "Alice" not in content(await say(app, "/b/team", "What is my name?", conversation_id="c"))
        assert (await say(app, "/b/team", "Hello!", model="gpt-4o")).status == 200
        assert (await say(app, "/team-a", "Hello!", model="gpt-4o")).error["code"] == "model_not_found"
        stream = await say(app, "/b/team", "Hello!", stream=True)
        assert stream.events()[-1] == "[DONE]"
        assert (await red.get_adapter().list_models()).data[0].id == "red"
        assert not blue.is_running()


async def test_the_application_keeps_what_is_its_own() -> None:
    app = host()
    mount(app, "/team", made())
    async with running(app) as state:
        assert state == {"database": "open"}
        assert (await ask(app, "GET", "/about")).json() == {"about": "us"}
        assert (await ask(app, "GET", "/v1/models")).json() == {"detail": "Not Found"}


async def test_errors_keep_openais_shape() -> None:
    app = host()
    mount(app, "/team", made(max_body_mb=0.001))
    async with running(app):
        nowhere = await ask(app, "GET", "/team/v1/nowhere")
        assert (nowhere.status, nowhere.error["code"]) == (404, "not_found")
        assert "/team/v1/nowhere" in nowhere.error["message"]
        assert (await ask(app, "DELETE", f"/team{CHAT}")).error["code"] == "not_found"
        assert (await ask(app, "POST", f"/team{CHAT}", body=b"{")).error["code"] == "invalid_json"
        assert (await ask(app, "POST", f"/team{CHAT}", json={})).error["param"] == "messages"
        assert (await say(app, "/team", "x" * 2000)).error["code"] == "request_too_large"


async def test_what_needs_no_key_needs_none_below_a_prefix() -> None:
    app = host()
    mount(app, "/team", made(api_keys=["k"]))
    async with running(app):
        for path in ("/health", "/", "/docs", "/openapi.json"):
            assert (await ask(app, "GET", f"/team{path}")).status == 200
        refused = await ask(app, "GET", "/team/v1/models")
        assert (refused.status, refused.error["code"]) == (401, "invalid_api_key")
        headers = {"Authorization": "Bearer k"}
        assert (await ask(app, "GET", "/team/v1/models", headers=headers)).status == 200


async def test_links_and_documentation_know_where_they_are() -> None:
    app = host()
    mount(app, "/team", made())
    async with running(app):
        assert (await ask(app, "GET", "/team/health")).json() == {"status": "ok"}
        links = (await ask(app, "GET", "/team/")).json()["links"]
        assert links["models"] == "/team/v1/models"
        assert (await ask(app, "GET", links["models"])).status == 200
        assert b"/team/openapi.json" in (await ask(app, "GET", links["docs"])).body
        assert {"url": "/team"} in (await ask(app, "GET", links["openapi"])).json()["servers"]


async def test_for_a_while() -> None:
    app = host()
    async with running(app):
        async with mounted(app, "/plugin", made(model_name="red")), mounted(app, "/other", made(model_name="blue")):
            assert (await ask(app, "GET", "/plugin/v1/models/red")).status == 200
            assert (await ask(app, "GET", "/other/v1/models/blue")).status == 200
        assert (await ask(app, "GET", "/plugin/v1/models")).json() == {"detail": "Not Found"}


async def test_by_hand() -> None:
    server: OpenAIServer = made()
    app = Starlette()
    app.mount("/team", server.app)
    closed = await ask(app, "GET", "/team/v1/models")
    assert (closed.status, closed.error["code"]) == (503, "not_ready")
    assert "lifespan" in closed.error["message"]
    async with server.lifespan():
        assert (await ask(app, "GET", "/team/v1/models")).status == 200


async def test_a_service_that_can_not_open_keeps_the_application_from_starting() -> None:
    app = host()
    mount(app, "/team", made(llm_model="openai:gpt-4o"))
    with pytest.raises(Exception, match="llm_model: "):
        async with running(app):
            pass


@pytest.mark.parametrize("prefix", ["", "/", "team", "/team/", "/{team}"])
def test_what_is_no_prefix(prefix: str) -> None:
    with pytest.raises(ValueError, match="prefix"):
        mount(Starlette(), prefix, made())
