"""The server process: a socket, uvicorn around the application, an orderly end."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Final

from servers import logs
from servers.app import App, create_app
from servers.backend import StartFailed, refuse_alone
from servers.fleet import Fleet, Member
from servers.http_server import HttpServer, address, listen
from servers.imports import NamesTaken
from servers.settings import BadSettings, Settings, without_password
from servers.version import version

OPEN_FILES: Final = 65536

logger = logging.getLogger(__name__)


def serve(settings: Settings, workers: int = 1) -> int:
    """Serve until SIGTERM or SIGINT, then let runs at work end; returns the exit code. Where the server can't start,
    one line in the log says why. `workers`: so many processes on the same port."""
    logs.configure(settings.log_format, settings.log_level)
    raise_file_limit()
    if workers > 1:
        refuse_alone(settings, f"--workers {workers}")
    try:
        listener = listen(settings.host, settings.port)
    except OSError as error:
        logger.error("can't listen on %s:%d: %s", settings.host, settings.port, error.strerror or error)
        return 1
    with listener:
        if workers == 1:
            return _serve_on(listener, settings)
        return Fleet(workers, partial(_serve_on, listener, settings)).run()


def _serve_on(listener: socket.socket, settings: Settings, member: Member | None = None) -> int:
    process = Process(settings, create_app(settings), member)
    process.run(sockets=[listener])
    return process.code


class Process(HttpServer):
    """A server that has the process to itself: it ends with 0 after a signal, with its own code where it can't start.
    `member`: it is one of several, and ends with their parent."""

    def __init__(self, settings: Settings, app: App, member: Member | None = None) -> None:
        super().__init__(app, settings.drain_seconds)
        self._settings = settings
        self._member = member
        self._watching: asyncio.Task[None] | None = None
        self.code = 0

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        port = sockets[0].getsockname()[1] if sockets else self._settings.port
        logger.info(_announcement(self._settings, port))
        if self._member is not None:
            logger.info("server process %d listens", os.getpid())
            self._member.when_orphaned(partial(self._stop, signal.SIGTERM))
        for hint in self._settings.hints:
            logger.warning(hint)
        self._watching = asyncio.create_task(self._watch())

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        def stop(number: int, frame: FrameType | None) -> None:
            """A function, since sse-starlette, which MCP's package brings, cuts streams off where it finds a server behind
            the handler."""
            self._stop(number)

        before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _stop(self, number: int) -> None:
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
            if self._member is not None:
                self._member.opened()
            gc.freeze()  # what was loaded stays: no need to look through it again and again


def _announcement(settings: Settings, port: int) -> str:
    here = address(settings.host, port)
    if not settings.enabled:
        return f"Cortex Flow {version()} at {here}: switched off by OPENAI_COMPAT_ENABLE, /health alone answers"
    model = (
        "offline (built in, extractive: set LLM_MODEL for a real one)"
        if settings.llm_model == "offline"
        else settings.llm_model
    )
    return f"Cortex Flow {version()} at {here}/v1, model {model}, storage {without_password(settings.storage_url)}"


def raise_file_limit() -> None:
    """Each open stream is a socket; the usual soft limit of 1024 would be the end of many of them."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
