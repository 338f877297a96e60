"""A real MCP server, made with the official package: over stdio (`python -m tests.toolshop NAME`) or HTTP on loopback.

`ancient.py` beside the tests of `agents/tools/mcp` speaks the protocol as servers did before they were asked what they are.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from mcp.server import MCPServer
from mcp.server.mcpserver import Context, Image
from mcp.server.mcpserver.exceptions import ToolError
from uvicorn import Config, Server

PIXEL = b"\x89PNG\r\n\x1a\n"


class Shop:
    """A server called `name`, and what happens in it: `held` while the tool `hold` is at work, `let_go` when that was
    cancelled."""

    def __init__(self, name: str = "shop") -> None:
        self.held, self.let_go = asyncio.Event(), asyncio.Event()
        self.server = MCPServer(name, log_level="ERROR")
        for tool in (self.add, self.weigh, self.draw, self.fail, self.hold, self.learn):
            self.server.add_tool(tool)
        self.server.add_tool(name_of, "variable")
        self.server.add_tool(die, "die")

    async def add(self, a: int, b: int) -> str:
        """Adds two numbers."""
        return f"{a} + {b} = {a + b}"

    async def weigh(self) -> dict[str, Any]:
        """Weighs something."""
        return {"kilograms": 3}

    async def draw(self) -> Image:
        """Draws a picture."""
        return Image(data=PIXEL, format="png")

    async def fail(self) -> str:
        """Fails."""
        raise ToolError("there is no more tea")

    async def hold(self) -> str:
        """Never ends by itself."""
        self.held.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.let_go.set()
        return "never"

    async def learn(self, context: Context) -> str:
        """Learns to sing."""
        self.server.add_tool(sing, "sing")
        await context.notify_tools_changed()
        return "La."


class Log(logging.Handler):
    """What is said of MCP servers in the log, to be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: asyncio.Queue[str] = asyncio.Queue()

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.put_nowait(record.getMessage())

    async def line(self, part: str) -> str:
        """The next line with this in it."""
        async with asyncio.timeout(60):
            while part not in (line := await self.lines.get()):
                pass
            return line


@contextmanager
def heard() -> Iterator[Log]:
    """The log, from now on."""
    logger, handler = logging.getLogger("agents.tools.mcp"), Log()
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield handler
    finally:
        logger.setLevel(before)
        logger.removeHandler(handler)


def name_of(variable: str) -> str:
    """Tells an environment variable."""
    return os.environ.get(variable, "not there")


def die() -> str:
    """Ends the process."""
    sys.stderr.write("I have had enough\n")
    sys.stderr.flush()
    os._exit(3)


def sing() -> str:
    """Sings."""
    return "La la la."


@asynccontextmanager
async def serving(shop: Shop, port: int = 0) -> AsyncIterator[int]:
    """The shop over HTTP, at `/mcp` of a port of loopback."""
    listener = socket.create_server(("127.0.0.1", port))
    app = shop.server.streamable_http_app()
    server = _Quiet(Config(app, log_config=None, ws="none", timeout_graceful_shutdown=0))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    await server.ready.wait()
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await task


class _Quiet(Server):
    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    def install_signal_handlers(self) -> None:
        """Signals are the tests' business."""


if __name__ == "__main__":
    Shop(sys.argv[1]).server.run("stdio")
