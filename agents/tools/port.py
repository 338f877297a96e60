"""What a tool is: a spec to offer, a coroutine to run, and what it may know of the run it works for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from agents.models.port import ToolSpec


@dataclass(frozen=True, slots=True)
class Source:
    """Something a finding can be traced back to: a document of the library, an uploaded file, or a web page.

    `name` is what a reader sees (a file name or a title), `quote` the passage, `url` and `file_id` where there is one.
    """

    name: str
    quote: str = ""
    url: str | None = None
    file_id: str | None = None


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document found by `Library.search`; a higher `score` is a better match."""

    source: Source
    text: str
    score: float


class NotSearched(Exception):
    """Something could not be searched. The message is a sentence for the model, which may act on it; it holds no secret."""


class Library(Protocol):
    """Where the researcher looks things up. Never blocks the event loop; an unanswerable query finds nothing."""

    async def search(self, tenant: str, query: str, limit: int) -> Sequence[Passage]: ...


class RunFiles(Protocol):
    """The files that a run was given to search. Raises `LookupError` where they are gone."""

    async def search(self, query: str) -> Sequence[Passage]: ...


@dataclass(frozen=True, slots=True)
class Found:
    """A passage of a file that a search has brought, from `start` to `end` of the tool's output. Scores are from 0 to 1."""

    file_id: str
    name: str
    score: float
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where the user is, as far as the client tells. `country` is an ISO code of two letters, `timezone` an IANA name."""

    country: str | None = None
    region: str | None = None
    city: str | None = None
    timezone: str | None = None


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """What a request wants of its web searches: how much they bring, and for whom."""

    size: Literal["low", "medium", "high"] = "medium"
    place: Place = field(default_factory=Place)


class Cite(Protocol):
    """Gives a source its number in a run: the same source, the same one. `shown` is the text of it that the model gets to
    read: quotations are held against all that was shown of their source."""

    def __call__(self, source: Source, shown: str = "") -> int: ...


@dataclass(frozen=True, slots=True)
class Made:
    """A file that a program has made: its id as clients write it, its name, and whether it is an image to be shown."""

    file_id: str
    name: str
    image: bool = False


class Interpreter(Protocol):
    """Where the programs of one run are run, one after the other, each with what those before it have left."""

    async def run(self, code: str) -> ToolOutput: ...


@dataclass(frozen=True, slots=True)
class ToolContext:
    """What a tool may know of its run. Findings carry the number that `cite` gives their source as the mark
    `【number†name】`."""

    tenant: str
    library: Library
    cite: Cite
    search: SearchOptions = field(default_factory=SearchOptions)
    files: RunFiles | None = None
    interpreter: Interpreter | None = None


@dataclass(frozen=True, slots=True)
class ToolOutput:
    """What a tool answers. An `error` is a sentence for the model, which may try again."""

    text: str
    status: Literal["ok", "error"] = "ok"
    sources: tuple[Source, ...] = ()
    found: tuple[Found, ...] = ()
    made: tuple[Made, ...] = ()


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that runs inside. `run` gets arguments that are a JSON object; what it raises becomes an error output."""

    spec: ToolSpec
    run: Callable[[Mapping[str, Any], ToolContext], Awaitable[ToolOutput]]


class Offers(Protocol):
    """Tools that come and go while a process works. They have names that no other tool has."""

    def to(self, agent: str, *, first: bool) -> Mapping[str, Tool]:
        """What an agent is offered at this moment; `first` where it speaks with the user."""
