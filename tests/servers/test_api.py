"""What becomes of errors inside of routes, whatever kind they are."""

from __future__ import annotations

from inspect import signature
from typing import Any, cast

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request

from servers.api import Express, build_api, routes
from servers.errors import BadRequest
from servers.observation import Observation
from tests.servers.asgi import ask


@pytest.fixture
def api() -> FastAPI:
    api = build_api(cast(Any, None))

    @api.get("/number")
    async def number(limit: int) -> dict[str, int]:
        return {"limit": limit}

    @api.get("/teapot")
    async def teapot() -> None:
        raise HTTPException(418, "short and stout")

    @api.get("/broken")
    async def broken() -> None:
        raise RuntimeError("the secret reason")

    return api


@pytest.mark.parametrize(
    ("path", "status", "param", "code"),
    [
        ("/number?limit=many", 400, "limit", None),
        ("/number", 400, "limit", None),
        ("/teapot", 418, None, None),
        ("/broken", 500, None, "internal_error"),
    ],
)
async def test_every_error_has_the_same_shape(
    api: FastAPI, path: str, status: int, param: str | None, code: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await ask(Observation(api), "GET", path)
    assert answer.status == status
    assert (answer.error["param"], answer.error["code"]) == (param, code)
    assert b"secret" not in answer.body
    assert ("the secret reason" in caplog.text) is (status == 500)


async def test_what_is_right_gets_through(api: FastAPI) -> None:
    assert (await ask(Observation(api), "GET", "/number?limit=5")).json() == {"limit": 5}


@pytest.mark.parametrize(
    ("error", "status"), [(BadRequest("no", "model"), 400), (RuntimeError("the secret reason"), 500)]
)
async def test_our_own_endpoints_have_the_same_errors(
    api: FastAPI, error: Exception, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(request: Request, thread_id: str) -> None:
        assert request.app is api
        assert thread_id == "thread_x"
        raise error

    route = APIRoute("/v1/threads/{thread_id}", broken, methods=["POST"])
    answer = await ask(Observation(Express(api, [route])), "POST", "/v1/threads/thread_x", json={})
    assert answer.status == status
    assert answer.error["message"]
    assert b"secret" not in answer.body
    assert ("the secret reason" in caplog.text) is (status == 500)


async def test_our_own_endpoints_are_documented_and_their_other_methods_are_routed(api: FastAPI) -> None:
    app = Observation(Express(api, routes()))
    described = (await ask(app, "GET", "/openapi.json")).json()["paths"]
    assert all(method.lower() in described[route.path_format] for route in routes() for method in route.methods or ())
    assert (await ask(app, "PUT", "/v1/chat/completions")).error["code"] == "not_found"


def test_every_endpoint_takes_the_request_and_the_ids_of_its_path() -> None:
    for route in routes():
        assert list(signature(route.endpoint).parameters) == ["request", *route.param_convertors], route.path
        assert route.dependencies == []
