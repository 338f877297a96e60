"""One server, kept connected: its tools are there while it is."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from math import inf
from typing import Any, Final

import anyio
from mcp.client import Client, IncomingMessage
from mcp.client.subscriptions import ListenNotSupportedError, SubscriptionLost
from mcp.shared.exceptions import MCPError
from mcp_types import REQUEST_TIMEOUT, Implementation, ToolListChangedNotification
from mcp_types import Tool as Described

from agents.models.port import ToolSpec
from agents.tools.mcp.names import named
from agents.tools.mcp.results import output
from agents.tools.mcp.settings import McpServer
from agents.tools.mcp.transports import transport
from agents.tools.port import Tool, ToolContext, ToolOutput

_PAGES: Final = 100  # of a list of tools; one that has more never ends
_COMPLAINT: Final = 1000  # characters

logger = logging.getLogger("agents.tools.mcp")


class Gone(Exception):
    """The server has ended the connection."""


@dataclass(frozen=True, slots=True)
class Pace:
    """In seconds: how long a connection may take to be there, and a list of tools; the pauses between two tries; and how
    often a server is asked for its tools that tells nothing by itself."""

    connect: float = 60
    answer: float = 15
    first: float = 1
    longest: float = 60
    look: float = 60


class Connection:
    """Keeps a server connected from `keep` until `stop`. `tools`, by the names that models use, are those it has at this
    moment: none while it is away. `tried` is set when it has been there, or has failed to be, for the first time."""

    def __init__(self, server: McpServer, pace: Pace | None = None) -> None:
        self.server = server
        self.tools: Mapping[str, Tool] = {}
        self.tried = asyncio.Event()
        self._pace = pace or Pace()
        self._client: Client | None = None
        self._look = asyncio.Event()
        self._ended = False
        self._pause, self._since = self._pace.first, 0.0
        self._told: str | None = None
        self._scope = anyio.CancelScope()

    async def keep(self) -> None:
        """Connect, and again whenever the connection is lost, with pauses that grow. Returns after `stop`."""
        with self._scope:
            while True:
                try:
                    await self._hold()
                except Exception as error:  # whatever a server or its package does, the next try may be better
                    self._report(error)
                self.tried.set()
                await anyio.sleep(self._pause * random.uniform(0.5, 1))  # noqa: S311 - so that not all come at once
                self._pause = min(2 * self._pause, self._pace.longest)

    def stop(self) -> None:
        """Let go of the server. A program is ended."""
        self._scope.cancel()

    async def _hold(self) -> None:
        """Be connected, until the server is gone. Raises whatever says so."""
        self._ended = False
        self._look.clear()
        patience = anyio.CancelScope(deadline=anyio.current_time() + self._pace.connect)
        try:
            with patience:
                async with self._opened() as client, anyio.create_task_group() as beside:
                    await self._list(client)
                    patience.deadline = inf
                    self._arrived(client)
                    beside.start_soon(self._listen, client)
                    await self._watch(client)
        finally:
            if self._client is not None and anyio.current_time() - self._since > self._pace.longest:
                self._pause = self._pace.first  # one that dies as soon as it is there is no better than one that is not
            self._client, self.tools = None, {}
        if patience.cancelled_caught:
            raise TimeoutError(f"it took more than {self._pace.connect:g} seconds to connect")

    def _opened(self) -> Client:
        me = Implementation(name="cortex-flow", version=version("cortex-flow"))
        way = transport(self.server, self._end)
        return Client(way, client_info=me, message_handler=self._hear, cache=None)

    async def _watch(self, client: Client) -> None:
        """Ask for the tools anew when something has happened, and from time to time."""
        while not self._ended:
            with anyio.move_on_after(self._pace.look):
                await self._look.wait()
            self._look.clear()
            if not self._ended:
                await self._list(client)
        raise Gone("it has ended the connection")

    async def _list(self, client: Client) -> None:
        with anyio.fail_after(self._pace.answer):
            described = [tool async for tool in _described(client)]
        wanted = self.server.tools
        tools = {tool.name: tool for tool in described if wanted is None or tool.name in wanted}
        if self._client is None:
            self._report_missing({tool.name for tool in described})
        names = named(self.server.name, tools)
        if names.keys() != self.tools.keys():
            logger.info("MCP server %s offers: %s", self.server.name, ", ".join(names) or "nothing")
        self.tools = {name: self._tool(name, tools[own]) for name, own in names.items()}

    def _tool(self, name: str, tool: Described) -> Tool:
        parameters = {key: value for key, value in tool.input_schema.items() if key != "$schema"}
        spec = ToolSpec(name, tool.description or tool.title, {"type": "object", "properties": {}, **parameters})
        return Tool(spec, partial(self._call, tool.name))

    async def _call(self, name: str, arguments: Mapping[str, Any], context: ToolContext) -> ToolOutput:
        """Call a tool by its own name. A cancelled call is cancelled at the server."""
        client, limit = self._client, self.server.timeout
        if client is None:
            return self._failed("is not connected at the moment")
        try:
            return output(await client.call_tool(name, dict(arguments), read_timeout_seconds=limit))
        except MCPError as error:
            self._look.set()
            late = error.error.code == REQUEST_TIMEOUT
            return self._failed(
                f"took more than {limit:g} seconds" if late else f"failed: {error.error.message[:_COMPLAINT]}"
            )

    def _failed(self, what: str) -> ToolOutput:
        return ToolOutput(f"The MCP server {self.server.name} {what}.", "error")

    async def _listen(self, client: Client) -> None:
        """Hear of changes, where the server tells them to who subscribes. The end of a subscription may be the server's."""
        tools = client.server_capabilities.tools
        while tools is not None and tools.list_changed:
            try:
                async with client.listen(tools_list_changed=True) as changes:
                    self._look.set()  # for what has changed since they were listed
                    async for _ in changes:
                        self._look.set()
            except ListenNotSupportedError:
                return
            except (MCPError, SubscriptionLost, TimeoutError):
                pass
            self._look.set()
            await anyio.sleep(self._pace.longest)

    async def _hear(self, message: IncomingMessage) -> None:
        if isinstance(message, ToolListChangedNotification):
            self._look.set()

    def _arrived(self, client: Client) -> None:
        self._client, self._since, self._told = client, anyio.current_time(), None
        self.tried.set()

    def _end(self) -> None:
        self._ended = True
        self._look.set()

    def _report_missing(self, there: Collection[str]) -> None:
        for name in self.server.tools or ():
            if name not in there:
                logger.warning("MCP server %s has no tool %r", self.server.name, name)

    def _report(self, error: Exception) -> None:
        """Say why the server is away: once, as long as it stays the same."""
        why = "; ".join(dict.fromkeys(_reasons(error)))
        tell = logger.debug if why == self._told else logger.warning
        tell("MCP server %s is away: %s. It is tried again until it is there", self.server.name, why)
        self._told = why


async def _described(client: Client) -> AsyncIterator[Described]:
    cursor: str | None = None
    for _ in range(_PAGES):
        page = await client.list_tools(cursor=cursor)
        for tool in page.tools:
            yield tool
        cursor = page.next_cursor
        if cursor is None:
            return


def _reasons(error: BaseException) -> Iterator[str]:
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _reasons(each)
    else:
        yield str(error).strip() or type(error).__name__
