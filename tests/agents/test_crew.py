"""Who works together, who leads, and with which tools."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from agents import ANALYST, RESEARCHER, SUPERVISOR, TEAM, WRITER, Agent
from agents.crew import crew_of
from agents.models.port import ToolSpec
from agents.researcher import WEB_RESEARCHER
from agents.tools import TOOLS, ToolSettings, open_tools
from agents.tools.port import Tool, ToolContext, ToolOutput

ACCOUNTANT = Agent("accountant", "Knows the ledger.", "You are the accountant.", ("ledger", "python"))
CAPTAIN = Agent("supervisor", "Leads.", "You lead accountants.", ("search",))


SEEKER = Agent("seeker", "Seeks.", "You seek.", ("read_page", "search", "ledger"))


async def answer(arguments: Mapping[str, Any], context: ToolContext) -> ToolOutput:
    return ToolOutput("")


def tool(name: str) -> Tool:
    return Tool(ToolSpec(name), answer)


LEDGER = tool("ledger")


def test_the_team_with_the_tools_that_need_no_settings() -> None:
    crew = crew_of()
    assert (crew.leader, crew.members, crew.writer) == (SUPERVISOR, TEAM, WRITER)
    assert crew.names == ("supervisor", "researcher", "analyst", "writer")
    assert crew.tools_of(RESEARCHER) == {"search": TOOLS["search"]}
    assert crew.tools_of(ANALYST) == {"python": TOOLS["python"]}
    assert crew.tools_of(WRITER) == {}


def test_others_with_tools_of_their_own() -> None:
    crew = crew_of([ACCOUNTANT], registered={"ledger": LEDGER})
    assert crew.names == ("supervisor", "accountant")
    assert "- accountant: Knows the ledger." in crew.leader.instructions
    assert crew.tools_of(ACCOUNTANT) == {"ledger": LEDGER, "python": TOOLS["python"]}


def test_a_leader_among_them_leads() -> None:
    crew = crew_of([ACCOUNTANT, CAPTAIN], registered={"ledger": LEDGER})
    assert (crew.leader, crew.members) == (CAPTAIN, (ACCOUNTANT,))
    assert crew.tools_of(CAPTAIN) == {"search": TOOLS["search"]}


@pytest.mark.parametrize(("name", "speaks"), [("accountant", ACCOUNTANT), ("supervisor", CAPTAIN), ("nobody", CAPTAIN)])
def test_who_speaks_first(name: str, speaks: Agent) -> None:
    assert crew_of([ACCOUNTANT, CAPTAIN], registered={"ledger": LEDGER}).speaker(name) is speaks


def test_a_writer_among_them_has_the_last_word() -> None:
    critic = Agent("writer", "Has the last word.", "You are the writer of a paper.")
    assert crew_of([RESEARCHER, critic]).writer is critic


def test_a_registered_tool_replaces_one_that_comes_along() -> None:
    search = tool("search")
    assert crew_of(registered={"search": search}).tools_of(RESEARCHER) == {"search": search}


async def test_a_researcher_with_the_web_knows_of_it() -> None:
    toolbox = open_tools(ToolSettings("wikipedia"))
    crew = crew_of(tools=toolbox.tools)
    assert crew.names == crew_of().names
    assert crew.leader == SUPERVISOR
    researcher = crew.speaker("researcher")
    assert researcher is WEB_RESEARCHER
    assert list(crew.tools_of(researcher)) == ["search", "read_page"]
    assert "web" in researcher.description
    assert "web" not in RESEARCHER.description
    await toolbox.close()


async def test_others_may_search_the_web_with_tools_of_their_own_beside() -> None:
    toolbox = open_tools(ToolSettings("wikipedia"))
    crew = crew_of([SEEKER, RESEARCHER], tools=toolbox.tools, registered={"ledger": LEDGER})
    assert crew.members == (SEEKER, WEB_RESEARCHER)
    assert WEB_RESEARCHER.description in crew.leader.instructions
    assert crew.tools_of(SEEKER) == {
        "read_page": toolbox.tools["read_page"],
        "search": toolbox.tools["search"],
        "ledger": LEDGER,
    }
    await toolbox.close()


@pytest.mark.parametrize(
    ("agents", "told"),
    [
        ([], "at least one agent"),
        ([Agent("two words", "", "")], "'two words'"),
        ([Agent("x" * 49, "", "")], "1 to 48"),
        ([Agent("a", "", ""), Agent("a", "", "")], "must differ: a, a"),
        ([ACCOUNTANT], "The accountant has a tool 'ledger' that is not there; there are: search, python"),
        ([replace(SEEKER, tools=("read_page",))], "search, python. read_page comes with a search provider"),
    ],
)
def test_who_can_not_work_together(agents: list[Agent], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        crew_of(agents)


def test_a_crew_of_something_else() -> None:
    with pytest.raises(TypeError, match=r"agents\.Agent"):
        crew_of(["researcher"])  # type: ignore[list-item]
