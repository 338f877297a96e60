"""`functions` and `function_call`, as OpenAI's first clients spoke of tools: one call at a time, known by its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import openai
import pytest

from tests.journeys.chats import Chat, user
from tests.journeys.server import Server
from tests.journeys.stage import Stage
from tests.upstream import Reply, in_order

pytestmark = pytest.mark.xdist_group("journeys-trouble")

NewId = Callable[[], str]
WEATHER: Any = {
    "name": "weather",
    "description": "The weather in a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}
CLOCK: Any = {"name": "clock", "parameters": {"type": "object", "properties": {}}}
BOTH: dict[str, Any] = {"functions": [WEATHER, CLOCK]}
ASKED = Reply(calls=[("weather", {"city": "Rome"})])


@pytest.fixture
def chat(scripted: Server) -> Chat:
    return Chat(scripted)


def output(text: str, name: str = "weather") -> dict[str, Any]:
    return {"role": "function", "name": name, "content": text}


def told(chat: Chat, *said: Any, stream: bool, **fields: Any) -> tuple[str | None, Any, str]:
    """Content, function call and the reason to stop."""
    if not stream:
        (choice,) = chat.say(*said, **fields).choices
        assert choice.message.tool_calls is None
        call = choice.message.function_call
        return choice.message.content, call and (call.name, call.arguments), choice.finish_reason
    choices = [chunk.choices[0] for chunk in chat.stream(*said, **fields)]
    assert not any(choice.delta.tool_calls for choice in choices)
    parts = [choice.delta.function_call for choice in choices if choice.delta.function_call]
    call = (parts[0].name, "".join(part.arguments for part in parts)) if parts else None
    assert all(part.name is None for part in parts[1:])
    return "".join(choice.delta.content or "" for choice in choices) or None, call, choices[-1].finish_reason


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("whole", [False, True])
def test_a_call_and_its_output(chat: Chat, stage: Stage, new_id: NewId, stream: bool, whole: bool) -> None:
    id = new_id()
    stage.play(in_order(ASKED, "Sunny.", "Bye."))
    text, call, finish = told(chat, "Weather?", id=id, stream=stream, **BOTH)
    assert (text, call, finish) == (None, ("weather", '{"city":"Rome"}'), "function_call")
    asking = {"role": "assistant", "content": None, "function_call": {"name": call[0], "arguments": '{"city": "Rome"}'}}
    before = [user("Weather?"), asking] if whole else []
    answer = told(chat, *before, output("sun"), id=id, stream=stream, **(BOTH if whole else {}))
    assert answer == ("Sunny.", None, "stop")
    assert stage.prompt == [("user", "Weather?"), ("assistant", None), ("tool", "sun")]
    (calling, tool) = stage.requests[-1].body["messages"][-2:]
    assert calling["tool_calls"][0]["id"] == tool["tool_call_id"]
    history = [user("Weather?"), asking, output("sun"), {"role": "assistant", "content": "Sunny."}]
    said = chat.say(*(history if whole else []), "Thanks", id=id)
    assert stage.prompt[3:] == [("assistant", "Sunny."), ("user", "Thanks")]
    assert said.metadata["iterations"] == 1
    stage.play("End.")
    chat.say("The end", id=id)
    assert [role for role, _ in stage.prompt] == ["user", "assistant", "tool", "assistant", "user", "assistant", "user"]


def test_it_is_the_run_that_waited(chat: Chat, stage: Stage, new_id: NewId) -> None:
    id = new_id()
    stage.play(in_order(ASKED, Reply(calls=[("clock", {})]), "Sunny at noon."))
    first = chat.say("Weather?", id=id, **BOTH)
    second = chat.say(output("sun"), id=id)
    assert second.choices[0].message.function_call.name == "clock"
    with pytest.raises(openai.BadRequestError):
        chat.say(output("sun"), id=id)  # that call has been answered
    third = chat.say(output("noon", "clock"), id=id)
    assert {each.metadata["run_id"] for each in (first, second, third)} == {first.metadata["run_id"]}
    assert third.choices[0].message.content == "Sunny at noon."
    assert [content for role, content in stage.prompt if role == "tool"] == ["sun", "noon"]


@pytest.mark.parametrize("stream", [False, True])
def test_without_an_id_the_list_says_it_all(chat: Chat, stage: Stage, stream: bool) -> None:
    stage.play(in_order(ASKED, "Sunny."))
    first = chat.say("Weather?", **BOTH).choices[0].message
    assert told(chat, "Weather?", first, output("sun"), stream=stream, **BOTH) == ("Sunny.", None, "stop")
    assert stage.prompt == [("user", "Weather?"), ("assistant", None), ("tool", "sun")]


def test_never_in_parallel(chat: Chat, stage: Stage, new_id: NewId) -> None:
    id = new_id()
    stage.play(in_order(Reply(calls=[("weather", {"city": "Rome"}), ("weather", {"city": "Oslo"})]), "Sunny."))
    assert told(chat, "Weather?", id=id, stream=True, **BOTH)[1] == ("weather", '{"city":"Rome"}')
    assert stage.requests[0].body["parallel_tool_calls"] is False
    assert chat.text(output("sun"), id=id) == "Sunny."


@pytest.mark.parametrize(
    ("choice", "upstream"),
    [("auto", "auto"), ({"name": "clock"}, {"type": "function", "function": {"name": "clock"}})],
)
def test_the_choice_goes_upstream(chat: Chat, stage: Stage, choice: Any, upstream: Any) -> None:
    stage.play("Words.")
    chat.say("Hi", function_call=choice, **BOTH)
    (asked,) = stage.requests
    assert asked.body["tool_choice"] == upstream
    offered = [tool["function"] for tool in asked.body["tools"]]
    assert offered[:2] == [WEATHER, CLOCK]
    assert not {"functions", "function_call"} & set(asked.body)


def test_none_withdraws_the_functions(chat: Chat, stage: Stage) -> None:
    stage.play("Words.")
    chat.say("Hi", function_call="none", **BOTH)
    names = [tool["function"]["name"] for tool in stage.requests[0].body["tools"]]
    assert all(name.startswith("transfer_to_") for name in names)


def test_an_edited_call_is_plain_history(chat: Chat, stage: Stage, new_id: NewId) -> None:
    id = new_id()
    stage.play(in_order(ASKED, "Snow."))
    first = chat.say("Weather?", id=id, **BOTH)
    other = {"role": "assistant", "function_call": {"name": "weather", "arguments": '{"city":"Oslo"}'}}
    second = chat.say("Weather in Oslo?", other, output("snow"), id=id, **BOTH)
    assert second.metadata["run_id"] != first.metadata["run_id"]
    assert stage.prompt == [("user", "Weather in Oslo?"), ("assistant", None), ("tool", "snow")]


@pytest.mark.parametrize(
    ("said", "param"),
    [
        (["Hi", output("sun")], "messages"),
        ([output("sun")], "messages"),
        (["Hi", {"role": "assistant", "content": "Hello"}, output("sun")], "messages[2].name"),
    ],
)
@pytest.mark.parametrize("named", [False, True])
def test_an_output_of_what_nobody_called(
    chat: Chat, stage: Stage, new_id: NewId, named: bool, said: Any, param: str
) -> None:
    stage.play("Never.")
    with pytest.raises(openai.BadRequestError) as refused:
        chat.say(*said, id=new_id() if named else None, **BOTH)
    assert refused.value.param == param
    assert not stage.requests


def test_offline_too(offline: Server, new_id: NewId) -> None:
    chat, id = Chat(offline), new_id()
    (choice,) = chat.say("What is the weather in Rome?", id=id, functions=[WEATHER]).choices
    assert choice.finish_reason == "function_call"
    assert "sunny" in chat.text(output("sunny"), id=id)
