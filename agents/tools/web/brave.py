"""Brave Search, https://api-dashboard.search.brave.com/documentation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from agents.tools.port import Place
from agents.tools.settings import ToolNotConfigured, ToolSettings
from agents.tools.web.http import Ask, HttpProvider, plain, rows, snippet, text
from agents.tools.web.port import Provider, Query, Result

URL = "https://api.search.brave.com/res/v1/web/search"
MOST = 20
MAX_CHARACTERS = 400
MAX_WORDS = 50

# The countries whose results it can prefer; any other is an error (422) there.
_LIST = "AR AT AU BE BR CA CH CL CN DE DK ES FI FR GB GR HK ID IN IT JP KR MX MY NL NO NZ PH PL PT RU SA SE TR TW US ZA"
_COUNTRIES = frozenset(_LIST.split())


@dataclass(frozen=True, slots=True)
class Brave:
    """It refuses long queries, so that these are cut."""

    key: str = field(repr=False)
    url: str = URL
    name: str = "Brave Search"

    def ask(self, query: Query) -> Ask:
        params = {"q": _shortened(query.words), "count": str(min(query.limit, MOST)), "text_decorations": "false"}
        params["result_filter"] = "web"
        if query.place.country in _COUNTRIES:
            params["country"] = query.place.country
        headers = {"X-Subscription-Token": self.key, "Accept": "application/json", **_location(query.place)}
        return Ask(self.url, params=params, headers=headers)

    def results(self, body: Any) -> Iterable[Result]:
        for row in rows(body, "web", "results"):
            quoted = snippet(plain(text(row, "description")))
            yield Result(plain(text(row, "title")), text(row, "url"), quoted)

    def advice(self, status: int) -> str | None:
        return None


def provider(settings: ToolSettings) -> Provider:
    """Raises `ToolNotConfigured`."""
    if not settings.brave_api_key:
        raise ToolNotConfigured("SEARCH_PROVIDER=brave needs a key: set BRAVE_API_KEY.")
    return HttpProvider(Brave(settings.brave_api_key))


def _shortened(words: str) -> str:
    return " ".join(words.split()[:MAX_WORDS])[:MAX_CHARACTERS]


def _location(place: Place) -> Mapping[str, str]:
    """The headers by which it learns where the user is. They hold ASCII."""
    known = {
        "X-Loc-Country": place.country,
        "X-Loc-State-Name": place.region,
        "X-Loc-City": place.city,
        "X-Loc-Timezone": place.timezone,
    }
    return {header: value for header, value in known.items() if value and value.isascii() and value.isprintable()}
