"""The `search` tool where a provider is set: the web, the run's files and the library at the same time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from agents.models.port import ToolSpec
from agents.tools.port import Passage, Tool, ToolContext, ToolOutput
from agents.tools.search import SECONDS, Place, query_of, search
from agents.tools.web.port import Provider, Query, Result
from agents.tools.web.sources import distinct, harmless, web_source

LIMITS: Final = {"low": 4, "medium": 8, "high": 16}  # results and passages together, by `search_context_size`

SPEC = ToolSpec(
    "search",
    "Searches the web, the library, and the files that came with this conversation where there are any. Returns what fits "
    "best: of web pages their address and a part of their text, of documents a passage, each behind the mark of its source, "
    "such as 【1†name】. Search with a few telling words; search again with others when the results do not settle it.",
    {
        "type": "object",
        "properties": {
            "query": {"type": "string", "description": "What to look for: a few telling words, in any language."},
        },
        "required": ["query"],
        "additionalProperties": False,
    },
)


def web_search(provider: Provider, seconds: float = SECONDS) -> Tool:
    """The tool over a provider. What fails or takes longer than `seconds` is told to the model beside what the others have."""

    async def run(arguments: Mapping[str, Any], context: ToolContext) -> ToolOutput:
        words = query_of(arguments)
        if isinstance(words, ToolOutput):
            return words
        query = Query(words, LIMITS[context.search.size], context.search.place)
        return await search(words, query.limit, context, [_web(provider, query)], seconds)

    return Tool(SPEC, run)


def _web(provider: Provider, query: Query) -> Place:
    async def look() -> Sequence[Passage]:
        return [_passage(result) for result in distinct(await provider.search(query))]

    return Place("the web", look)


def _passage(result: Result) -> Passage:
    """A result in the form in which the library gives its passages: the address is its heading."""
    return Passage(web_source(result.title, result.url), harmless(f"## {result.url}\n\n{result.snippet}"), 0.0)
