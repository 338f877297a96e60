"""The whole service in this process: the real engine, the offline model, memory for storage."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from servers.app import App, create_app
from tests.servers.asgi import Connection, ask
from tests.servers.conftest import Configure
from tests.servers.doubles import WEATHER
from tests.servers.openai_schema import check

PATH = "/v1/chat/completions"


@pytest.fixture
async def app(configure: Configure) -> AsyncIterator[App]:
    app = create_app(configure(api_keys="k,acme:a"))
    async with app.lifespan():
        await app.opened()
        yield app


async def chat(app: App, *said: str, key: str = "k", **body: Any) -> Connection:
    roles = ("user", "assistant")
    messages = [{"role": roles[number % 2], "content": text} for number, text in enumerate(said)]
    request = {"model": "cortex-flow", "messages": messages, **body}
    return await ask(app, "POST", PATH, json=request, headers={"Authorization": f"Bearer {key}"})


def content(answer: Connection) -> str:
    text: str = answer.json()["choices"][0]["message"]["content"]
    return text


def streamed(answer: Connection) -> str:
    deltas = (event["choices"][0]["delta"] for event in answer.events()[:-1] if event["choices"])
    return "".join(delta.get("content", "") for delta in deltas)


async def test_a_greeting(app: App) -> None:
    answer = await chat(app, "Hello!")
    check("CreateChatCompletionResponse", answer.json())
    assert content(answer)
    assert answer.json()["metadata"]["agents_used"] == []
    assert answer.json()["metadata"]["iterations"] == 1


async def test_the_team_at_work(app: App) -> None:
    question = "Research what Cortex Flow is and write a report"
    whole = await chat(app, question)
    check("CreateChatCompletionResponse", whole.json())
    assert whole.json()["metadata"]["agents_used"][0] == "researcher"
    assert whole.headers["x-agents-used"].startswith("researcher")
    stream = await chat(app, question, stream=True, stream_options={"include_usage": True})
    for event in stream.events()[:-1]:
        check("CreateChatCompletionStreamResponse", event)
    assert streamed(stream) == content(whole)
    last = stream.events()[-2]
    assert {key: last["usage"][key] for key in ("prompt_tokens", "completion_tokens")} == {
        key: whole.json()["usage"][key] for key in ("prompt_tokens", "completion_tokens")
    }


@pytest.mark.parametrize("agent", ["researcher", "analyst", "writer"])
async def test_an_agent_alone(app: App, agent: str) -> None:
    answer = await chat(app, "What is Cortex Flow? And 2 + 2?", model=f"cortex-flow-{agent}")
    assert content(answer)
    assert answer.json()["metadata"]["agents_used"] == [agent]
    assert answer.json()["model"] == f"cortex-flow-{agent}"


async def test_a_conversation_goes_on_under_its_name(app: App) -> None:
    first = await chat(app, "My name is Alice.", conversation_id="my chat/7")
    second = await chat(app, "What is my name?", conversation_id="my chat/7")
    assert first.json()["conversation_id"] == second.json()["conversation_id"] == "my chat/7"
    assert first.json()["metadata"]["thread_id"] == second.json()["metadata"]["thread_id"]
    assert "Alice" in content(second)


async def test_a_name_that_was_given_comes_back_and_works(app: App) -> None:
    first = await chat(app, "My name is Alice.")
    name = first.headers["x-conversation-id"]
    assert name == first.json()["conversation_id"]
    headers = {"Authorization": "Bearer k", "X-Conversation-Id": name}
    body = {"messages": [{"role": "user", "content": "What is my name?"}]}
    second = await ask(app, "POST", PATH, json=body, headers=headers)
    assert "Alice" in content(second)
    assert second.headers["x-conversation-id"] == name


async def test_tenants_do_not_share_names(app: App) -> None:
    mine = await chat(app, "My name is Alice.", conversation_id="c")
    theirs = await chat(app, "What is my name?", conversation_id="c", key="a")
    assert mine.json()["metadata"]["thread_id"] != theirs.json()["metadata"]["thread_id"]
    assert "Alice" not in content(theirs)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_tool_of_the_clients(app: App, stream: bool) -> None:
    question = {"role": "user", "content": "Call get_weather for Rome"}
    named = {"type": "function", "function": {"name": "get_weather"}}
    body = {"messages": [question], "tools": [WEATHER], "tool_choice": named}
    first = (await ask(app, "POST", PATH, json=body, headers={"Authorization": "Bearer k"})).json()
    assert first["choices"][0]["finish_reason"] == "tool_calls"
    asking = first["choices"][0]["message"]
    [call] = asking["tool_calls"]
    output = {"role": "tool", "tool_call_id": call["id"], "content": "sunny, 24 degrees"}
    body = {"messages": [question, asking, output], "tools": [WEATHER], "stream": stream}
    second = await ask(app, "POST", PATH, json=body, headers={"Authorization": "Bearer k"})
    assert "24" in (streamed(second) if stream else content(second))
    ids = {event["id"] for event in second.events()[:-1]} if stream else {second.json()["id"]}
    assert ids == {f"{first['id']}-2"}, "the same run, its second answer"


async def test_a_limit_ends_the_answer(app: App) -> None:
    answer = await chat(app, "Hello!", max_tokens=3)
    assert answer.json()["choices"][0]["finish_reason"] == "length"
    assert answer.json()["usage"]["completion_tokens"] == 3


async def test_what_is_too_long_is_refused(app: App) -> None:
    answer = await chat(app, "word " * 9000)
    assert answer.status == 400
    assert (answer.error["code"], answer.error["param"]) == ("context_length_exceeded", "messages")


async def test_at_the_end_of_the_process_streams_end_well(
    configure: Configure, caplog: pytest.LogCaptureFixture
) -> None:
    app = create_app(configure())
    caplog.set_level(logging.INFO)
    async with app.lifespan():
        await app.opened()
        request = {"messages": [{"role": "user", "content": "Research what Cortex Flow is"}], "stream": True}
        connection = Connection(app, "POST", PATH, json=request)
        await connection.until(b"assistant")
        drained = asyncio.create_task(app.drain(10))
        assert (await connection.over()).events()[-1] == "[DONE]"
        await drained
