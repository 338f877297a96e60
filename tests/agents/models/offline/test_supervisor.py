"""The offline model as supervisor: who is called, and the answer made of what came back."""

from __future__ import annotations

import json

import pytest

from agents.models.port import (
    Message,
    ToolSpec,
)
from tests.agents.models.offline.rehearsal import (
    TRANSFERS,
    TRENDS_MARK,
    answered,
    called,
    lead,
    run,
)


@pytest.mark.parametrize(
    ("text", "turns"),
    [
        ("Research the latest AI agent frameworks", [["researcher"]]),
        ("What are AI agents?", [["researcher"]]),
        ("Tell me about AI agents", [["researcher"]]),
        ("Cerca informazioni sugli AI agents", [["researcher"]]),
        ("Was sind AI agents?", [["researcher"]]),
        ("Explain agents", [["researcher"]]),
        ("AI agents って何？", [["researcher"]]),
        ("What is 17 * 23?", [["analyst"]]),
        ("What is the square root of 144?", [["analyst"]]),
        ("Calcola la media di 3, 5, 8", [["analyst"]]),
        ("Berechne 17 mal 23", [["analyst"]]),
        ("Analyze these sales: 2021: 12, 2022: 15, 2023: 20", [["analyst"]]),
        ("What do AI agents need for 10-20 people on 12/24/2026 at 10:30?", [["researcher"]]),
        ("Write a short story", [["writer"]]),
        ("Schreibe eine Geschichte", [["writer"]]),
        ("Scrivi una lettera", [["writer"]]),
        ("Research and analyze AI trends", [["researcher"], ["analyst"]]),
        ("Analyze AI trends", [["researcher"], ["analyst"]]),
        ("Recherchiere und analysiere AI trends", [["researcher"], ["analyst"]]),
        ("Research AI trends and compute the mean of 3, 5, 8", [["researcher", "analyst"]]),
        ("Create a report on AI trends", [["researcher"], ["writer"]]),
        ("Write a report about our sales: 10, 20 and 15", [["analyst"], ["writer"]]),
        ("Research and analyze AI trends, then write a summary", [["researcher"], ["analyst"], ["writer"]]),
    ],
)
async def test_who_works_on_what(text: str, turns: list[list[str]]) -> None:
    worked, answer = await run(text)
    assert worked == turns
    assert answer.strip()


async def test_the_writer_is_asked_for_the_answer_itself() -> None:
    turn = await lead("Write a short story")
    (call,) = turn.tool_calls
    assert json.loads(call.arguments)["final"] is True
    assert "Write a short story" in json.loads(call.arguments)["task"]
    assert turn.finish == "tool_calls"


async def test_a_question_without_a_subject_points_back() -> None:
    turn = await lead("What are AI agents?", Message("assistant", "Programs."), "Tell me more")
    assert called(turn) == ["researcher"]
    assert "AI agents" in json.loads(turn.tool_calls[0].arguments)["task"]


async def test_one_call_at_a_time_where_parallel_calls_are_unwanted() -> None:
    turn = await lead("Research AI trends and compute the mean of 3, 5, 8", parallel_tool_calls=False)
    assert called(turn) == ["researcher"]


async def test_agents_that_are_not_on_offer_are_not_called() -> None:
    only_analyst = [tool for tool in TRANSFERS if tool.name.endswith("analyst")]
    assert called(await lead("Research and analyze AI trends", tools=only_analyst)) == ["analyst"]


async def test_our_transfer_is_called_where_the_client_has_one_of_that_name() -> None:
    client = ToolSpec("transfer_to_researcher", "The client's own.", {"type": "object", "properties": {}})
    ours = [ToolSpec(f"team_{tool.name}", tool.description, tool.parameters) for tool in TRANSFERS[:1]]
    turn = await lead("What are AI agents?", tools=[client, *ours, *TRANSFERS[1:]])
    assert [call.name for call in turn.tool_calls] == ["team_transfer_to_researcher"]
    turn = await lead("What are AI agents?", *answered(turn, "Found it."), tools=[client, *ours, *TRANSFERS[1:]])
    assert turn.text == "Found it."


async def test_findings_are_put_together_with_their_marks() -> None:
    _, answer = await run("Research and analyze AI trends")
    assert answer.startswith("Here is what the library says about “AI trends”:")
    assert f"- A trend in AI is that agents work in teams. {TRENDS_MARK}" in answer
    assert "Bread" not in answer
    assert "**Analysis.** The findings make" in answer


async def test_what_the_library_does_not_have_is_said() -> None:
    turns, answer = await run("What is the capital of France?")
    assert turns == [["researcher"]]
    assert "has nothing on “capital of France”" in answer
    assert "LLM_MODEL" in answer


@pytest.mark.parametrize(
    "output", ["The researcher failed: no connection", "The researcher took more than 5 seconds.", ""]
)
async def test_a_failed_agent_is_named_and_not_asked_again(output: str) -> None:
    request = "Research and analyze AI trends"
    first = await lead(request)
    second = await lead(request, *answered(first, output))
    assert called(second) == ["analyst"]
    last = await lead(request, *answered(first, output), *answered(second, "Nothing can be compared."))
    assert last.tool_calls == ()
    assert last.text.startswith("Nothing can be compared.\n\nThe researcher's part is missing. ")


async def test_a_writer_that_failed_is_replaced() -> None:
    first = await lead("Write a short story")
    last = await lead("Write a short story", *answered(first, "The writer failed: took too long"))
    assert last.tool_calls == ()
    assert "This is a story about" in last.text
    assert "The writer's part is missing. The writer failed: took too long" in last.text


async def test_at_the_limit_the_findings_are_the_answer() -> None:
    request = "Research and analyze AI trends"
    first = await lead(request)
    last = await lead(request, *answered(first, f"Teams work. {TRENDS_MARK}"), tools=[])
    assert last.text == f"Teams work. {TRENDS_MARK}"


async def test_a_report_at_the_limit_is_composed_from_the_findings() -> None:
    request = "Create a report on AI trends"
    first = await lead(request)
    last = await lead(request, *answered(first, f"- Agents work in teams. {TRENDS_MARK}"), tools=[])
    assert last.text.startswith("# AI trends\n")
    assert f"Agents work in teams. {TRENDS_MARK}" in last.text
