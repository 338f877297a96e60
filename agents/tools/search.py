"""The `search` tool: passages of the library, each with the mark by which the answer can cite it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agents.models.port import ToolSpec
from agents.tools.port import Passage, Tool, ToolContext, ToolOutput

DEFAULT_LIMIT = 5
MAX_LIMIT = 10

SPEC = ToolSpec(
    "search",
    "Searches the library and returns the passages that fit best, each behind the mark of its source, such as "
    "【1†name】. Search with a few telling words; search again with others when the passages do not settle it.",
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


async def run(arguments: Mapping[str, Any], context: ToolContext) -> ToolOutput:
    """Search the library of the run's tenant. Finding nothing is an answer, not an error."""
    query, limit = query_of(arguments), arguments.get("limit")
    limit = DEFAULT_LIMIT if limit is None else limit
    if isinstance(query, ToolOutput):
        return query
    if limit not in range(1, MAX_LIMIT + 1):
        return ToolOutput(f"The argument `limit` must be a whole number from 1 to {MAX_LIMIT}.", "error")
    return found(await context.library.search(context.tenant, query, int(limit)), query, context)


def query_of(arguments: Mapping[str, Any]) -> str | ToolOutput:
    """What to search for, or what is wrong with the arguments."""
    query = arguments.get("query")
    if not isinstance(query, str) or not query.strip():
        return ToolOutput("The argument `query` must say in words what to look for.", "error")
    return query


def found(passages: Sequence[Passage], query: str, context: ToolContext, note: str = "") -> ToolOutput:
    """The passages behind their marks, with a note before them."""
    if not passages:
        return ToolOutput(f"Nothing was found for {query.strip()[:200]!r}. It may be called by other words.")
    return ToolOutput(note + _quote(passages, context), sources=tuple(passage.source for passage in passages))


def _quote(passages: Sequence[Passage], context: ToolContext) -> str:
    return "\n\n".join(
        f"【{context.cite(passage.source)}†{passage.source.name}】 {passage.text.strip()}" for passage in passages
    )


SEARCH = Tool(SPEC, run)
