"""The `search` tool: passages of the run's files, of the web where there is a provider, and of the library, each with the
mark by which the answer can cite it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from agents.models.port import ToolSpec
from agents.tools.fusion import Ranking, fused
from agents.tools.port import Found, NotSearched, Passage, Tool, ToolContext, ToolOutput

DEFAULT_LIMIT = 5
MAX_LIMIT = 10
SECONDS: Final = 20.0  # that one source may keep the others waiting
LIBRARY_WEIGHT: Final = 1 / 3  # one passage in four is the library's, where another source has found enough

log = logging.getLogger(__name__)

SPEC = ToolSpec(
    "search",
    "Searches the library, and the files that came with this conversation where there are any. Returns the passages that "
    "fit best, each behind the mark of its source, such as 【1†name】. Search with a few telling words; search again with "
    "others when the passages do not settle it.",
    {
        "type": "object",
        "properties": {
            "query": {"type": "string", "description": "What to look for: a few telling words, in any language."},
            "limit": {
                "type": "integer",
                "description": f"How many passages at most, {DEFAULT_LIMIT} when left out.",
                "minimum": 1,
                "maximum": MAX_LIMIT,
            },
        },
        "required": ["query"],
        "additionalProperties": False,
    },
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a search looks. `name` is what it is called in a sentence; `search` raises `NotSearched`."""

    name: str
    search: Callable[[], Awaitable[Sequence[Passage]]]
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why a place was not searched, as a sentence for the model."""

    text: str


async def run(arguments: Mapping[str, Any], context: ToolContext) -> ToolOutput:
    """Search what the run's tenant has. Finding nothing is an answer, not an error."""
    query, limit = query_of(arguments), arguments.get("limit")
    limit = DEFAULT_LIMIT if limit is None else limit
    if isinstance(query, ToolOutput):
        return query
    if limit not in range(1, MAX_LIMIT + 1):
        return ToolOutput(f"The argument `limit` must be a whole number from 1 to {MAX_LIMIT}.", "error")
    return await search(query, int(limit), context)


def query_of(arguments: Mapping[str, Any]) -> str | ToolOutput:
    """What to search for, or what is wrong with the arguments."""
    query = arguments.get("query")
    if not isinstance(query, str) or not query.strip():
        return ToolOutput("The argument `query` must say in words what to look for.", "error")
    return query


async def search(
    query: str, limit: int, context: ToolContext, web: Sequence[Place] = (), seconds: float = SECONDS
) -> ToolOutput:
    """Look in all places at the same time: the run's files, those of the `web`, the library. One that fails, or takes
    longer than `seconds`, is told to the model beside what the others have."""
    places = [*_files(query, context), *web, _library(query, limit, context)]
    patience = seconds if len(places) > 1 else None
    answers = await asyncio.gather(*(_asked(place, patience) for place in places))
    rankings, failures, silent = list[Ranking](), list[str](), list[str]()
    for place, answer in zip(places, answers, strict=True):
        if isinstance(answer, _Failure):
            failures.append(answer.text)
            continue
        rankings.append(Ranking(answer, place.weight))
        silent.append(place.name)
    return _told(query, fused(rankings, limit), " ".join(failures), silent, context)


def tell(passages: Sequence[Passage], context: ToolContext, note: str = "") -> ToolOutput:
    """The passages behind their marks, with a note before them, and where those of files stand in that text."""
    text, found = note, list[Found]()
    for number, passage in enumerate(passages):
        source, said = passage.source, passage.text.strip()
        text += f"{chr(10) * 2 if number else ''}【{context.cite(source, said)}†{source.name}】 "
        if source.file_id is not None:
            found.append(Found(source.file_id, source.name, passage.score, len(text), len(text) + len(said)))
        text += said
    return ToolOutput(text, sources=tuple(passage.source for passage in passages), found=tuple(found))


def _told(
    query: str, passages: Sequence[Passage], complaint: str, silent: Sequence[str], context: ToolContext
) -> ToolOutput:
    if passages:
        return tell(passages, context, f"{complaint} This is what was found elsewhere:\n\n" if complaint else "")
    if not complaint:
        return ToolOutput(f"Nothing was found for {query.strip()[:200]!r}. It may be called by other words.")
    others = f" There is nothing on it in {' and '.join(silent)}." if silent else ""
    return ToolOutput(f"{complaint}{others}", "error")


def _files(query: str, context: ToolContext) -> list[Place]:
    files = context.files
    if files is None:
        return []

    async def look() -> Sequence[Passage]:
        try:
            return await files.search(query)
        except LookupError as gone:
            raise NotSearched(str(gone)) from gone

    return [Place("the files", look)]


def _library(query: str, limit: int, context: ToolContext) -> Place:
    return Place("the library", lambda: context.library.search(context.tenant, query, limit), LIBRARY_WEIGHT)


async def _asked(place: Place, seconds: float | None) -> Sequence[Passage] | _Failure:
    try:
        async with asyncio.timeout(seconds):
            return await place.search()
    except NotSearched as failure:
        why = str(failure)
    except TimeoutError:
        why = f"there was no answer within {seconds:g} seconds."
    except Exception:  # whatever goes wrong in one place must not cost what the others have
        log.warning("search: %s could not be searched", place.name, exc_info=True)
        why = "it failed."
    return _Failure(f"{place.name.capitalize()} could not be searched: {why}")


SEARCH = Tool(SPEC, run)
