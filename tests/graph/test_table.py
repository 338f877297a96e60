"""What the entry agent of a run is offered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from agents import SUPERVISOR, WRITER, Agent
from agents.crew import Crew, crew_of
from agents.models.port import ToolSpec
from agents.tools.port import Tool, ToolContext, ToolOutput
from graph.table import Entry, tool_table


async def answer(arguments: Mapping[str, Any], context: ToolContext) -> ToolOutput:
    return ToolOutput("")


def tool(name: str) -> Tool:
    return Tool(ToolSpec(name), answer)


LEDGER = {"ledger": tool("ledger")}
ACCOUNTANT = Agent("accountant", "Knows the ledger.", "Account.", ("ledger",))


def table(crew: Crew, name: str = "supervisor", client: Iterable[ToolSpec] = ()) -> dict[str, Entry]:
    return tool_table(crew.speaker(name), crew, client)


def shown(entries: Mapping[str, Entry]) -> dict[str, tuple[str, bool]]:
    return {name: (entry.kind, entry.own) for name, entry in entries.items()}


def test_the_leader_of_the_built_in_team() -> None:
    assert shown(table(crew_of(registered=LEDGER), client=[ToolSpec("weather")])) == {
        "weather": ("client", False),
        "ledger": ("server", False),
        "transfer_to_researcher": ("delegation", True),
        "transfer_to_analyst": ("delegation", True),
        "transfer_to_writer": ("delegation", True),
    }


def test_another_team() -> None:
    entries = table(crew_of([replace(ACCOUNTANT, tools=()), WRITER]))
    assert {name: entry.agent.name for name, entry in entries.items() if entry.agent} == {
        "transfer_to_accountant": "accountant",
        "transfer_to_writer": "writer",
    }


def test_a_leader_with_tools_of_its_own() -> None:
    leads = replace(SUPERVISOR, tools=("search",))
    assert shown(table(crew_of([leads, WRITER]))) == {
        "transfer_to_writer": ("delegation", True),
        "search": ("server", True),
    }


def test_a_tool_that_the_operator_registered_is_offered_once() -> None:
    assert shown(table(crew_of([ACCOUNTANT], registered=LEDGER), "accountant")) == {"ledger": ("server", False)}


def test_a_tool_of_the_operators_replaces_one_that_comes_along() -> None:
    search = tool("search")
    [entry] = table(crew_of(registered={"search": search}), "researcher").values()
    assert entry.tool is search


def test_a_name_of_the_clients_is_the_clients() -> None:
    entries = table(crew_of(), "researcher", [ToolSpec("search")])
    assert shown(entries) == {"search": ("client", False), "team_search": ("server", True)}
    assert entries["team_search"].spec.name == "team_search"
