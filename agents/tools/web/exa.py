"""Exa, https://exa.ai/docs/reference/search."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from agents.tools.settings import ToolNotConfigured, ToolSettings
from agents.tools.web.http import SNIPPET_CHARACTERS, Ask, HttpProvider, rows, snippet, text
from agents.tools.web.port import Provider, Query, Result

URL = "https://api.exa.ai/search"


@dataclass(frozen=True, slots=True)
class Exa:
    """Its snippets are the passages of a page that fit the query best."""

    key: str = field(repr=False)
    url: str = URL
    name: str = "Exa"

    def ask(self, query: Query) -> Ask:
        body: dict[str, Any] = {
            "query": query.words,
            "type": "auto",
            "numResults": query.limit,
            "contents": {"highlights": {"maxCharacters": SNIPPET_CHARACTERS}},
        }
        if query.place.country:
            body["userLocation"] = query.place.country
        return Ask(self.url, "POST", headers={"x-api-key": self.key}, json=body)

    def results(self, body: Any) -> Iterable[Result]:
        for row in rows(body, "results"):
            quoted = row.get("highlights")
            passages = [each for each in quoted if isinstance(each, str)] if isinstance(quoted, list) else []
            yield Result(text(row, "title"), text(row, "url"), snippet(" … ".join(passages) or text(row, "text")))

    def advice(self, status: int) -> str | None:
        return None


def provider(settings: ToolSettings) -> Provider:
    """Raises `ToolNotConfigured`."""
    if not settings.exa_api_key:
        raise ToolNotConfigured("SEARCH_PROVIDER=exa needs a key: set EXA_API_KEY.")
    return HttpProvider(Exa(settings.exa_api_key))
