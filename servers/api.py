"""The routes, on FastAPI. Whatever they raise becomes OpenAI's envelope here."""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from importlib import import_module

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from fastapi.telemetry import TelemetryConfig
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from graph.errors import RunError
from graph.storage.port import StorageError
from servers import DIALECTS
from servers.context import context_of, route_path
from servers.errors import ApiError, BadRequest, of_exception, respond, unknown_route
from servers.logs import Outages
from servers.resources import RESOURCES
from servers.service import Service
from servers.version import version

Endpoint = Callable[..., Awaitable[Response]]
SILENT = TelemetryConfig(tracing=False, metrics=False, logs=False, operation_spans=False, auto_configure=False)

_outages = Outages(logging.getLogger(__name__))


def build_api(service: Service) -> FastAPI:
    """The application behind the middlewares: every dialect and every resource that its door names."""
    api = FastAPI(
        title="Cortex Flow",
        version=version(),
        redirect_slashes=False,
        swagger_ui_oauth2_redirect_url=None,
        telemetry=SILENT,
        routes=[*routes()],
    )
    api.state.service = service
    for kind in (ApiError, RunError, StorageError, Exception):
        api.add_exception_handler(kind, _failed)
    api.add_exception_handler(HTTPException, _refused)
    api.add_exception_handler(RequestValidationError, _misread)
    return api


class Express:
    """The way to our own endpoints, which take the request and the ids of its path and nothing else: FastAPI's routing, exit
    stacks and send wrappers are a fourteenth of a short chat, and a fifth of an assistant's run with its four requests.
    FastAPI has the same routes for the documentation, and gets whatever matches none of them."""

    def __init__(self, api: FastAPI, routes: Iterable[APIRoute]) -> None:
        self._api = api
        self._routes: dict[tuple[str, int], list[tuple[re.Pattern[str], Endpoint]]] = defaultdict(list)
        for route in routes:
            if ":path}" not in route.path:
                for method in route.methods or ():
                    self._routes[method, route.path.count("/")].append((route.path_regex, route.endpoint))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = route_path(scope)
        for pattern, endpoint in self._routes.get((scope["method"], path.count("/")), ()):
            if found := pattern.match(path):
                scope["app"] = self._api
                response = await _answered(endpoint, Request(scope, receive), found.groupdict())
                return await response(scope, receive, send)
        return await self._api(scope, receive, send)


async def _answered(endpoint: Endpoint, request: Request, ids: Mapping[str, str]) -> Response:
    """The answer of an endpoint, also where it refuses. Any other error is left to `Observation`."""
    try:
        return await endpoint(request, **ids)
    except (ApiError, RunError, StorageError) as error:
        return await _failed(request, error)


async def _failed(request: Request, error: Exception) -> Response:
    answer = of_exception(error)
    if isinstance(error, StorageError):
        _outages.tell(context_of(request.scope).id, error)
    return respond(answer)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code in (404, 405):
        return respond(unknown_route(request.method, request.scope["path"]))
    return respond(ApiError(error.status_code, str(error.detail)))


async def _misread(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    param = ".".join(str(part) for part in first["loc"][1:]) or None
    return respond(BadRequest(f"Invalid value for {param!r}: {first['msg']}.", param))


def routes() -> list[APIRoute]:
    """Every route of ours, in the order of the doors."""
    found: list[APIRoute] = []
    for name in (*DIALECTS, *(f"resources.{resource}" for resource in RESOURCES)):
        for route in _router(name).routes:
            assert isinstance(route, APIRoute), f"{name}: a router is not included but its routes are listed"
            found.append(route)
    return found


def _router(name: str) -> APIRouter:
    module = f"servers.{name}" if name.startswith("resources.") else f"servers.{name}.routes"
    router: APIRouter = import_module(module).router
    return router
