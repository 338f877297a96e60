"""What a run may be told, and what of it the model gets to hear. `test_statuses` has the limits of tokens, `test_formats`
the formats."""

from __future__ import annotations

from typing import Any

import pytest

from tests.replies import Reply
from tests.servers.assistants.desk import WEATHER, Desk


def system(body: Any) -> str:
    return str(next(message["content"] for message in body["messages"] if message["role"] == "system"))


def said(body: Any) -> list[tuple[str, Any]]:
    return [(message["role"], message["content"]) for message in body["messages"] if message["role"] != "system"]


async def heard(desk: Desk, *texts: str, assistant: dict[str, Any] | None = None, **run: Any) -> tuple[Any, Any]:
    """The model's first request, and the run as it ended."""
    desk.play(Reply("Done."))
    id, thread = await desk.assistant(**(assistant or {})), await desk.thread(*texts or ("Hi",))
    begun = await desk.post(f"/threads/{thread}/runs", assistant_id=id, **run)
    ended = await desk.over(f"/threads/{thread}/runs/{begun['id']}")
    return desk.upstream.requests[-1].body, ended


async def test_an_assistant_s_own_fields_reach_the_model(desk: Desk) -> None:
    fields = {
        "instructions": "Be kind.",
        "temperature": 0.3,
        "top_p": 0.4,
        "reasoning_effort": "low",
        "tools": [WEATHER],
    }
    body, run = await heard(desk, assistant=fields)
    assert "Be kind." in system(body)
    assert (body["temperature"], body["top_p"], body["reasoning_effort"]) == (0.3, 0.4, "low")
    assert "weather" in [tool["function"]["name"] for tool in body["tools"]]
    assert (run["temperature"], run["top_p"], run["instructions"]) == (0.3, 0.4, "Be kind.")


async def test_a_run_s_fields_stand_in_the_place_of_the_assistant_s(desk: Desk) -> None:
    fields = {
        "instructions": "Be kind.",
        "temperature": 0.3,
        "top_p": 0.4,
        "reasoning_effort": "low",
        "tools": [WEATHER],
    }
    told = {"instructions": "Be brief.", "temperature": 1.5, "top_p": 0.9, "reasoning_effort": "high", "tools": []}
    body, run = await heard(desk, assistant=fields, additional_instructions="And clear.", **told)
    assert "Be brief.\nAnd clear." in system(body)
    assert "Be kind." not in system(body)
    assert (body["temperature"], body["top_p"], body["reasoning_effort"]) == (1.5, 0.9, "high")
    assert "weather" not in [tool["function"]["name"] for tool in body["tools"]]
    assert (run["instructions"], run["temperature"], run["tools"]) == ("Be brief.\nAnd clear.", 1.5, [])


async def test_what_nobody_said_is_not_sent(desk: Desk) -> None:
    body, run = await heard(desk)
    assert not {"temperature", "top_p", "reasoning_effort", "parallel_tool_calls", "response_format"} & set(body)
    assert (run["temperature"], run["top_p"], run["tool_choice"], run["parallel_tool_calls"]) == (1, 1, "auto", True)


async def test_additional_messages_come_first_and_stay_in_the_thread(desk: Desk) -> None:
    more = [{"role": "assistant", "content": "Two."}, {"role": "user", "content": "And three?", "metadata": {"a": "b"}}]
    body, run = await heard(desk, "One?", additional_messages=more)
    assert said(body) == [("user", "One?"), ("assistant", "Two."), ("user", "And three?")]
    kept = (await desk.get(f"/threads/{run['thread_id']}/messages?order=asc"))["data"]
    assert [each["metadata"] for each in kept] == [{}, {}, {"a": "b"}, {}]


@pytest.mark.parametrize("count", [1, 2])
async def test_the_last_messages_alone_are_read(desk: Desk, count: int) -> None:
    strategy = {"type": "last_messages", "last_messages": count}
    body, run = await heard(desk, "One", "Two", "Three", truncation_strategy=strategy)
    assert "".join(str(text) for _, text in said(body)).count("T") == count
    assert "One" not in str(said(body))
    assert run["truncation_strategy"] == strategy


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "weather"}}])
async def test_a_forced_choice_reaches_the_model_and_withdraws_the_team(desk: Desk, choice: Any) -> None:
    body, run = await heard(desk, assistant={"tools": [WEATHER]}, tool_choice=choice, parallel_tool_calls=False)
    assert body["tool_choice"] == choice
    assert body["parallel_tool_calls"] is False
    assert [tool["function"]["name"] for tool in body["tools"]] == ["weather"]
    assert (run["tool_choice"], run["parallel_tool_calls"]) == (choice, False)


async def test_no_choice_withdraws_the_client_s_functions(desk: Desk) -> None:
    body, run = await heard(desk, assistant={"tools": [WEATHER]}, tool_choice="none")
    assert "weather" not in [tool["function"]["name"] for tool in body["tools"]]
    assert run["tool_choice"] == "none"


async def test_a_run_on_another_model_and_agent(desk: Desk) -> None:
    body, run = await heard(desk, model="cortex-flow-writer")
    assert system(body).startswith("You are the writer")
    assert (run["model"], run["usage"]["agents_used"]) == ("cortex-flow-writer", ["writer"])
    body, run = await heard(desk, model="openai/another")
    assert (body["model"], run["model"]) == ("another", "openai/another")
