"""The application from its first moment to its last."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from servers.app import App, create_app
from servers.backend import StartFailed
from servers.settings import BadSettings
from tests.graph.stores import Unsteady
from tests.servers.asgi import Connection, ask
from tests.servers.conftest import Configure, Serve
from tests.servers.doubles import ScriptedBackend, ScriptedEngine


@asynccontextmanager
async def held(configure: Configure, **errors: Any) -> AsyncIterator[tuple[App, ScriptedBackend]]:
    """An application that opens when its backend may."""
    settings = configure()
    backend = ScriptedBackend(settings, ScriptedEngine(), **errors)
    backend.may_claim.clear()
    backend.may_open.clear()
    app = App(settings, backend)
    async with app.lifespan():
        yield app, backend


async def test_health_to_the_last_byte(serve: Serve) -> None:
    answer = await ask(await serve(), "GET", "/health")
    assert (answer.status, answer.body) == (200, b'{"status":"ok"}')
    assert answer.headers["content-type"] == "application/json"
    assert (await ask(await serve(), "HEAD", "/health")).status == 200


async def test_health_waits_for_the_storage_and_for_nothing_else(configure: Configure) -> None:
    async with held(configure) as (app, backend):
        early = Connection(app, "GET", "/health")
        await asyncio.sleep(0)
        assert not early.started
        backend.may_claim.set()
        assert (await early.over()).status == 200
        assert (await ask(app, "GET", "/health")).status == 200


async def test_a_request_that_comes_early_waits(configure: Configure) -> None:
    async with held(configure) as (app, backend):
        early = Connection(app, "GET", "/v1/models")
        backend.may_claim.set()
        await ask(app, "GET", "/health")
        assert not early.started
        backend.may_open.set()
        assert (await early.over()).status == 200


@pytest.mark.parametrize(
    ("at", "error"),
    [("claims", StartFailed("taken")), ("opens", BadSettings("bad")), ("opens", RuntimeError("broken"))],
)
async def test_a_server_that_cannot_start_says_so(configure: Configure, at: str, error: Exception) -> None:
    async with held(configure, **{at: error}) as (app, backend):
        early = Connection(app, "GET", "/v1/models")
        backend.may_claim.set()
        backend.may_open.set()
        with pytest.raises(type(error)):
            await app.opened()
        assert (await early.over()).status == 503
        assert early.error["code"] == "not_ready"
        assert (await ask(app, "GET", "/health")).status == 503


async def test_at_the_end_runs_are_drained_before_everything_is_closed(configure: Configure) -> None:
    async with held(configure) as (app, backend):
        backend.may_claim.set()
        backend.may_open.set()
        await app.opened()
        await app.drain(7)
        assert backend.engine.drained == [7]
        assert not backend.closed
    assert backend.engine.drained == [7], "once is enough"
    assert backend.closed


async def test_ready_says_why_it_is_not(configure: Configure) -> None:
    async with held(configure) as (app, backend):
        backend.storage = storage = Unsteady()
        backend.may_claim.set()
        await ask(app, "GET", "/health")
        assert await readiness(app) == (503, "not_ready")
        backend.may_open.set()
        await app.opened()
        assert await readiness(app) == (200, None)
        storage.away = True
        assert await readiness(app) == (503, "storage_unavailable")
        storage.away = False
        assert await readiness(app) == (200, None)
        await app.drain(0)
        assert await readiness(app) == (503, "shutting_down")
        assert (await ask(app, "GET", "/health")).status == 200


async def test_what_could_not_open_is_not_ready(configure: Configure) -> None:
    async with held(configure, opens=BadSettings("bad")) as (app, backend):
        backend.may_claim.set()
        backend.may_open.set()
        with pytest.raises(BadSettings):
            await app.opened()
        assert await readiness(app) == (503, "not_ready")


async def readiness(app: App) -> tuple[int, str | None]:
    """The status, and the reason where there is one."""
    answer = await ask(app, "GET", "/health/ready")
    return answer.status, None if answer.status == 200 else answer.error["code"]


async def test_switched_off(configure: Configure) -> None:
    app = create_app(configure(enabled=False))
    async with app.lifespan():
        await app.opened()
        assert (await ask(app, "GET", "/health")).body == b'{"status":"ok"}'
        for path in ("/", "/v1/models", "/docs"):
            answer = await ask(app, "GET", path)
            assert (answer.status, answer.error["code"]) == (404, "not_found")


async def test_the_asgi_lifespan_protocol(configure: Configure) -> None:
    app = create_app(configure(enabled=False))
    incoming: asyncio.Queue[Any] = asyncio.Queue()
    outgoing: asyncio.Queue[Any] = asyncio.Queue()
    running = asyncio.create_task(app({"type": "lifespan", "state": {}}, incoming.get, outgoing.put))
    for step in ("startup", "shutdown"):
        await incoming.put({"type": f"lifespan.{step}"})
        assert await outgoing.get() == {"type": f"lifespan.{step}.complete"}
    await running


async def test_no_websockets_here(serve: Serve) -> None:
    app = await serve()
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await app({"type": "websocket", "path": "/", "headers": []}, receive, send)
    assert [message["type"] for message in sent] == ["websocket.close"]
