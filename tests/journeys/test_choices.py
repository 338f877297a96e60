"""Several choices for one request (`n`)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

import openai
import orjson
import pytest
from langchain_core.messages import HumanMessage
from langchain_openai import ChatOpenAI

from graph.tokens import open_tokenizer
from tests.journeys.chats import Chat, Talk, user
from tests.journeys.server import Server
from tests.journeys.stage import Stage
from tests.journeys.test_client_tools import WEATHER, asked, output
from tests.upstream import Body, Reply, Script, agent_of, in_order, transfer

pytestmark = pytest.mark.xdist_group("journeys-trouble")

NewId = Callable[[], str]


@pytest.fixture
def chat(scripted: Server) -> Chat:
    return Chat(scripted)


def at_once(*replies: Reply | str) -> Script:
    """These replies, when all of them have been asked for; then "Yes."."""
    said = [reply if isinstance(reply, Reply) else Reply(reply) for reply in replies]
    all_there, number = asyncio.Event(), count()

    async def script(body: Body) -> Reply:
        place = next(number)
        if place >= len(said):
            return Reply("Yes.")
        if place == len(said) - 1:
            all_there.set()
        await all_there.wait()
        return said[place]

    return lambda body: script(body)


def contents(answer: Any) -> list[str | None]:
    return [choice.message.content for choice in answer.choices]


def told(chunks: Sequence[Any]) -> dict[int, list[Any]]:
    """The choices in a stream's chunks, by their index."""
    by_index: dict[int, list[Any]] = {}
    for chunk in chunks:
        for choice in chunk.choices:
            by_index.setdefault(choice.index, []).append(choice)
    return by_index


def text(choices: Sequence[Any]) -> str:
    return "".join(choice.delta.content or "" for choice in choices)


def test_choices_are_made_at_the_same_time(chat: Chat, stage: Stage, new_id: NewId) -> None:
    id = new_id()
    stage.play(at_once("One.", "Two words.", "Three more words."))
    answer = chat.say("Count", id=id, n=3)
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert sorted(map(str, contents(answer))) == ["One.", "Three more words.", "Two words."]
    assert {choice.finish_reason for choice in answer.choices} == {"stop"}
    assert stage.max_open == 3
    tokens = open_tokenizer("gpt-4").count
    assert answer.usage.completion_tokens == sum(tokens(str(content)) for content in contents(answer))
    assert answer.usage.prompt_tokens < 20, "once"
    assert answer.metadata["usage_total"]["prompt_tokens"] == 30
    chat.say("Sure?", id=id)
    assert stage.prompt == [("user", "Count"), ("assistant", contents(answer)[0]), ("user", "Sure?")]


