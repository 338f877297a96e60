"""uvicorn as we run it: its socket, its options, an end at which the runs are drained."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Literal

from uvicorn.config import Config
from uvicorn.server import Server

from servers.app import App
from servers.protocol import Protocol

BACKLOG: Final = 4096
KEEP_ALIVE: Final = 75  # seconds; longer than clients keep idle connections
WILDCARDS: Final = ("0.0.0.0", "::")  # noqa: S104 - not to listen there, but to name what can be dialled


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 is one of the system's choice. Raises `OSError`. May wait for a name to be resolved."""
    family, *_ = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    dual = family == socket.AF_INET6 and host == "::" and socket.has_dualstack_ipv6()
    return socket.create_server((host, port), family=family, backlog=BACKLOG, dualstack_ipv6=dual)


def address(host: str, port: int) -> str:
    """Where clients on this machine find what listens there: `http://host:port`."""
    host = "localhost" if host in WILDCARDS else host
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class HttpServer(Server):
    """uvicorn around the application. When it shuts down, runs are drained beside the connections: they have `grace`
    seconds."""

    def __init__(self, app: App, grace: float, *, lifespan: Literal["on", "off"] = "on") -> None:
        super().__init__(_config(app, grace, lifespan))
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        draining = asyncio.create_task(self._app.drain())
        await super().shutdown(sockets)
        if not self.force_exit:
            await draining


class EmbeddedServer(HttpServer):
    """For an application that is open already, on a loop that has other work too. Signals are not its business."""

    def __init__(self, app: App, grace: float) -> None:
        super().__init__(app, grace, lifespan="off")
        self._ready = asyncio.Event()
        self._serving: asyncio.Task[None] | None = None

    async def begin(self, listener: socket.socket) -> None:
        """Returns when requests are taken."""
        self._serving = asyncio.create_task(self.serve(sockets=[listener]))
        ready = asyncio.create_task(self._ready.wait())
        await asyncio.wait([self._serving, ready], return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            ready.cancel()
            await self._serving  # which says why

    def wait_for_runs(self, seconds: float) -> None:
        """How many seconds runs will have at the end."""
        self.config.timeout_graceful_shutdown = _graceful(seconds)

    async def end(self) -> None:
        """Take no more connections, let those that are open end, and return when they have."""
        self.should_exit = True
        if self._serving is not None:
            await self._serving

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _config(app: App, grace: float, lifespan: Literal["on", "off"]) -> Config:
    return Config(
        app,
        http=Protocol,
        ws="none",
        lifespan=lifespan,
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=_graceful(grace),
    )


def _graceful(seconds: float) -> int:
    """How long uvicorn waits for connections whose runs have so many seconds to end."""
    return int(seconds) + 5
