"""The `search` tool where a provider is set: the web and the library at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from agents.models.port import ToolSpec
from agents.tools.port import Passage, Tool, ToolContext, ToolOutput
from agents.tools.search import found, query_of
from agents.tools.web.port import Provider, Query, Result, SearchFailed
from agents.tools.web.sources import distinct, harmless, web_source

LIMITS: Final = {"low": 4, "medium": 8, "high": 16}  # results and passages together, by `search_context_size`
SHARE: Final = 4  # one of so many is the library's, where both have found enough

SPEC = ToolSpec(
    "search",
    "Searches the web and the library. Returns what fits best: of web pages their address and a part of their text, of "
    "the library's documents a passage, each behind the mark of its source, such as 【1†name】. Search with a few telling "
    "words; search again with others when the results do not settle it.",
    {
        "type": "object",
        "properties": {
            "query": {"type": "string", "description": "What to look for: a few telling words, in any language."},
        },
        "required": ["query"],
        "additionalProperties": False,
    },
)


def web_search(provider: Provider) -> Tool:
    """The tool over a provider. A provider that fails is told to the model beside what the library has."""

    async def run(arguments: Mapping[str, Any], context: ToolContext) -> ToolOutput:
        words = query_of(arguments)
        return await _search(provider, words, context) if isinstance(words, str) else words

    return Tool(SPEC, run)


async def _search(provider: Provider, words: str, context: ToolContext) -> ToolOutput:
    limit = LIMITS[context.search.size]
    web, passages = await asyncio.gather(
        _asked(provider, Query(words, limit, context.search.place)),
        context.library.search(context.tenant, words, limit),
    )
    if isinstance(web, SearchFailed):
        return _without_web(web, passages, words, context)
    return found(_mixed([_passage(result) for result in distinct(web)], passages, limit), words, context)


async def _asked(provider: Provider, query: Query) -> Sequence[Result] | SearchFailed:
    try:
        return await provider.search(query)
    except SearchFailed as failure:
        return failure


def _without_web(why: SearchFailed, passages: Sequence[Passage], words: str, context: ToolContext) -> ToolOutput:
    complaint = f"The web could not be searched: {why}"
    if not passages:
        return ToolOutput(f"{complaint} The library has nothing on it.", "error")
    return found(passages, words, context, f"{complaint} This is what the library has:\n\n")


def _mixed(web: Sequence[Passage], library: Sequence[Passage], limit: int) -> list[Passage]:
    """The best of both, the web's first. Each has the room that the other leaves free."""
    own = library[: max(limit // SHARE, limit - len(web))]
    return [*web[: limit - len(own)], *own]


def _passage(result: Result) -> Passage:
    """A result in the form in which the library gives its passages: the address is its heading."""
    return Passage(web_source(result.title, result.url), harmless(f"## {result.url}\n\n{result.snippet}"), 0.0)
