"""Tavily, https://docs.tavily.com/documentation/api-reference/endpoint/search."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from agents.tools.settings import ToolNotConfigured, ToolSettings
from agents.tools.web.http import Ask, HttpProvider, rows, snippet, text
from agents.tools.web.port import Provider, Query, Result

URL = "https://api.tavily.com/search"
MOST = 20


@dataclass(frozen=True, slots=True)
class Tavily:
    """It takes no place of the user: its `country` is an English name out of a list of its own."""

    key: str = field(repr=False)
    url: str = URL
    name: str = "Tavily"

    def ask(self, query: Query) -> Ask:
        body = {"query": query.words, "max_results": min(query.limit, MOST), "search_depth": "basic"}
        return Ask(self.url, "POST", headers={"Authorization": f"Bearer {self.key}"}, json=body)

    def results(self, body: Any) -> Iterable[Result]:
        for row in rows(body, "results"):
            yield Result(text(row, "title"), text(row, "url"), snippet(text(row, "content")))

    def advice(self, status: int) -> str | None:
        """432 and 433 are Tavily's own: the plan's limit, and the limit of pay-as-you-go."""
        if status in (432, 433):
            return f"Tavily's plan is used up ({status}); only the operator of this service can change that."
        return None


def provider(settings: ToolSettings) -> Provider:
    """Raises `ToolNotConfigured`."""
    if not settings.tavily_api_key:
        raise ToolNotConfigured("SEARCH_PROVIDER=tavily needs a key: set TAVILY_API_KEY.")
    return HttpProvider(Tavily(settings.tavily_api_key))
