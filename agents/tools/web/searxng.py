"""SearXNG, the operator's own: https://docs.searxng.org/dev/search_api.html."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from yarl import URL

from agents.tools.settings import ToolNotConfigured, ToolSettings
from agents.tools.web.http import Ask, HttpProvider, rows, snippet, text
from agents.tools.web.port import Provider, Query, Result


@dataclass(frozen=True, slots=True)
class SearXNG:
    """It knows languages and no countries, so that a place is left."""

    url: str = field(repr=False)
    name: str = "SearXNG"

    def ask(self, query: Query) -> Ask:
        return Ask(self.url, params={"q": query.words, "format": "json"}, headers={"Accept": "application/json"})

    def results(self, body: Any) -> Iterable[Result]:
        for row in rows(body, "results"):
            yield Result(text(row, "title"), text(row, "url"), snippet(text(row, "content")))

    def advice(self, status: int) -> str | None:
        """It answers 403 where its settings do not list the format `json`."""
        if status == 403:
            return "SearXNG gives no JSON (403): its operator has to list `json` in `search.formats` of its settings."
        if 300 <= status < 400:
            return f"SearXNG is somewhere else ({status}): the operator has to set SEARXNG_URL to its new place."
        return None


def provider(settings: ToolSettings) -> Provider:
    """Raises `ToolNotConfigured`."""
    if not settings.searxng_url:
        raise ToolNotConfigured("SEARCH_PROVIDER=searxng needs its address: set SEARXNG_URL.")
    return HttpProvider(SearXNG(_endpoint(settings.searxng_url)))


def _endpoint(written: str) -> str:
    """Where it searches: its address may be written with `/search` or without."""
    try:
        url = URL(written.strip().rstrip("/"))
    except ValueError:
        url = URL()
    if url.scheme not in ("http", "https") or not url.host:
        raise ToolNotConfigured("SEARXNG_URL is no address: it should look like http://localhost:8888.")
    return str(url if url.path.endswith("/search") else url / "search")
