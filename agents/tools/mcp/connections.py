"""The servers of a process, all at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from agents.tools.mcp.connection import Connection, Pace
from agents.tools.mcp.settings import McpServer
from agents.tools.port import Tool


class Connections:
    """Servers that are kept connected from `start` until `close`; what they have is there by the names of agents."""

    def __init__(self, servers: Sequence[McpServer], pace: Pace | None = None) -> None:
        self._servers, self._pace = servers, pace
        self._connections: list[Connection] = []
        self._keeping: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to connect, on the running loop. Returns at once."""
        self._connections = [Connection(server, self._pace) for server in self._servers]
        self._keeping = [asyncio.create_task(connection.keep()) for connection in self._connections]

    async def tried(self, seconds: float) -> None:
        """Wait until each server is there or has failed to be, so many seconds at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                for connection in self._connections:
                    await connection.tried.wait()

    async def close(self) -> None:
        """Let go of all servers, and return when their programs have ended."""
        for connection in self._connections:
            connection.stop()
        if self._keeping:
            await asyncio.wait(self._keeping)

    def to(self, agent: str, *, first: bool) -> dict[str, Tool]:
        """What an agent is offered at this moment."""
        meant = (each for each in self._connections if each.server.is_for(agent, first=first))
        return {name: tool for connection in meant for name, tool in connection.tools.items()}
