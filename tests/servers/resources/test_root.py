"""`/` and the documentation."""

from __future__ import annotations

from servers.version import version
from tests.servers.asgi import ask
from tests.servers.conftest import Serve


async def test_what_this_is(serve: Serve) -> None:
    app = await serve()
    answer = await ask(app, "GET", "/")
    about = answer.json()
    assert (answer.status, about["name"], about["version"]) == (200, "Cortex Flow", version())
    for name, link in about["links"].items():
        assert name == "api" or (await ask(app, "GET", link)).status == 200


async def test_the_routes_are_described(serve: Serve) -> None:
    described = (await ask(await serve(), "GET", "/openapi.json")).json()
    assert set(described["paths"]) == {
        "/",
        "/v1/chat/completions",
        "/v1/chat/completions/{completion_id}",
        "/v1/chat/completions/{completion_id}/messages",
        "/v1/models",
        "/v1/models/{name}",
    }
