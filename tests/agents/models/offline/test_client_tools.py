"""The client's tools: when the offline model calls them, with which arguments, and what it makes of their outputs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agents import RESEARCHER
from agents.models.port import (
    Message,
    ToolSpec,
)
from agents.tools import TOOLS
from tests.agents.models.offline.rehearsal import (
    TRANSFERS,
    WEATHER,
    answered,
    called,
    lead,
    reply,
    user,
)


async def test_a_tool_that_the_request_names_is_called_and_its_output_used() -> None:
    turn = await lead("What's the weather in Paris?", tools=[*TRANSFERS, WEATHER])
    assert [(call.name, json.loads(call.arguments)) for call in turn.tool_calls] == [("get_weather", {"city": "Paris"})]
    outputs = answered(turn, '{"temperature": 21, "dry": true}')
    last = await lead("What's the weather in Paris?", *outputs, tools=[*TRANSFERS, WEATHER])
    assert last.text == "get_weather (city: Paris): temperature: 21; dry: yes"


async def test_words_that_come_with_the_outputs_leave_them_in_the_answer() -> None:
    turn = await lead("What's the weather in Paris?", tools=[*TRANSFERS, WEATHER])
    last = await lead("What's the weather in Paris?", *answered(turn, "sunny"), "and?", tools=[*TRANSFERS, WEATHER])
    assert "sunny" in last.text


async def test_a_tool_is_called_for_each_thing_named() -> None:
    turn = await lead("What's the weather like in San Francisco, Tokyo, and Paris?", tools=[*TRANSFERS, WEATHER])
    assert [json.loads(call.arguments)["city"] for call in turn.tool_calls] == ["San Francisco", "Tokyo", "Paris"]


async def test_delegations_and_client_tools_share_a_turn() -> None:
    turn = await lead("Research AI agents and tell me the weather in Rome", tools=[*TRANSFERS, WEATHER])
    assert called(turn) == ["researcher", "get_weather"]


@pytest.mark.parametrize("text", ["Hello", "What are AI agents?", "Write a short story"])
async def test_tools_that_nobody_asked_for_stay_unused(text: str) -> None:
    assert "get_weather" not in called(await lead(text, tools=[*TRANSFERS, WEATHER]))


@pytest.mark.parametrize(
    "choice",
    [
        "required",
        {"type": "function", "function": {"name": "get_weather"}},
        {"type": "function", "name": "get_weather"},
    ],
)
async def test_a_forced_tool_is_called(choice: Any) -> None:
    turn = await lead("Hello from Oslo", tools=[WEATHER], tool_choice=choice)
    assert [(call.name, json.loads(call.arguments)) for call in turn.tool_calls] == [("get_weather", {"city": "Oslo"})]


async def test_a_forced_tool_that_has_answered_is_not_called_again() -> None:
    turn = await lead("Hello", tools=[WEATHER], tool_choice="required")
    last = await lead("Hello", *answered(turn, "mild"), tools=[WEATHER], tool_choice="required")
    assert last.tool_calls == ()
    assert "mild" in last.text


async def test_tool_choice_none_keeps_the_tool_unused() -> None:
    turn = await lead("What's the weather in Paris?", tools=[*TRANSFERS, WEATHER], tool_choice="none")
    assert "get_weather" not in called(turn)


async def test_an_agent_that_works_alone_calls_them_too() -> None:
    tools = [WEATHER, TOOLS["search"].spec]
    messages = [Message("system", RESEARCHER.instructions), user("weather in Bonn, please")]
    turn = await reply(messages, tools)
    assert called(turn) == ["get_weather"]
    assert "grey" in (await reply([*messages, *answered(turn, "grey")], tools)).text


async def test_arguments_follow_the_schema() -> None:
    schema = {
        "type": "object",
        "properties": {
            "origin": {"type": "string"},
            "destination": {"type": "string"},
            "date": {"type": "string", "format": "date"},
            "people": {"type": "integer", "minimum": 1, "maximum": 9},
            "budget": {"type": ["number", "null"]},
            "cabin": {"$ref": "#/$defs/Cabin"},
            "flexible": {"type": "boolean", "default": False},
            "tags": {"type": "array", "items": {"const": "trip"}},
            "contact": {"type": "object", "properties": {"email": {"type": "string"}}, "required": ["email"]},
            "note": {"anyOf": [{"type": "null"}, {"type": "string"}]},
            "meal": {"type": "string", "enum": ["meat", "vegan"]},
            "unasked": {"type": "string"},
        },
        "required": [
            "origin", "destination", "date", "people", "budget", "cabin", "flexible", "tags", "contact", "note"
        ],
        "$defs": {"Cabin": {"enum": ["economy", "business_class"]}},
    }  # fmt: skip
    text = (
        "Book a flight from Rome to New York in business class for 12 people with 950.5 euro on 2026-12-24, vegan, "
        "and write to ada@example.com"
    )
    turn = await lead(text, tools=[ToolSpec("book_flight", None, schema)], tool_choice="required")
    (call,) = turn.tool_calls
    assert json.loads(call.arguments) == {
        "origin": "Rome",
        "destination": "New York",
        "date": "2026-12-24",
        "people": 9,
        "budget": 950.5,
        "cabin": "business_class",
        "flexible": False,
        "tags": ["trip"],
        "contact": {"email": "ada@example.com"},
        "note": "Rome",
        "meal": "vegan",
    }


@pytest.mark.parametrize("parameters", [None, {}, {"type": "object"}])
async def test_a_tool_without_parameters_is_called_without_arguments(parameters: dict[str, Any] | None) -> None:
    turn = await lead("What time is it?", tools=[*TRANSFERS, ToolSpec("current_time", None, parameters)])
    assert [(call.name, call.arguments) for call in turn.tool_calls] == [("current_time", "{}")]


@pytest.mark.parametrize(
    "parameters",
    [
        {"type": "object", "properties": "many", "required": 5},
        {
            "type": "object",
            "properties": {"a": True, "b": {"enum": "no list"}, "c": {"type": "integer", "minimum": "x"}},
        },
        {"type": "object", "properties": {"a": {"$ref": "#/nowhere"}, "b": {"anyOf": [True]}, "c": {"type": []}}},
        {"type": "object", "properties": {"a": {"type": "array", "items": [1]}, "b": {"const": 10**30}}},
        {"$defs": {"N": {"properties": {"n": {"$ref": "#/$defs/N"}}}}, "properties": {"n": {"$ref": "#/$defs/N"}}},
    ],
)
async def test_a_schema_that_makes_no_sense_still_gives_a_call(parameters: dict[str, Any]) -> None:
    text = f"Hello {10**40} and 3"
    (call,) = (await lead(text, tools=[ToolSpec("odd", None, parameters)], tool_choice="required")).tool_calls
    assert isinstance(json.loads(call.arguments), dict)


async def test_any_output_of_a_tool_can_be_told() -> None:
    turn = await lead("What's the weather in Paris?", tools=[WEATHER])
    for output in ("[" * 1000 + "]" * 1000, "", "null", "(not answered)", "{", '{"a": [1, {"b": null}]}'):
        last = await lead("What's the weather in Paris?", *answered(turn, output), tools=[WEATHER])
        assert last.text.startswith("get_weather (city: Paris): ")
