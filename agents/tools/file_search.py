"""The `file_search` tool: passages of the files that a run was given, each with the mark by which the answer can cite it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agents.models.port import ToolSpec
from agents.tools.port import Tool, ToolContext, ToolOutput
from agents.tools.search import query_of, tell

SPEC = ToolSpec(
    "file_search",
    "Searches the files that came with this conversation and returns the passages that fit best, each behind the mark of "
    "its source, such as 【1†name】. Search them first when the user asks about files, documents or anything that they may "
    "say; search again with other words when the passages do not settle it. Keep the marks behind what you take from them.",
    {
        "type": "object",
        "properties": {
            "query": {"type": "string", "description": "What to look for: a few telling words, in the files' language."}
        },
        "required": ["query"],
        "additionalProperties": False,
    },
)


async def run(arguments: Mapping[str, Any], context: ToolContext) -> ToolOutput:
    """Search the run's files. Finding nothing is an answer, not an error."""
    query = query_of(arguments)
    if isinstance(query, ToolOutput):
        return query
    if context.files is None:
        return ToolOutput("There are no files to search.", "error")
    try:
        passages = await context.files.search(query)
    except LookupError as error:
        return ToolOutput(str(error), "error")
    if not passages:
        return ToolOutput(f"The files say nothing about {query.strip()[:200]!r}. It may be called by other words.")
    return tell(passages, context)


FILE_SEARCH = Tool(SPEC, run)
