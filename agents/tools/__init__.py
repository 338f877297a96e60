"""The tools that run inside, by name. To add one, write one file and name it here.

`TOOLS` need no settings; `open_tools` gives all that a process has by its settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from agents.tools.port import Tool
from agents.tools.python import PYTHON
from agents.tools.search import SEARCH
from agents.tools.settings import ToolNotConfigured, ToolSettings

if TYPE_CHECKING:
    from agents.tools.web import Web

TOOLS: dict[str, Tool] = {tool.spec.name: tool for tool in (SEARCH, PYTHON)}
READ_PAGE: Final = "read_page"


class Toolbox:
    """The tools of a process by name, and what they hold open."""

    def __init__(self, web: Web | None = None) -> None:
        self._web = web
        ours = web.tools if web else ()
        self.tools: Mapping[str, Tool] = TOOLS | {tool.spec.name: tool for tool in ours}

    async def close(self) -> None:
        if self._web is not None:
            await self._web.close()


def open_tools(settings: ToolSettings) -> Toolbox:
    """The tools as they are set. Where `search` asks the web, its packages are imported now. Raises `ToolNotConfigured`."""
    if not settings.searches_web:
        return Toolbox()
    from agents.tools.web import open_web

    return Toolbox(open_web(settings))


def tool_names(settings: ToolSettings) -> tuple[str, ...]:
    """What the tools will be called once they are open."""
    return (*TOOLS, READ_PAGE) if settings.searches_web else tuple(TOOLS)


__all__ = ["READ_PAGE", "TOOLS", "ToolNotConfigured", "ToolSettings", "Toolbox", "open_tools", "tool_names"]
