"""How a web page becomes a source, and what of its text may be shown to a model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from yarl import URL

from agents.tools.pages import identity
from agents.tools.port import Source
from agents.tools.web.port import Result

NAME_CHARACTERS = 80

# Only our own marks may look like marks: a page could quote others as its sources.
_MARKS = str.maketrans({"【": "[", "】": "]", "†": "+"})


def web_source(title: str, url: str) -> Source:
    """A page as a source. The same page under the same title is the same source, so that it keeps its number."""
    name = " ".join(harmless(title).split())
    if len(name) > NAME_CHARACTERS:
        name = f"{name[: NAME_CHARACTERS - 1].rstrip()}…"
    return Source(name or _place(url), url=url)


def harmless(text: str) -> str:
    """A text from outside, without anything that looks like the mark of a source."""
    return text.translate(_MARKS)


def distinct(results: Iterable[Result]) -> Iterator[Result]:
    """The results that have an address of the web, each page once."""
    seen = set[str]()
    for result in results:
        key = identity(result.url)
        if key and key not in seen:
            seen.add(key)
            yield result


def _place(address: str) -> str:
    return harmless(URL(address).host or address)
