"""Tools of the client's own: offered, called, answered, and no hindrance to a plain answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import openai
import pytest

from tests.journeys.chats import Chat, contents, user
from tests.journeys.server import Server
from tests.journeys.stage import Stage, lines
from tests.upstream import Reply, by_agent, in_order, transfer

pytestmark = pytest.mark.xdist_group("journeys-trouble")

NewId = Callable[[], str]
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER: Any = {
    "type": "function",
    "function": {"name": "weather", "description": "The weather in a city", "parameters": CITY},
}
FRONTEND: Any = [
    WEATHER,
    {"type": "function", "function": {"name": "generate_image", "parameters": {"type": "object", "properties": {}}}},
    {"type": "web_search"},
    {"type": "tool_of_tomorrow", "options": {"x": 1}},
]


@pytest.fixture
def chat(scripted: Server) -> Chat:
    return Chat(scripted)


def output(call: Any, text: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call.id, "content": text}


def asked(*cities: str) -> Reply:
    return Reply(calls=[("weather", {"city": city}) for city in cities])


def message_of(stream: Any) -> Any:
    """The message that a streamed answer adds up to, as clients add it up, and why it ended."""
    calls: dict[int, dict[str, str]] = {}
    text, finish = "", None
    for chunk in stream:
        (choice,) = chunk.choices
        text += choice.delta.content or ""
        finish = choice.finish_reason or finish
        for part in choice.delta.tool_calls or ():
            if part.id:
                assert part.index == len(calls)
                calls[part.index] = {"id": part.id, "name": part.function.name, "arguments": ""}
            calls[part.index]["arguments"] += part.function.arguments
    return text, list(calls.values()), finish


@pytest.mark.parametrize("streaming", [False, True])
def test_a_frontends_tools_are_no_hindrance(chat: Chat, stage: Stage, streaming: bool) -> None:
    stage.play("Just words.")
    say = chat.streamed if streaming else chat.text
    assert say("Hello", tools=FRONTEND, tool_choice="auto", parallel_tool_calls=True) == "Just words."
    offered = {tool["function"]["name"] for tool in stage.requests[0].body["tools"]}
    assert offered == {
        "weather",
        "generate_image",
        "transfer_to_researcher",
        "transfer_to_analyst",
        "transfer_to_writer",
    }


@pytest.mark.parametrize("streaming", [False, True])
def test_offline_too(offline: Server, streaming: bool) -> None:
    chat = Chat(offline)
    say = chat.streamed if streaming else chat.text
    assert say("Hello", tools=FRONTEND).startswith("Hello!")


def test_a_call_and_its_output(chat: Chat, stage: Stage, new_id: NewId) -> None:
    id = new_id()
    stage.play(in_order(asked("Rome"), "Sunny in Rome."))
    first = chat.say("Weather in Rome?", id=id, tools=[WEATHER])
    (choice,) = first.choices
    assert (choice.finish_reason, choice.message.content) == ("tool_calls", None)
    (call,) = choice.message.tool_calls
    assert (call.type, call.function.name, call.function.arguments) == ("function", "weather", '{"city":"Rome"}')
    assert call.id.startswith("call_")
    assert len(call.id) <= 40
    second = chat.say("Weather in Rome?", choice.message, output(call, "sun"), id=id, tools=[WEATHER])
    assert second.choices[0].message.content == "Sunny in Rome."
    assert second.choices[0].finish_reason == "stop"
    assert first.id != second.id
    assert second.id.startswith(first.id)
    assert stage.prompt == [("user", "Weather in Rome?"), ("assistant", None), ("tool", "sun")]


def test_a_streamed_call_and_its_streamed_output(chat: Chat, stage: Stage, new_id: NewId) -> None:
    id = new_id()
    stage.play(in_order(asked("Rome", "Oslo"), "Sun and snow."))
    text, calls, finish = message_of(chat.stream("Weather?", id=id, tools=[WEATHER]))
    assert (text, finish) == ("", "tool_calls")
    assert [(each["name"], each["arguments"]) for each in calls] == [
        ("weather", '{"city":"Rome"}'),
        ("weather", '{"city":"Oslo"}'),
    ]
    rome, oslo = [each["id"] for each in calls]
    outputs = [  # in another order than they were asked
        {"role": "tool", "tool_call_id": oslo, "content": "snow"},
        {"role": "tool", "tool_call_id": rome, "content": "sun"},
    ]
    assert chat.streamed(*outputs, id=id, tools=[WEATHER]) == "Sun and snow."
    assert [content for role, content in stage.prompt if role == "tool"] == ["sun", "snow"]


def test_without_an_id_the_call_itself_leads_back(chat: Chat, stage: Stage) -> None:
    stage.play(in_order(asked("Rome"), "Sunny."))
    first = chat.say("Weather?", tools=[WEATHER])
    (call,) = first.choices[0].message.tool_calls
    second = chat.say(output(call, "sun"), tools=[WEATHER])
    assert second.choices[0].message.content == "Sunny."
    assert second.metadata["run_id"] == first.metadata["run_id"]
    assert second.metadata["thread_id"] == first.metadata["thread_id"]


def test_metadata_is_of_the_whole_run(chat: Chat, stage: Stage) -> None:
    supervisor = lines(Reply(calls=[transfer("researcher")]), asked("Rome"), "Sunny.")
    stage.play(by_agent(supervisor=supervisor, researcher=["Rome is a city."]))
    first = chat.say("Weather?", tools=[WEATHER])
    assert (first.metadata["agents_used"], first.metadata["iterations"]) == (["researcher"], 2)
    (call,) = first.choices[0].message.tool_calls
    second = chat.say(output(call, "sun"), tools=[WEATHER])
    assert (second.metadata["agents_used"], second.metadata["iterations"]) == (["researcher"], 3)
    assert second.metadata["usage_total"]["prompt_tokens"] == 40


def test_the_user_may_add_something(chat: Chat, stage: Stage, new_id: NewId) -> None:
    id = new_id()
    stage.play(in_order(asked("Rome"), "Warm and sunny.", "Yes."))
    first = chat.say("Weather?", id=id, tools=[WEATHER]).choices[0].message
    (call,) = first.tool_calls
    chat.say("Weather?", first, output(call, "sun"), "In Celsius, please.", id=id, tools=[WEATHER])
    assert stage.prompt == [
        ("user", "Weather?"),
        ("assistant", None),
        ("tool", "sun"),
        ("user", "In Celsius, please."),
    ]
    chat.say("Sure?", id=id)
    assert stage.prompt[-3:] == [
        ("user", "In Celsius, please."),
        ("assistant", "Warm and sunny."),
        ("user", "Sure?"),
    ]


def test_who_goes_on_without_answering(chat: Chat, stage: Stage, new_id: NewId) -> None:
    id = new_id()
    stage.play(in_order(asked("Rome"), "Never mind."))
    (call,) = chat.say("Weather?", id=id, tools=[WEATHER]).choices[0].message.tool_calls
    assert chat.text("Forget it.", id=id) == "Never mind."
    assert stage.prompt == [
        ("user", "Weather?"),
        ("assistant", None),
        ("tool", "(not answered)"),
        ("user", "Forget it."),
    ]
    with pytest.raises(openai.BadRequestError):
        chat.say(output(call, "sun"), id=id, tools=[WEATHER])


def test_an_answer_is_taken_once(chat: Chat, stage: Stage) -> None:
    stage.play(in_order(asked("Rome"), "Sunny."))
    (call,) = chat.say("Weather?", tools=[WEATHER]).choices[0].message.tool_calls
    chat.say(output(call, "sun"), tools=[WEATHER])
    with pytest.raises(openai.BadRequestError):
        chat.say(output(call, "rain"), tools=[WEATHER])
    assert len(stage.requests) == 2


def test_outputs_must_name_all_open_calls(chat: Chat, stage: Stage) -> None:
    stage.play(in_order(asked("Rome", "Oslo"), "Both."))
    rome, oslo = chat.say("Weather?", tools=[WEATHER]).choices[0].message.tool_calls
    with pytest.raises(openai.BadRequestError) as raised:
        chat.say(output(rome, "sun"), tools=[WEATHER])
    assert oslo.id in raised.value.message
    assert chat.text(output(rome, "sun"), output(oslo, "snow"), tools=[WEATHER]) == "Both."


def test_a_failed_answer_may_be_sent_again(chat: Chat, stage: Stage) -> None:
    stage.play(in_order(asked("Rome"), Reply(status=401), "Sunny."))
    (call,) = chat.say("Weather?", tools=[WEATHER]).choices[0].message.tool_calls
    with pytest.raises(openai.InternalServerError):
        chat.say(output(call, "sun"), tools=[WEATHER])
    assert chat.text(output(call, "sun"), tools=[WEATHER]) == "Sunny."


def test_a_history_with_calls_is_recognised(chat: Chat, stage: Stage, new_id: NewId) -> None:
    id = new_id()
    stage.play(in_order(asked("Rome"), "Sunny.", "Bye."))
    question = user("Weather?")
    first = chat.say(question, id=id, tools=[WEATHER]).choices[0].message
    done = output(first.tool_calls[0], "sun")
    second = chat.say(question, first, done, id=id, tools=[WEATHER]).choices[0].message
    chat.say(question, first, done, second, "Thanks", id=id, tools=[WEATHER])
    whole = stage.prompt
    stage.play("End.")
    chat.say("The end", id=id)
    assert stage.prompt == [*whole, ("assistant", "Bye."), ("user", "The end")]
    assert [role for role, _ in whole] == ["user", "assistant", "tool", "assistant", "user"]


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "weather"}}])
def test_a_forced_choice_holds_for_the_first_turn(chat: Chat, stage: Stage, choice: Any) -> None:
    stage.play(in_order(asked("Rome"), "Sunny."))
    (call,) = chat.say("Weather?", tools=[WEATHER], tool_choice=choice).choices[0].message.tool_calls
    assert chat.text(output(call, "sun"), tools=[WEATHER], tool_choice=choice) == "Sunny."
    forced, free = [request.body for request in stage.requests]
    assert forced["tool_choice"] == choice
    assert [tool["function"]["name"] for tool in forced["tools"]] == ["weather"]
    assert "tool_choice" not in free
    assert len(free["tools"]) == 4


@pytest.mark.parametrize("name", ["transfer_to_researcher", "search", "python"])
def test_a_name_of_ours_may_be_the_clients(chat: Chat, stage: Stage, name: str) -> None:
    tool: Any = {"type": "function", "function": {"name": name, "description": "The client's own"}}
    stage.play(Reply(calls=[(name, {"q": 1})]))
    (call,) = chat.say("Do it", tools=[tool]).choices[0].message.tool_calls
    assert call.function.name == name
    offered = [each["function"] for each in stage.requests[0].body["tools"]]
    assert len({each["name"] for each in offered}) == 4
    assert next(each for each in offered if each["name"] == name)["description"] == "The client's own"


def test_an_agent_alone_may_use_them(chat: Chat, stage: Stage) -> None:
    stage.play(in_order(asked("Rome"), "Sunny."))
    (call,) = chat.say("Weather?", model="cortex-flow-analyst", tools=[WEATHER]).choices[0].message.tool_calls
    assert {tool["function"]["name"] for tool in stage.requests[0].body["tools"]} == {"python", "weather"}
    assert chat.text(output(call, "sun"), model="cortex-flow-analyst", tools=[WEATHER]) == "Sunny."
    assert stage.agents == ["analyst", "analyst"]


def test_the_round_trip_offline(offline: Server) -> None:
    chat = Chat(offline)
    first = chat.say("What is the weather in Rome?", tools=[WEATHER]).choices[0].message
    (call,) = first.tool_calls
    assert (call.function.name, call.function.arguments) == ("weather", '{"city":"Rome"}')
    answer = "".join(contents(chat.stream("What is the weather in Rome?", first, output(call, "sun"), tools=[WEATHER])))
    assert "sun" in answer


STRICT: Any = {"type": "function", "function": {"name": "clock", "parameters": CITY, "strict": True}}
CLOCK: Any = {"type": "function", "function": {"name": "clock"}}


@pytest.mark.parametrize("parallel", [True, False])
def test_tools_reach_the_upstream_as_sent(chat: Chat, stage: Stage, parallel: bool) -> None:
    stage.play("Words.")
    chat.say("Weather?", tools=[WEATHER, STRICT], parallel_tool_calls=parallel)
    (asked,) = stage.requests
    assert asked.body["tools"][:2] == [WEATHER, STRICT]
    assert asked.body["parallel_tool_calls"] is parallel
    assert "tool_choice" not in asked.body


@pytest.mark.parametrize(
    ("choice", "told", "offered"),
    [
        ("auto", "auto", ["weather", "clock", "transfer_to_researcher", "transfer_to_analyst", "transfer_to_writer"]),
        ("required", "required", ["weather", "clock"]),
        ("none", None, ["transfer_to_researcher", "transfer_to_analyst", "transfer_to_writer"]),
        (CLOCK, CLOCK, ["weather", "clock"]),
        (  # only these are offered, so that it holds with every provider
            {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [CLOCK]}},
            "required",
            ["clock"],
        ),
    ],
)
def test_every_kind_of_choice_reaches_the_upstream(
    chat: Chat, stage: Stage, choice: Any, told: Any, offered: list[str]
) -> None:
    stage.play("Words.")
    chat.say("Weather?", tools=[WEATHER, STRICT], tool_choice=choice)
    (asked,) = stage.requests
    assert asked.body.get("tool_choice") == told
    assert [tool["function"]["name"] for tool in asked.body["tools"]] == offered
