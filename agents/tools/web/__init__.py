"""The door of the web. To add a search provider, write one file with a function `provider` and name it here.

`tavily`, `brave` and `exa` are services that want a key, `searxng` is the operator's own, `wikipedia` is one edition of
it, `ddgs` a package that asks several engines.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from agents.tools.port import Tool
from agents.tools.settings import ToolNotConfigured, ToolSettings
from agents.tools.web.fetch import Fetcher
from agents.tools.web.guard import Guard
from agents.tools.web.port import Provider
from agents.tools.web.read_page import PageReader
from agents.tools.web.search import web_search

PROVIDERS: tuple[str, ...] = ("tavily", "brave", "exa", "searxng", "wikipedia", "ddgs")


class Web:
    """The tools of the web, and what they hold open: `search`, which asks the library too, and `read_page`."""

    def __init__(self, provider: Provider, guard: Guard | None = None) -> None:
        self._provider = provider
        self._reader = PageReader(Fetcher(guard or Guard()))
        self.tools: tuple[Tool, ...] = (web_search(provider), self._reader.tool)

    async def close(self) -> None:
        await self._reader.close()
        await self._provider.close()


def open_web(settings: ToolSettings) -> Web:
    """The web by the provider that is set. Raises `ToolNotConfigured`."""
    name = settings.search_provider
    if name not in PROVIDERS:
        known = ", ".join(("library", *PROVIDERS))
        raise ToolNotConfigured(f"SEARCH_PROVIDER: there is no {name!r:.60}; it can be {known}.")
    find: Callable[[ToolSettings], Provider] = import_module(f"agents.tools.web.{name}").provider
    return Web(find(settings))


__all__ = ["PROVIDERS", "Web", "open_web"]