@pytest.mark.parametrize("usage", [False, True])
def test_streamed_choices(chat: Chat, stage: Stage, new_id: NewId, usage: bool) -> None:
    id = new_id()
    stage.play(at_once("One.", "Two words."))
    options = {"stream_options": {"include_usage": True}} if usage else {}
    chunks = list(chat.stream("Count", id=id, n=2, **options))
    by_index = told(chunks)
    assert sorted(by_index) == [0, 1]
    for choices in by_index.values():
        assert (choices[0].delta.role, choices[0].delta.content) == ("assistant", None)
        assert [choice.finish_reason for choice in choices if choice.finish_reason] == ["stop"]
        assert choices[-1].finish_reason == "stop"
    assert sorted(map(text, by_index.values())) == ["One.", "Two words."]
    assert len({chunk.id for chunk in chunks}) == 1
    assert {chunk.conversation_id for chunk in chunks} == {id}
    assert [hasattr(chunk, "metadata") for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert chunks[-1].metadata["usage_total"]["prompt_tokens"] == 20
    if usage:
        counted = open_tokenizer("gpt-4").count
        assert chunks[-1].usage.completion_tokens == counted("One.") + counted("Two words.")
    chat.say("Sure?", id=id)
    assert stage.prompt[1] == ("assistant", text(by_index[0]))


def test_the_first_word_of_any_choice_begins_the_answer(chat: Chat, stage: Stage) -> None:
    hold = stage.hold()
    stage.play(at_once(Reply(chunks=["late"], hold=hold), Reply("early bird")))
    stream = chat.stream("Go", n=2)
    words = ""
    while words != "early bird":
        words += next(stream).choices[0].delta.content or ""
    hold.release()
    assert "late" in text([choice for chunk in stream for choice in chunk.choices])


def test_the_clients_own_helper_for_streams(scripted: Server, stage: Stage) -> None:
    stage.play(at_once("One.", "Two words."))
    with scripted.client().chat.completions.stream(
        model="cortex-flow", messages=[{"role": "user", "content": "Count"}], n=2
    ) as events:
        completion = events.get_final_completion()
    assert sorted(str(choice.message.content) for choice in completion.choices) == ["One.", "Two words."]


def test_each_choice_has_its_team(chat: Chat, stage: Stage) -> None:
    supervisor = at_once(Reply(calls=[transfer("researcher")]), Reply(calls=[transfer("analyst")]))
    stage.play(lambda body: supervisor(body) if agent_of(body) == "supervisor" else Reply("Found."))
    answer = chat.say("Go", n=2)
    assert contents(answer) == ["Yes.", "Yes."]
    assert sorted(answer.metadata["agents_used"]) == ["analyst", "researcher"]
    assert answer.usage.agents_used == answer.metadata["agents_used"]
    assert answer.metadata["usage_total"]["prompt_tokens"] == 60
    assert set(answer.metadata["usage_by_agent"]) == {"supervisor", "researcher", "analyst"}


@pytest.mark.parametrize("taken", [0, 1])
def test_calls_of_either_choice_can_be_answered(chat: Chat, stage: Stage, new_id: NewId, taken: int) -> None:
    id = new_id()
    stage.play(at_once(asked("Rome"), asked("Oslo")))
    first = chat.say("Weather?", id=id, n=2, tools=[WEATHER])
    assert [choice.finish_reason for choice in first.choices] == ["tool_calls", "tool_calls"]
    message = first.choices[taken].message
    (call,) = message.tool_calls
    second = chat.say("Weather?", message, output(call, "sun"), id=id, tools=[WEATHER])
    assert contents(second) == ["Yes."]
    assert (second.metadata["run_id"] == first.metadata["run_id"]) is (taken == 0)
    chat.say("Thanks", id=id)
    assert stage.prompt == [
        ("user", "Weather?"),
        ("assistant", None),
        ("tool", "sun"),
        ("assistant", "Yes."),
        ("user", "Thanks"),
    ]
    made = next(each["tool_calls"] for each in stage.requests[-1].body["messages"] if each.get("tool_calls"))
    assert made[0]["function"]["arguments"] == call.function.arguments


def test_a_call_in_one_choice_and_words_in_another(chat: Chat, stage: Stage) -> None:
    stage.play(at_once(asked("Rome"), "No need."))
    chunks = told(list(chat.stream("Weather?", n=2, tools=[WEATHER])))
    assert sorted(choices[-1].finish_reason for choices in chunks.values()) == ["stop", "tool_calls"]


def test_outputs_answered_more_than_once(chat: Chat, stage: Stage) -> None:
    stage.play(in_order(asked("Rome"), "Sunny.", "Sunny."))
    (call,) = chat.say("Weather?", tools=[WEATHER]).choices[0].message.tool_calls
    second = chat.say(output(call, "sun"), n=2, tools=[WEATHER])
    assert contents(second) == ["Sunny.", "Sunny."]
    assert second.metadata["usage_total"]["prompt_tokens"] == 30


def test_a_choice_that_fails_fails_the_request(chat: Chat, stage: Stage, new_id: NewId) -> None:
    talk = Talk(chat, stage, new_id())
    stage.play(at_once(Reply("one two", hold=stage.hold()), Reply(status=401), "Fine."))
    with pytest.raises(openai.InternalServerError) as raised:
        chat.say("now", id=talk.id, n=3)
    assert (raised.value.status_code, raised.value.code) == (502, "upstream_error")
    stage.wait_closed(1)
    talk.is_as_before()


def test_a_streamed_choice_that_fails_ends_the_stream(
    scripted: Server, chat: Chat, stage: Stage, new_id: NewId
) -> None:
    talk = Talk(chat, stage, new_id())
    hold, broken = stage.hold(), {"message": "Broken.", "type": "server_error", "code": 500}
    stage.play(at_once("Whole.", Reply("one two", hold=stage.hold()), Reply("three four", hold=hold, error=broken)))
    body = {"messages": [user("now")], "conversation_id": talk.id, "n": 3, "stream": True}
    connection = scripted.wire().send(body=orjson.dumps(body))
    assert connection.event()["choices"]
    hold.release()
    answer = connection.answer()
    *chunks, error, done = answer.events
    assert (answer.status, error["error"]["code"], done) == (200, "upstream_error", "[DONE]")
    assert not any("metadata" in chunk or "error" in chunk for chunk in chunks)
    stage.wait_closed(1)
    talk.is_as_before()


@pytest.mark.parametrize("stream", [False, True])
def test_who_leaves_leaves_all_choices(scripted: Server, chat: Chat, stage: Stage, new_id: NewId, stream: bool) -> None:
    talk = Talk(chat, stage, new_id())
    stage.play(at_once("Whole.", *(Reply("one two", hold=stage.hold()) for _ in range(2))))
    body = {"messages": [user("now")], "conversation_id": talk.id, "n": 3, "stream": stream}
    connection = scripted.wire().send(body=orjson.dumps(body))
    if stream:
        assert connection.event()["choices"]
    stage.wait_requests(3)
    connection.close()
    stage.wait_closed(2)
    talk.is_as_before()


@pytest.mark.parametrize("stream", [False, True])
def test_all_choices_are_kept(chat: Chat, stage: Stage, stream: bool) -> None:
    stage.play(at_once("One.", "Two words."))
    options: Any = {"n": 2, "store": True}
    told = list(chat.stream("Count", **options))[-1] if stream else chat.say("Count", **options)
    kept = chat.client.chat.completions.retrieve(told.id)
    assert sorted(map(str, contents(kept))) == ["One.", "Two words."]


@pytest.mark.parametrize(
    ("n", "status", "code"), [(2, 429, "rate_limit_exceeded"), (3, 400, "integer_above_max_value")]
)
def test_choices_are_runs_that_count(strict: Server, stage: Stage, n: int, status: int, code: str) -> None:
    hold = stage.hold()
    stage.play(Reply("one two", hold=hold))
    chat = Chat(strict, api_key="key-of-red")
    stream = chat.stream("Go")
    next(stream)
    with pytest.raises(openai.APIStatusError) as raised:
        chat.say("Go", n=n)
    assert (raised.value.status_code, raised.value.code) == (status, code)
    assert len(stage.requests) == 1
    hold.release()
    list(stream)


def test_offline_too(offline: Server) -> None:
    answer = Chat(offline).say("Hello", n=2)
    assert len(answer.choices) == 2
    assert all(content and content.startswith("Hello!") for content in contents(answer))


def test_langchain(scripted: Server, stage: Stage) -> None:
    stage.play(at_once("One.", "Two words."))
    model: Any = ChatOpenAI  # its fields have aliases, which type checkers don't see
    llm = model(model="cortex-flow", base_url=f"{scripted.url}/v1", api_key="dummy", max_retries=0, n=2)
    result = llm.generate([[HumanMessage("Count")]])
    assert sorted(generation.text for generation in result.generations[0]) == ["One.", "Two words."]
