"""Wikipedia, by MediaWiki's API: https://www.mediawiki.org/wiki/API:Search. It needs no key."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from agents.tools.settings import ToolNotConfigured, ToolSettings
from agents.tools.web.http import SNIPPET_CHARACTERS, Ask, HttpProvider, rows, snippet, text
from agents.tools.web.port import Provider, Query, Result

MOST = 20  # articles whose beginning it gives at once
MAX_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class Wikipedia:
    """One edition. Its snippets are how the articles begin."""

    url: str
    name: str = "Wikipedia"

    def ask(self, query: Query) -> Ask:
        params = {
            "action": "query",
            "format": "json",
            "formatversion": "2",
            "generator": "search",
            "gsrsearch": query.words[:MAX_CHARACTERS],
            "gsrlimit": str(min(query.limit, MOST)),
            "prop": "extracts|info",
            "inprop": "url",
            "exintro": "1",
            "explaintext": "1",
            "exchars": str(SNIPPET_CHARACTERS),
            "exlimit": "max",
        }
        return Ask(self.url, params=params)

    def results(self, body: Any) -> Iterable[Result]:
        """The pages come in no order but that of their `index`; a search without results has no `query`."""
        if isinstance(body, dict) and "error" in body:
            raise ValueError(text(body["error"], "info") if isinstance(body["error"], dict) else "")
        for row in sorted(rows(body, "query", "pages"), key=_rank):
            yield Result(text(row, "title"), text(row, "fullurl"), snippet(text(row, "extract")))

    def advice(self, status: int) -> str | None:
        return None


def provider(settings: ToolSettings) -> Provider:
    """Raises `ToolNotConfigured`."""
    language = settings.wikipedia_language.lower()
    if not re.fullmatch("[a-z]{2,12}(-[a-z]{2,12}){0,2}", language):
        raise ToolNotConfigured("WIKIPEDIA_LANGUAGE is no edition of Wikipedia: it should look like en or zh-yue.")
    return HttpProvider(Wikipedia(f"https://{language}.wikipedia.org/w/api.php"))


def _rank(row: Any) -> int:
    index = row.get("index")
    return index if isinstance(index, int) else 0
