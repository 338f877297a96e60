"""Agents and tools of somebody's own, at work: over HTTP, thinking with the scripted upstream."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from agents import RESEARCHER, WRITER, Agent
from tests.servers.embedded import client_of, made, say, thinking_with
from tests.upstream import Reply, Upstream, agent_of, by_agent, in_order, transfer

ACCOUNTANT = Agent("accountant", "Knows what was spent.", "You are the accountant.", ("ledger",))
CRITIC = Agent("writer", "Has the last word.", "You are the writer of a paper.")


def ledger(year: int) -> str:
    """What was spent in a year."""
    return f"In {year}, 7 were spent."


async def greeting(name: str) -> str:
    """How somebody is greeted here."""
    return f"Ahoy, {name}!"


def offered(body: Any) -> list[str]:
    return [tool["function"]["name"] for tool in body.get("tools", ())]


async def test_the_supervisor_leads_the_team_that_is_there() -> None:
    script = by_agent(
        supervisor=[Reply(calls=[transfer("accountant", "What did 2024 cost?")]), "It cost 7."],
        stranger=[Reply(calls=[("ledger", {"year": 2024})]), "7 were spent."],
    )
    async with Upstream(script) as upstream, made([ACCOUNTANT], tools=[ledger], **thinking_with(upstream)) as server:
        answer = await say(server, "What did 2024 cost?")
    assert answer.choices[0].message.content == "It cost 7."
    assert answer.metadata["agents_used"] == ["accountant"]
    leads, asks, reports, answers = (each.body for each in upstream.requests)
    assert offered(leads) == ["ledger", "transfer_to_accountant"]
    assert "- accountant: Knows what was spent." in leads["messages"][0]["content"]
    assert offered(asks) == ["ledger"]
    assert asks["messages"][0]["content"] == "You are the accountant."
    assert reports["messages"][-1]["content"] == "In 2024, 7 were spent."
    assert answers["messages"][-1]["content"] == "7 were spent."


async def test_models_are_named_after_the_team() -> None:
    script = by_agent(stranger=["I keep the books."])
    async with Upstream(script) as upstream:
        options = {"model_name": "books", **thinking_with(upstream)}
        async with made([ACCOUNTANT], tools=[ledger], **options) as server, client_of(server) as client:
            names = [model.id async for model in client.models.list()]
            answer = await say(server, "Who are you?", model="books-accountant")
            with pytest.raises(openai.NotFoundError):
                await client.models.retrieve("books-researcher")
    assert names == ["books", "books-supervisor", "books-accountant"]
    assert answer.choices[0].message.content == "I keep the books."
    assert answer.metadata["agents_used"] == ["accountant"]
    assert offered(upstream.requests[0].body) == ["ledger"]


async def test_a_leader_of_ones_own() -> None:
    captain = Agent("supervisor", "Leads.", "You are the captain.")
    async with (
        Upstream("Aye.") as upstream,
        made([captain, ACCOUNTANT], tools=[ledger], **thinking_with(upstream)) as server,
    ):
        await say(server, "Hello!")
    [asked] = upstream.requests
    assert asked.body["messages"][0]["content"] == "You are the captain."
    assert offered(asked.body) == ["ledger", "transfer_to_accountant"]


async def test_a_writer_of_ones_own_has_the_last_word() -> None:
    script = by_agent(supervisor=[Reply(calls=[transfer("writer", final=True)])], writer=["A fine page."])
    async with Upstream(script) as upstream, made([RESEARCHER, CRITIC], **thinking_with(upstream)) as server:
        answer = await say(server, "Write a page")
    assert answer.choices[0].message.content == "A fine page."
    assert upstream.requests[1].body["messages"][0]["content"] == CRITIC.instructions
    assert WRITER.instructions != CRITIC.instructions


def test_pages_can_be_read_where_there_is_a_search_provider() -> None:
    reader = Agent("reader", "Reads pages.", "You read.", ("read_page", "search"))
    made([reader], search_provider="wikipedia")
    with pytest.raises(ValueError, match=r"'read_page' that is not there.*comes with a search provider"):
        made([reader])


async def test_agents_with_models_of_their_own() -> None:
    script = by_agent(supervisor=[Reply(calls=[transfer("accountant")]), "Done."], stranger=["7."])
    async with Upstream(script) as upstream:
        options = {**thinking_with(upstream), "agent_models": {"accountant": "openai:small"}}
        async with made([ACCOUNTANT], tools=[ledger], **options) as server:
            await say(server, "What did it cost?")
    assert [each.body["model"] for each in upstream.requests] == ["scripted", "small", "scripted"]


@pytest.mark.parametrize("model", ["cortex-flow", "cortex-flow-writer"])
async def test_tools_are_offered_to_who_speaks_first_and_run_inside(model: str) -> None:
    calls = Reply(calls=[("greeting", {"name": "Ann"}), ("ledger", {"year": 2020})])
    async with (
        Upstream(in_order(calls, "Ahoy, Ann!")) as upstream,
        made(tools=[greeting, ledger], **thinking_with(upstream)) as server,
    ):
        answer = await say(server, "Greet Ann", model=model)
    assert answer.choices[0].finish_reason == "stop"
    assert answer.choices[0].message.content == "Ahoy, Ann!"
    first, second = (each.body for each in upstream.requests)
    assert offered(first)[:2] == ["greeting", "ledger"]
    assert agent_of(first) == ("supervisor" if model == "cortex-flow" else "writer")
    assert [each["content"] for each in second["messages"][-2:]] == ["Ahoy, Ann!", "In 2020, 7 were spent."]


async def test_a_tool_that_fails_is_the_models_to_handle() -> None:
    def tides(port: str) -> str:
        """When the tide comes."""
        raise LookupError(f"no tides in {port}")

    calls = Reply(calls=[("tides", {"port": "Ulm"}), ("tides", {})])
    async with (
        Upstream(in_order(calls, "There are no tides.")) as upstream,
        made(tools=[tides], **thinking_with(upstream)) as server,
    ):
        answer = await say(server, "When does the tide come?")
    assert answer.choices[0].message.content == "There are no tides."
    told = [each["content"] for each in upstream.requests[1].body["messages"][-2:]]
    assert told[0] == "The tool failed: LookupError: no tides in Ulm"
    assert told[1].startswith("The arguments do not fit: port: ")


async def test_a_tool_of_the_clients_goes_out_beside_one_of_ours() -> None:
    calls = Reply(calls=[("ledger", {"year": 2020}), ("weather", {"city": "Rome"})])
    weather = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
    async with (
        Upstream(in_order(calls)) as upstream,
        made(tools=[ledger], **thinking_with(upstream)) as server,
    ):
        answer = await say(server, "Both", tools=[weather])
    assert answer.choices[0].finish_reason == "tool_calls"
    assert [call.function.name for call in answer.choices[0].message.tool_calls] == ["weather"]
