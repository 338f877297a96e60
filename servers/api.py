"""The routes, on FastAPI. Whatever they raise becomes OpenAI's envelope here."""

from __future__ import annotations

import logging
from importlib import import_module

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.telemetry import TelemetryConfig
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from graph.errors import RunError
from graph.storage.port import StorageError
from servers import DIALECTS
from servers.chat_completions.routes import create_chat_completion
from servers.chat_completions.stored_routes import COLLECTION
from servers.context import context_of, route_path
from servers.errors import ApiError, BadRequest, of_exception, respond, unknown_route
from servers.resources import RESOURCES
from servers.service import Service
from servers.version import version

SILENT = TelemetryConfig(tracing=False, metrics=False, logs=False, operation_spans=False, auto_configure=False)

logger = logging.getLogger(__name__)


def build_api(service: Service) -> FastAPI:
    """The application behind the middlewares: every dialect and every resource that its door names."""
    api = FastAPI(
        title="Cortex Flow",
        version=version(),
        redirect_slashes=False,
        swagger_ui_oauth2_redirect_url=None,
        telemetry=SILENT,
    )
    api.state.service = service
    for name in (*DIALECTS, *(f"resources.{resource}" for resource in RESOURCES)):
        api.include_router(_router(name))
    for kind in (ApiError, RunError, StorageError, Exception):
        api.add_exception_handler(kind, _failed)
    api.add_exception_handler(HTTPException, _refused)
    api.add_exception_handler(RequestValidationError, _misread)
    return api


class Express:
    """Chat's own way to its endpoint: FastAPI's routing, exit stacks and send wrappers are a fourteenth of a short chat.
    Its route stays for the documentation, and everything else takes it."""

    def __init__(self, api: FastAPI) -> None:
        self._api = api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST" or route_path(scope) != COLLECTION:
            return await self._api(scope, receive, send)
        scope["app"] = self._api
        response = await _answered(Request(scope, receive))
        return await response(scope, receive, send)


async def _answered(request: Request) -> Response:
    """The answer to a chat request, also where it is refused. Any other error is left to `Observation`."""
    try:
        return await create_chat_completion(request)
    except (ApiError, RunError, StorageError) as error:
        return await _failed(request, error)


async def _failed(request: Request, error: Exception) -> Response:
    answer = of_exception(error)
    if isinstance(error, StorageError):
        logger.error("storage failed in %s: %s", context_of(request.scope).id, error, exc_info=error)
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


def _router(name: str) -> APIRouter:
    module = f"servers.{name}" if name.startswith("resources.") else f"servers.{name}.routes"
    router: APIRouter = import_module(module).router
    return router
