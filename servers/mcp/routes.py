"""`/mcp`: the address of the team for MCP's clients. What is refused here is refused in OpenAI's envelope, as elsewhere."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from agents.tools.mcp import is_installed
from servers.errors import SERVER, ApiError, respond, unknown_route
from servers.mcp.strangers import refuse_strangers
from servers.service import service_of

router = APIRouter(tags=["MCP"])


@router.delete("/mcp", summary="End a session of MCP")
@router.get("/mcp", summary="Listen in a session of MCP")
@router.post("/mcp", summary="Speak MCP over streamable HTTP")
async def speak_mcp(request: Request) -> Response:
    service = service_of(request)
    if not service.settings.mcp_enabled:
        raise unknown_route(request.method, request.scope["path"])
    if not is_installed():
        message = "This server does not speak MCP: the package for it is missing (pip install 'cortex-flow[mcp]')."
        raise ApiError(501, message, type=SERVER, code="mcp_not_installed")
    refuse_strangers(request.scope, service.settings)
    return Passed(await service.mcp.opened())


class Passed(Response):
    """The answer of another application: MCP's own package is one."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__()
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except ApiError as error:  # the body is too long, or too slow: it is read before anything is said
            await respond(error)(scope, receive, send)
