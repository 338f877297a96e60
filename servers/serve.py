"""The server process: a socket, uvicorn around the application, an orderly end."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from uvicorn.config import Config
from uvicorn.server import Server

from servers import logs
from servers.app import GRACE, App, create_app
from servers.backend import StartFailed
from servers.imports import NamesTaken
from servers.settings import BadSettings, Settings, without_password
from servers.version import version

BACKLOG: Final = 4096
KEEP_ALIVE: Final = 75  # seconds; longer than clients keep idle connections
OPEN_FILES: Final = 65536
WILDCARDS: Final = ("0.0.0.0", "::")  # noqa: S104 - not to listen there, but to name what can be dialled

logger = logging.getLogger(__name__)


def serve(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT, then let runs at work end; returns the exit code. Where the server can't start,
    one line in the log says why."""
    logs.configure(settings.log_format, settings.log_level)
    _raise_file_limit()
    try:
        listener = _listen(settings.host, settings.port)
    except OSError as error:
        logger.error("can't listen on %s:%d: %s", settings.host, settings.port, error.strerror or error)
        return 1
    with listener:
        process = Process(settings, create_app(settings))
        process.run(sockets=[listener])
    return process.code


class Process(Server):
    """uvicorn, ending as we want it: with 0 after a signal, and with the runs drained beside the connections."""

    def __init__(self, settings: Settings, app: App) -> None:
        super().__init__(_config(app))
        self._settings, self._app = settings, app
        self._watching: asyncio.Task[None] | None = None
        self.code = 0

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        port = sockets[0].getsockname()[1] if sockets else self._settings.port
        logger.info(_announcement(self._settings, port))
        for hint in self._settings.hints:
            logger.warning(hint)
        self._watching = asyncio.create_task(self._watch())

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        draining = asyncio.create_task(self._app.drain())
        await super().shutdown(sockets)
        if not self.force_exit:
            await draining

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        before = {number: signal.signal(number, self._stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.force_exit = self.should_exit and number == signal.SIGINT
        self.should_exit = True

    async def _watch(self) -> None:
        try:
            await self._app.opened()
        except (BadSettings, NamesTaken, StartFailed) as error:
            logger.error("%s", error)
            self.code = 2 if isinstance(error, BadSettings) else 1
            self.should_exit = True
        except Exception:
            logger.exception("the server could not start")
            self.code, self.should_exit = 1, True
        else:
            gc.freeze()  # what was loaded stays: no need to look through it again and again


def _config(app: App) -> Config:
    return Config(
        app,
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=int(GRACE) + 5,
    )


def _listen(host: str, port: int) -> socket.socket:
    family, *_ = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    dual = family == socket.AF_INET6 and host == "::" and socket.has_dualstack_ipv6()
    return socket.create_server((host, port), family=family, backlog=BACKLOG, dualstack_ipv6=dual)


def _announcement(settings: Settings, port: int) -> str:
    host = "localhost" if settings.host in WILDCARDS else settings.host
    address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    if not settings.enabled:
        return f"Cortex Flow {version()} at {address}: switched off by OPENAI_COMPAT_ENABLE, /health alone answers"
    model = (
        "offline (built in, extractive: set LLM_MODEL for a real one)"
        if settings.llm_model == "offline"
        else settings.llm_model
    )
    return f"Cortex Flow {version()} at {address}/v1, model {model}, storage {without_password(settings.storage_url)}"


def _raise_file_limit() -> None:
    """Each open stream is a socket; the usual soft limit of 1024 would be the end of many of them."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
