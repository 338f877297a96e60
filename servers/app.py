"""The composition root: the layers around the routes, and `/health`, which answers while the rest is still loading."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from starlette.responses import Response
from starlette.routing import Router
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from graph.storage.port import Storage, StorageError
from servers.auth import Authentication
from servers.backend import Backend
from servers.body import BodyLimit
from servers.context import context_of, route_path
from servers.cors import Cors
from servers.errors import SERVER, ApiError, respond, unknown_route
from servers.idempotency import Idempotency
from servers.imports import without_collections
from servers.observation import ACCESS, Observation
from servers.settings import Settings

if TYPE_CHECKING:
    from graph.engine import Engine
    from graph.repeats import Repeats
    from servers.service import Service

READY: Final = "/health/ready"
PATIENCE: Final = 2.0  # seconds in which a storage that is there answers

logger = logging.getLogger(__name__)


def create_app(settings: Settings) -> App:
    """The whole service as an ASGI application. Its lifespan opens and closes it."""
    return App(settings)


class App:
    """Answers `/health` from its first moment on; other requests wait until the engine is open. `access` takes the line
    of each request."""

    def __init__(self, settings: Settings, backend: Backend | None = None, access: logging.Logger = ACCESS) -> None:
        self._settings = settings
        self._access = access
        self._backend = backend or Backend(settings)
        self._claimed = asyncio.Event()
        self._service: Service | None = None
        self._api: ASGIApp | None = None
        self._opening: asyncio.Task[ASGIApp] | None = None
        self._draining: asyncio.Task[None] | None = None
        self._storage: Storage | None = None
        self._protocol = Router(lifespan=self.lifespan)
        self._idempotency = Idempotency(self._front, self._repeats)
        self._layers = self._wrap(self._idempotency)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (self._protocol if scope["type"] == "lifespan" else self._layers)(scope, receive, send)

    @asynccontextmanager
    async def lifespan(self, app: object = None) -> AsyncIterator[None]:
        """The service is opened beside what happens inside, and closed behind it."""
        if self._settings.enabled:
            self._opening = asyncio.create_task(self._open())
        else:
            self._claimed.set()
        try:
            yield
        finally:
            await self._close()

    async def opened(self) -> None:
        """Wait until requests are answered. Raises what made that impossible."""
        if self._opening is not None:
            await asyncio.shield(self._opening)

    async def drain(self, seconds: float | None = None) -> None:
        """Take no more runs; return when those at work have ended, after `seconds` (`DRAIN_SECONDS`) at the latest."""
        seconds = self._settings.drain_seconds if seconds is None else seconds
        if self._draining is None:
            self._draining = asyncio.create_task(self._backend.drain(seconds))
        await self._draining

    def inside(self, tenant: str) -> Inside:
        """The same application for callers within the process."""
        return Inside(self, tenant)

    def _wrap(self, app: ASGIApp) -> ASGIApp:
        app = Authentication(app, self._settings.api_keys)
        app = BodyLimit(app, int(self._settings.max_body_mb * 1024 * 1024))
        return Observation(Cors(app, self._settings), self._access)

    async def _open(self) -> ASGIApp:
        try:
            self._storage = await self._backend.claim()
        finally:
            self._claimed.set()
        self._service = service = await self._backend.open(self._storage)
        self._api = await asyncio.to_thread(_build, service)
        return self._api

    async def _close(self) -> None:
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait([self._opening])
        await self.drain()
        await self._idempotency.close()
        await self._backend.close()

    async def _front(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await WebSocketClose()(scope, receive, send)
        elif route_path(scope) == "/health" and scope["method"] in ("GET", "HEAD"):
            await (await self._health())(scope, receive, send)
        elif route_path(scope) == READY and scope["method"] in ("GET", "HEAD") and self._opening is not None:
            await (await self._ready())(scope, receive, send)
        elif self._opening is None:
            await respond(unknown_route(scope["method"], scope["path"]))(scope, receive, send)
        else:
            await (self._api or await self._loaded())(scope, receive, send)

    async def _repeats(self) -> Repeats | None:
        """Where answers are kept for who asks again, when it is open; None where it never will be."""
        if self._service is None and self._opening is not None:
            await asyncio.wait([self._opening])
        return self._service.repeats if self._service else None

    async def _health(self) -> Response:
        await self._claimed.wait()
        if self._opening is not None and self._opening.done() and self._opening.exception():
            return respond(_unable())
        return Response(b'{"status":"ok"}', media_type="application/json")

    async def _ready(self) -> Response:
        """Whether a request that came now would be answered, and if not, why."""
        if self._draining is not None:
            return respond(_not_ready("The server is shutting down.", "shutting_down"))
        if self._opening is None or not self._opening.done() or self._storage is None:
            return respond(_not_ready("The server is starting.", "not_ready"))
        if self._opening.exception():
            return respond(_unable())
        try:
            async with asyncio.timeout(PATIENCE):
                await self._storage.get("", "health", "ready")
        except (StorageError, TimeoutError):
            return respond(_not_ready("The storage can't be reached.", "storage_unavailable"))
        return Response(b'{"status":"ready"}', media_type="application/json")

    async def _loaded(self) -> ASGIApp:
        assert self._opening is not None
        try:
            return await asyncio.shield(self._opening)
        except Exception:  # whoever started the application is told by `opened`
            return respond(_unable())


class Inside:
    """The application for callers within the process: they need no key, and what they send has no limit."""

    def __init__(self, app: App, tenant: str) -> None:
        self._app, self._tenant = app, tenant
        self._layers = Observation(self._front, app._access)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._layers(scope, receive, send)

    async def thread_of(self, run_id: str) -> str:
        """The bare id of a run's conversation. Raises `NotFound`."""
        return (await self._engine.glance(self._tenant, run_id)).conversation_id

    async def finished(self, run_id: str) -> None:
        """Wait until a run has ended, or waits for its client. Raises `NotFound`."""
        await self._engine.finished(self._tenant, run_id)

    @property
    def _engine(self) -> Engine:
        if self._app._service is None:
            raise RuntimeError("The service is not open yet.")
        return self._app._service.engine

    async def _front(self, scope: Scope, receive: Receive, send: Send) -> None:
        context_of(scope).tenant = self._tenant
        await self._app._front(scope, receive, send)


def _build(service: Service) -> ASGIApp:
    """The routes, in a thread: FastAPI takes long to import."""
    with without_collections():
        from servers.api import Express, build_api, routes

        return Express(build_api(service), routes())


def _unable() -> ApiError:
    return _not_ready("The server could not start; its log says why.", "not_ready")


def _not_ready(message: str, code: str) -> ApiError:
    return ApiError(503, message, type=SERVER, code=code)
