"""The MCP server itself: MCP's own package around the team's tools."""

from __future__ import annotations

from typing import Any, Final

from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    Tool,
)
from starlette.types import Receive, Scope, Send

from agents.crew import Crew
from graph.engine import Engine
from servers.context import context_of
from servers.mcp.tools import TeamTools, UnknownTool
from servers.settings import Settings
from servers.version import version

_INSTRUCTIONS: Final = "A team of agents. Ask the team, or one of its agents alone; each call is answered in words."
Context = ServerRequestContext[Any, Any]


def build(engine: Engine, crew: Crew, settings: Settings) -> StreamableHTTPSessionManager:
    """The server, to be run. Sessions belong to the tenant that opened them."""
    team = TeamTools(engine, crew, settings)

    async def list_tools(context: Context, params: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(
            tools=[
                Tool(name=name, description=description, input_schema=schema)
                for name, description, schema in team.described()
            ]
        )

    async def call_tool(context: Context, params: CallToolRequestParams) -> CallToolResult:
        assert context.request is not None  # there is one wherever HTTP is
        request = context_of(context.request.scope)
        try:
            told = await team.call(request, params.name, params.arguments or {}, context.session.report_progress)
        except UnknownTool:
            raise MCPError(INVALID_PARAMS, f"There is no tool {params.name!r:.200}.") from None
        content = [TextContent(text=text) for text in told.texts]
        return CallToolResult(content=list(content), is_error=told.is_error)

    server = Server(
        "cortex-flow",
        version=version(),
        instructions=_INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )
    return Manager(server, max_request_body_size=int(settings.max_body_mb * 1024 * 1024))


class Manager(StreamableHTTPSessionManager):
    """Knows callers by their tenant, so that nobody uses the session of another one."""

    async def handle_request(self, scope: Scope, receive: Receive, send: Send) -> None:
        tenant = context_of(scope).tenant
        user = AuthenticatedUser(AccessToken(token="", client_id=tenant, scopes=[]))
        await super().handle_request({**scope, "user": user}, receive, send)
