"""Opens the MCP server at its first request, since its package takes long to import, and keeps it until the end."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from starlette.types import ASGIApp, Receive, Scope, Send

from agents.crew import Crew
from graph.errors import ShuttingDown
from servers.imports import without_collections
from servers.settings import Settings

if TYPE_CHECKING:
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

    from graph.engine import Engine


_PATIENCE: Final = 5.0  # seconds


class Host:
    """Open from the first request until `close`. Its tasks live in one task of ours, as MCP's package wants it."""

    def __init__(self, engine: Engine, crew: Crew, settings: Settings) -> None:
        self._engine, self._crew, self._settings = engine, crew, settings
        self._ready: asyncio.Future[StreamableHTTPSessionManager] | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._manager: StreamableHTTPSessionManager | None = None
        self._closing, self._ending, self._quiet = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._quiet.set()
        self._calls = 0

    async def opened(self) -> ASGIApp:
        """The application that speaks MCP. Raises `ShuttingDown`."""
        if self._closing.is_set():
            raise ShuttingDown("The server is shutting down. Try again in a moment.")
        self._manager = await asyncio.shield(self._ready or self._open())
        return self._serve

    async def close(self) -> None:
        """Let answers under way be said, then end the sessions. To be called when no run is at work."""
        self._closing.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                await self._quiet.wait()
        self._ending.set()
        if self._keeping is not None:
            await asyncio.wait([self._keeping])

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request. Those that are waited for in the end are calls: what listens does so for ever."""
        assert self._manager is not None
        calls = scope["method"] == "POST"
        self._calls += calls
        if self._calls:
            self._quiet.clear()
        try:
            await self._manager.handle_request(scope, receive, send)
        finally:
            self._calls -= calls
            if not self._calls:
                self._quiet.set()

    def _open(self) -> asyncio.Future[StreamableHTTPSessionManager]:
        self._ready = asyncio.get_running_loop().create_future()
        self._keeping = asyncio.create_task(self._keep(self._ready))
        return self._ready

    async def _keep(self, ready: asyncio.Future[StreamableHTTPSessionManager]) -> None:
        try:
            manager = await asyncio.to_thread(self._build)
            async with manager.run():
                ready.set_result(manager)
                await self._ending.wait()
        except Exception as error:
            if ready.done():
                raise
            ready.set_exception(error)

    def _build(self) -> StreamableHTTPSessionManager:
        with without_collections():
            from servers.mcp.server import build

            return build(self._engine, self._crew, self._settings)
