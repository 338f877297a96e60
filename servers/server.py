"""The server as a part of somebody's program: started and stopped by it, or mounted into its application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Self, Unpack

from starlette.routing import Router
from starlette.types import ASGIApp, Receive, Scope, Send

from agents.agent import Agent
from agents.tools import tool_names
from servers.adapter import OpenAIAdapter
from servers.app import App
from servers.backend import Backend, StartFailed
from servers.context import DEFAULT_TENANT
from servers.errors import SERVER, ApiError, respond
from servers.http_server import EmbeddedServer, address, listen
from servers.logs import request_log
from servers.options import Options
from servers.settings import BadSettings, Settings, embedded, in_code
from servers.team import team_of, tool_settings

if TYPE_CHECKING:
    from agents.tools.adapt import Adaptable
    from servers.blocking import BlockingHome


class OpenAIServer:
    """A whole service of its own: any number of them live in one process, and none touches signals, logging or variables.

    - `team`: who works here; None is the built-in team. An agent called `supervisor` leads it, else ours does.
    - `tools`: functions, tools of LangChain's, or `agents.tools.port.Tool`s. They run in this process, for every run.
    - `agent_models`: models of agents by name, as `LLM_MODEL` is written; `logging`: one line for each request.
    - `settings` is what `options` fall back on; without it, on their defaults. Of the environment, both take only which
      models there are; `servers.settings.load()` gives settings that take everything, as the command does.

    Raises `BadSettings`, and `ValueError` or `TypeError` for a team or tools that can't work.
    """

    def __init__(
        self,
        team: Sequence[Agent] | None = None,
        *,
        tools: Iterable[Adaptable] = (),
        agent_models: Mapping[str, str] | None = None,
        logging: bool = False,
        settings: Settings | None = None,
        **options: Unpack[Options],
    ) -> None:
        self.settings = embedded(settings, **options)
        come_along = tool_names(tool_settings(self.settings))
        self._team = team_of(team, tools, agent_models, come_along=come_along)
        self._access = request_log(wanted=logging)
        self._protocol = Router(lifespan=self.lifespan)
        self._app: App | None = None
        self._port: int | None = None
        self._running: tuple[EmbeddedServer, AsyncExitStack] | None = None
        self._changing = asyncio.Lock()

    async def start(self) -> None:
        """Listen, and return when requests are answered.

        Raises `OSError` where the port is taken; `BadSettings`, `StartFailed` or `NamesTaken` where the service can't work;
        and `RuntimeError` where it is open already.
        """
        async with self._changing, AsyncExitStack() as stack:
            listener = await asyncio.to_thread(listen, self.settings.host, self.settings.port)
            stack.enter_context(listener)
            app = await stack.enter_async_context(self._opened())
            server = EmbeddedServer(app, self.settings.drain_seconds)
            stack.push_async_callback(server.end)
            await server.begin(listener)
            self._port = listener.getsockname()[1]
            self._running = server, stack.pop_all()

    async def stop(self, seconds: float | None = None) -> None:
        """Take no more requests, give runs at work so many seconds to end (`drain_seconds`), and close everything. Nothing happens where it
        is not running. It can be started again."""
        async with self._changing:
            running, self._running, self._port = self._running, None, None
            if running is not None and self._app is not None:
                server, open_things = running
                seconds = self.settings.drain_seconds if seconds is None else seconds
                server.wait_for_runs(seconds)
                await asyncio.gather(self._app.drain(seconds), open_things.aclose())

    def is_running(self) -> bool:
        """Whether it listens."""
        return self._running is not None

    def get_url(self) -> str:
        """Where clients on this machine reach it, without `/v1`. Raises `RuntimeError` for a port that is not chosen yet."""
        port = self._port or self.settings.port
        if not port:
            raise RuntimeError("The system chooses the port when the server starts.")
        return address(self.settings.host, port)

    def get_base_url(self) -> str:
        """The `base_url` of clients."""
        return f"{self.get_url()}/v1"

    def get_adapter(self, tenant: str = DEFAULT_TENANT) -> OpenAIAdapter:
        """The API without a network, for use while the server runs or its `lifespan` does. It needs no key."""
        return OpenAIAdapter(lambda: self._open_app().inside(tenant))

    @property
    def app(self) -> ASGIApp:
        """The ASGI application, to be mounted or to be served by any ASGI server. It answers while the server runs or its
        `lifespan` does, with 503 before and after. Served by itself, it opens and closes itself."""
        return self._answer

    @asynccontextmanager
    async def lifespan(self, app: object = None) -> AsyncIterator[None]:
        """Open the service without listening; it is closed behind it. To be entered by the lifespan of an application that
        `app` is mounted into. Raises what `start` raises."""
        async with self._opened():
            yield

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.stop()

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[App]:
        if self._app is not None:
            raise RuntimeError("The server is open already.")
        app = self._app = App(self.settings, Backend(self.settings, team=self._team), self._access)
        try:
            async with app.lifespan():
                await _opening(app)
                yield app
        finally:
            self._app = None

    def _open_app(self) -> App:
        if self._app is None:
            raise RuntimeError("The server is not open: start it, or enter its lifespan.")
        return self._app

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._protocol(scope, receive, send)
        elif self._app is not None:
            await self._app(scope, receive, send)
        else:
            message = "The service is closed. An application that it is mounted into has to enter its lifespan."
            await respond(ApiError(503, message, type=SERVER, code="not_ready"))(scope, receive, send)


async def _opening(app: App) -> None:
    """Wait for the service. What is wrong with a setting is said in terms of options."""
    try:
        await app.opened()
    except (BadSettings, StartFailed) as error:
        raise type(error)(in_code(str(error))) from error


def create_openai_server(
    team: Sequence[Agent] | None = None,
    *,
    tools: Iterable[Adaptable] = (),
    agent_models: Mapping[str, str] | None = None,
    logging: bool = False,
    settings: Settings | None = None,
    **options: Unpack[Options],
) -> OpenAIServer:
    """A server, to be started. What it takes and raises is what `OpenAIServer` does."""
    return OpenAIServer(team, tools=tools, agent_models=agent_models, logging=logging, settings=settings, **options)


class OwnAdapter(OpenAIAdapter):
    """An adapter with a service of its own, open inside `async with`."""

    def __init__(self, server: OpenAIServer, tenant: str) -> None:
        super().__init__(lambda: server._open_app().inside(tenant))
        self._server = server
        self._open = AsyncExitStack()

    @property
    def sync(self) -> BlockingHome:
        """The same methods for code that does not await: `with create_openai_adapter().sync as adapter`. It is opened on an
        event loop of its own, and so not beside the adapter itself."""
        from servers.blocking import BlockingHome

        return BlockingHome(self)

    async def __aenter__(self) -> Self:
        await self._open.enter_async_context(self._server.lifespan())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._open.aclose()


def create_openai_adapter(
    team: Sequence[Agent] | None = None,
    *,
    tools: Iterable[Adaptable] = (),
    agent_models: Mapping[str, str] | None = None,
    tenant: str = DEFAULT_TENANT,
    settings: Settings | None = None,
    **options: Unpack[Options],
) -> OwnAdapter:
    """The API without a server: `async with create_openai_adapter() as adapter`. The rest of what it takes and raises is
    what `OpenAIServer` does."""
    server = OpenAIServer(team, tools=tools, agent_models=agent_models, settings=settings, **options)
    return OwnAdapter(server, tenant)
