"""The port of a web search: words go in, results come out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from agents.tools.port import NotSearched, Place


@dataclass(frozen=True, slots=True)
class Query:
    """What to look for, how many results are wanted, and where the user is."""

    words: str
    limit: int
    place: Place = field(default_factory=Place)


@dataclass(frozen=True, slots=True)
class Result:
    """A page that was found. `snippet` is what the provider quotes of it, as plain text."""

    title: str
    url: str
    snippet: str = ""


class Provider(Protocol):
    """A way to search the web. Safe to use from many tasks of one event loop.

    `search` gives the best results first, at most `query.limit`; what a provider can't do with a place it leaves. It
    raises `SearchFailed` and nothing else.
    """

    async def search(self, query: Query) -> Sequence[Result]: ...

    async def close(self) -> None: ...


class SearchFailed(NotSearched):
    """The provider gave no results."""
