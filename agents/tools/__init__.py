"""The tools that run inside, by name. To add one, write one file and name it here.

`TOOLS` need no settings; `open_tools` gives all that a process has by its settings.

- What a tool is, and what it is given: `port`; the operator's functions as tools: `adapt`; what operators choose: `settings`.
- Searching: `search` (everywhere at once), by way of `fusion` (of what was found) and `pages` (which addresses are one page);
  `file_search` in vector stores; `web/` has the providers and `read_page`.
- Programs: `python`, in a `sandbox/`. Tools of other servers: `mcp/`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from agents.tools.mcp import connect, is_installed
from agents.tools.port import Offers, Tool
from agents.tools.python import PYTHON, python_tool
from agents.tools.sandbox import open_sandbox
from agents.tools.sandbox.monty import MONTY
from agents.tools.search import SEARCH
from agents.tools.settings import ToolNotConfigured, ToolSettings

if TYPE_CHECKING:
    from agents.tools.mcp.connections import Connections
    from agents.tools.sandbox.port import Sandbox
    from agents.tools.web import Web

TOOLS: dict[str, Tool] = {tool.spec.name: tool for tool in (SEARCH, PYTHON)}
READ_PAGE: Final = "read_page"
_NO_TOOLS: Final[Mapping[str, Tool]] = MappingProxyType({})


class Nothing:
    """The offers of a process that has no MCP servers."""

    def to(self, agent: str, *, first: bool) -> Mapping[str, Tool]:
        return _NO_TOOLS


class Toolbox:
    """The tools of a process by name, those that come and go, and what they hold open. `sandbox` is where programs are run."""

    def __init__(self, web: Web | None = None, mcp: Connections | None = None, sandbox: Sandbox | None = None) -> None:
        self._web, self._mcp = web, mcp
        self.sandbox: Sandbox = sandbox or MONTY
        ours = [*(web.tools if web else ()), *([] if self.sandbox is MONTY else [python_tool(self.sandbox)])]
        self.tools: Mapping[str, Tool] = TOOLS | {tool.spec.name: tool for tool in ours}
        self.offers: Offers = mcp or NOTHING

    def start(self) -> None:
        """Begin to connect with the servers of tools, and to have the sandbox ready. Returns at once."""
        self.sandbox.start()
        if self._mcp is not None:
            self._mcp.start()

    async def settled(self, seconds: float) -> None:
        """Wait until these servers are there or have failed to be, so many seconds at most."""
        if self._mcp is not None:
            await self._mcp.tried(seconds)

    async def close(self) -> None:
        if self._mcp is not None:
            await self._mcp.close()
        if self._web is not None:
            await self._web.close()
        await self.sandbox.close()


NOTHING: Final = Nothing()


def open_tools(settings: ToolSettings) -> Toolbox:
    """The tools as they are set. The packages of the web and of MCP are imported now, where they are needed. Raises
    `ToolNotConfigured`."""
    if settings.mcp and not is_installed():
        raise ToolNotConfigured("MCP_CONFIG: the package of MCP is missing: pip install 'cortex-flow[mcp]'.")
    sandbox = open_sandbox(settings)
    return Toolbox(_web(settings), connect(settings.mcp) if settings.mcp else None, sandbox)


def _web(settings: ToolSettings) -> Web | None:
    if not settings.searches_web:
        return None
    from agents.tools.web import open_web

    return open_web(settings)


def tool_names(settings: ToolSettings) -> tuple[str, ...]:
    """What the tools will be called once they are open."""
    return (*TOOLS, READ_PAGE) if settings.searches_web else tuple(TOOLS)


__all__ = ["NOTHING", "READ_PAGE", "TOOLS", "ToolNotConfigured", "ToolSettings", "Toolbox", "open_tools", "tool_names"]
