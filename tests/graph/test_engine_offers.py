"""What the entry agent is offered: tools of the server, of the client and of the team, and the client's choice among them."""

from __future__ import annotations

from typing import Any

import pytest

from agents.models.port import ToolSpec
from tests.graph.doubles import ROME, Gate, Script, Shelf, call, say, tool
from tests.graph.house import WEATHER, every_store, house, outputs

store = every_store


async def test_a_client_tool_named_like_a_transfer_keeps_its_name() -> None:
    client = ToolSpec("transfer_to_writer", "The client's own.")
    script = Script(
        supervisor=[
            call(("transfer_to_writer", {"task": "x", "final": True})),
            call(("team_transfer_to_writer", {"task": "y", "final": True})),
        ],
        writer=[say("The text.")],
    )
    async with house(script) as here:
        first = await here.ask("Go", tools=(client,))
        assert [(c.name, c.kind) for c in first.open_calls] == [("transfer_to_writer", "client")]
        assert "team_transfer_to_writer" in script.asked[0].tools
        second = await here.ask(outputs(first, "done"), tools=(client,))
        assert second.answer
        assert (second.answer.agent, second.answer.text) == ("writer", "The text.")
        assert second.agents_used == ("writer",)


async def test_server_tools_run_inside_for_every_entry_agent() -> None:
    for agent in ("supervisor", "researcher"):
        script = Script(**{agent: [call(("run_code", {"x": 1})), say("It ran 【1†log.txt】.")]})
        async with house(script, server_tools={"run_code": tool("run_code", "ran")}) as here:
            run = await here.ask("Go", agent=agent, tools=(ToolSpec("run_code"),))
            assert run.status == "completed"
            assert "run_code" in script.asked[0].tools
            assert script.asked[1].talk[-1] == ("tool", "ran [('x', 1)] 【1†log.txt】")
            assert run.answer
            assert [each.source.name for each in run.answer.annotations] == ["log.txt"]


async def test_a_server_tool_that_fails_or_hangs_is_told_to_the_model() -> None:
    script = Script(supervisor=[call(("broken", {}), ("stuck", {}), ("broken", "no JSON")), say("Without it.")])
    tools = {"broken": tool("broken", ValueError("a fault")), "stuck": tool("stuck", Gate())}
    async with house(script, server_tools=tools, agent_timeout=0.01) as here:
        run = await here.ask("Go")
        assert run.status == "completed"
        told = [text for role, text in script.asked[1].talk if role == "tool"]
        assert told[0] == "The tool failed: ValueError: a fault"
        assert "took more than" in told[1]
        assert "no JSON object" in told[2]


TRANSFERS = ("transfer_to_researcher", "transfer_to_analyst", "transfer_to_writer")


@pytest.mark.parametrize(
    ("choice", "first", "sent"),
    [
        (None, {"weather", "run_code", *TRANSFERS}, None),
        ("auto", {"weather", "run_code", *TRANSFERS}, "auto"),
        ("none", {"run_code", *TRANSFERS}, None),
        ("required", {"weather", "run_code"}, "required"),
        ({"type": "function", "function": {"name": "weather"}}, {"weather", "run_code"}, "named"),
        ({"type": "function", "function": {"name": "run_code"}}, {"weather", "run_code"}, "named"),
    ],
)
async def test_tool_choice_holds_for_the_first_turn(choice: Any, first: set[str], sent: str | None) -> None:
    script = Script(supervisor=[call(("run_code", {})), say("Done.")])
    async with house(script, server_tools={"run_code": tool("run_code", "ran")}) as here:
        await here.ask("Go", tools=(WEATHER,), tool_choice=choice)
        assert set(script.asked[0].tools) == first
        assert script.asked[0].params.tool_choice == (choice if sent == "named" else sent)
        assert set(script.asked[1].tools) == {"run_code", *TRANSFERS} | ({"weather"} if choice != "none" else set())
        assert script.asked[1].params.tool_choice is None


async def test_a_forced_choice_withdraws_a_lone_agents_own_tools() -> None:
    script = Script(researcher=[call(ROME), say("It rains.")])
    async with house(script) as here:
        first = await here.ask("Go", agent="researcher", tools=(WEATHER,), tool_choice="required")
        assert script.asked[0].tools == ("weather",)
        await here.ask(outputs(first, "rain"), agent="researcher", tools=(WEATHER,), tool_choice="required")
        assert set(script.asked[1].tools) == {"weather", "search"}
        assert script.asked[1].params.tool_choice is None


async def test_a_clients_tool_is_never_shadowed_by_an_agents_own() -> None:
    script = Script(researcher=[call(("search", {"query": "x"}), ("team_search", {"query": "moon"})), say("Done.")])
    library = Shelf(moon="The moon.")
    async with house(script, library=library) as here:
        first = await here.ask("Go", agent="researcher", tools=(ToolSpec("search", "The client's."),))
        assert [each.name for each in first.open_calls] == ["search"]
        assert [query for _, query in library.queries] == ["moon"]
