"""The service as a part of somebody's Starlette or FastAPI application, under a prefix."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from starlette.routing import Mount

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from servers.server import OpenAIServer


def mount(app: Starlette, prefix: str, server: OpenAIServer) -> OpenAIServer:
    """Answer below `prefix` (`/team-a/v1/models`) while the application runs. To be called before it starts: its lifespan
    opens the service before its own begins, and closes it afterwards. Raises `ValueError` for a prefix that can't be one."""
    app.router.routes.append(_route(prefix, server))
    own = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(running: Starlette) -> AsyncIterator[Any]:
        async with server.lifespan(), own(running) as state:
            yield state

    app.router.lifespan_context = lifespan
    return server


@asynccontextmanager
async def mounted(app: Starlette, prefix: str, server: OpenAIServer) -> AsyncIterator[None]:
    """Answer below `prefix` for a while: for an application that runs already. Afterwards there is no such route."""
    route = _route(prefix, server)
    async with server.lifespan():
        app.router.routes.append(route)
        try:
            yield
        finally:
            app.router.routes.remove(route)


def _route(prefix: str, server: OpenAIServer) -> Mount:
    if not prefix.startswith("/") or prefix.endswith("/") or "{" in prefix:
        raise ValueError(f"A prefix begins with / and does not end with it, such as /team-a: not {prefix!r}.")
    return Mount(prefix, app=server.app)
