"""What a request wants of searches reaches the tools, also where the run was written down and read again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agents.models.port import ToolSpec
from agents.tools.port import Place, SearchOptions, Tool, ToolContext, ToolOutput
from tests.graph.doubles import Script, call, say
from tests.graph.house import house

WANTED = SearchOptions("high", Place("IT", "Lazio", "Rome", "Europe/Rome"))


async def test_tools_know_what_a_request_wants_of_searches() -> None:
    seen: list[SearchOptions] = []

    async def look(arguments: Mapping[str, Any], context: ToolContext) -> ToolOutput:
        seen.append(context.search)
        return ToolOutput("seen")

    script = Script(supervisor=[call(("look", {})), say("Done.")] * 3)
    tools = {"look": Tool(ToolSpec("look"), look)}
    async with house(script, server_tools=tools) as home:
        await home.ask("one")
        await home.ask("two", search=WANTED)
        run = await home.ask("three", search=WANTED, durable=True)
        assert (await home.get(run.id)).request.search == WANTED
    assert seen == [SearchOptions(), WANTED, WANTED]
