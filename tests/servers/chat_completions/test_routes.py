"""`POST /v1/chat/completions` over a scripted engine."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agents.models.port import Message
from graph.tokens import open_tokenizer
from servers.app import App
from tests import stories
from tests.servers.asgi import Connection, ask
from tests.servers.conftest import Serve
from tests.servers.doubles import ScriptedEngine
from tests.servers.openai_schema import check
from tests.stories import CONVERSATION, RUN, Story

PATH = "/v1/chat/completions"
USER = {"role": "user", "content": "Hi"}


async def chat(app: App, headers: dict[str, str] | None = None, **body: Any) -> Connection:
    return await ask(app, "POST", PATH, json={"model": "cortex-flow", "messages": [USER], **body}, headers=headers)


def tokens(text: str) -> int:
    return open_tokenizer("gpt-4").count(text)


async def test_a_whole_answer(serve: Serve) -> None:
    answer = await chat(await serve())
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-conversation-id"] == f"conv_{CONVERSATION}"
    assert answer.headers["x-agents-used"] == ""
    body = answer.json()
    check("CreateChatCompletionResponse", body)
    assert body["choices"][0]["message"]["content"] == "Hello, world."
    assert body["system_fingerprint"] == "offline"
    assert body["id"] == f"chatcmpl-{RUN}"


@pytest.mark.parametrize("stream", [False, True])
async def test_usage_is_what_tiktoken_counts(serve: Serve, stream: bool) -> None:
    messages = [
        {"role": "system", "content": "Be brief.", "name": "boss"},
        {"role": "user", "content": [{"type": "text", "text": "Why is the sky blue?"}]},
    ]
    options: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
    answer = await chat(await serve(), messages=messages, **options)
    usage = answer.events()[-2]["usage"] if stream else answer.json()["usage"]
    prompt = 3 + (3 + 1 + tokens("system") + tokens("Be brief.") + tokens("boss"))
    prompt += 3 + tokens("user") + tokens("Why is the sky blue?")
    assert usage["prompt_tokens"] == prompt
    assert usage["completion_tokens"] == tokens("Hello, world.")
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


async def test_usage_of_the_clients_calls(serve: Serve) -> None:
    usage = (await chat(await serve(ScriptedEngine(stories.CLIENT_CALLS)))).json()["usage"]
    expected = sum(map(tokens, ("get_weather", '{"city":"Rome"}', "get_weather", '{"city":"Oslo"}')))
    assert usage["completion_tokens"] == expected


async def test_who_worked_stands_in_a_header(serve: Serve) -> None:
    answer = await chat(await serve(ScriptedEngine(stories.PARALLEL)))
    assert answer.headers["x-agents-used"] == "researcher, analyst"


async def test_what_the_engine_is_asked(serve: Serve) -> None:
    engine = ScriptedEngine()
    app = await serve(engine, model_aliases="gpt-*=cortex-flow-writer", stream_progress=True)
    headers = {"x-session-id": "session"}
    await chat(app, headers, model="gpt-4o", stream=True, user="me", conversation_id="mine")
    await chat(app, headers, model=None)
    first, second = engine.requests
    assert (first.agent, first.model, first.label, first.conversation) == ("writer", None, "gpt-4o", "mine")
    assert (first.watched, first.progress, first.params.stream) == (True, True, True)
    assert (second.agent, second.label, second.conversation) == ("supervisor", "cortex-flow", "session")
    assert (second.watched, second.progress, second.params.stream) == (False, False, False)
    assert first.messages == second.messages == (Message("user", "Hi"),)


async def test_an_unknown_model(serve: Serve) -> None:
    engine = ScriptedEngine()
    answer = await chat(await serve(engine), model="gpt-4o")
    assert answer.status == 404
    assert (answer.error["code"], answer.error["param"]) == ("model_not_found", "model")
    assert not engine.requests


async def test_a_streamed_answer(serve: Serve) -> None:
    answer = await chat(await serve(), stream=True)
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["x-conversation-id"] == f"conv_{CONVERSATION}"
    *events, done = answer.events()
    assert done == "[DONE]"
    assert "".join(event["choices"][0]["delta"].get("content", "") for event in events) == "Hello, world."
    assert events[-1]["metadata"]["run_id"] == f"run_{RUN}"


async def test_names_of_conversations_come_back(serve: Serve) -> None:
    story = Story("named", stories.accepted(conversation="café 100%"), stories.PLAIN.events)
    app = await serve(ScriptedEngine(story))
    whole, streamed = await chat(app), await chat(app, stream=True)
    assert whole.headers["x-conversation-id"] == streamed.headers["x-conversation-id"] == "caf%C3%A9 100%25"
    assert whole.json()["conversation_id"] == streamed.events()[0]["conversation_id"] == "café 100%"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("story", "status", "code"),
    [(stories.FAILED_AT_ONCE, 429, "rate_limit_exceeded"), (stories.EXPIRED, 504, "run_expired")],
    ids=lambda value: getattr(value, "name", str(value)),
)
async def test_a_failure_before_the_first_word_is_a_status(
    serve: Serve, story: Story, status: int, code: str, stream: bool
) -> None:
    answer = await chat(await serve(ScriptedEngine(story)), stream=stream)
    assert (answer.status, answer.error["code"]) == (status, code)


async def test_a_failure_after_it_is_one_too_where_nothing_was_sent(serve: Serve) -> None:
    answer = await chat(await serve(ScriptedEngine(stories.FAILED_LATE)))
    assert (answer.status, answer.error["code"]) == (502, "upstream_error")


async def test_a_failure_after_the_first_word_is_a_frame(serve: Serve) -> None:
    answer = await chat(await serve(ScriptedEngine(stories.FAILED_LATE)), stream=True)
    assert answer.status == 200
    *_, error, done = answer.events()
    assert (error["error"]["code"], done) == ("upstream_error", "[DONE]")


async def test_tokens_arrive_while_the_next_ones_are_made(serve: Serve) -> None:
    hold = asyncio.Event()
    app = await serve(ScriptedEngine(hold_at=3, hold=hold))
    connection = Connection(app, "POST", PATH, json={"messages": [USER], "stream": True})
    await connection.until(b'"Hello"')
    assert b"world" not in connection.body
    hold.set()
    assert (await connection.over()).events()[-1] == "[DONE]"


@pytest.mark.parametrize(("stream", "held_at"), [(False, 0), (True, 1), (True, 3)])
async def test_a_client_that_leaves_cancels_its_run(serve: Serve, stream: bool, held_at: int) -> None:
    engine = ScriptedEngine(hold_at=held_at, hold=asyncio.Event())
    connection = Connection(await serve(engine), "POST", PATH, json={"messages": [USER], "stream": stream})
    if held_at == 3:
        await connection.until(b'"Hello"')
    connection.leave()
    await connection.over()
    assert engine.cancelled.is_set()


async def test_a_client_that_leaves_while_sending_starts_nothing(serve: Serve) -> None:
    engine = ScriptedEngine()
    connection = Connection(await serve(engine), "POST", PATH, body=b'{"mess', ended=False)
    connection.leave()
    await connection.over()
    assert not engine.requests


async def test_progress(serve: Serve) -> None:
    story = stories.DELEGATED
    asked = Story(story.name, stories.accepted("Research tea", progress=True), story.events)
    options: dict[str, Any] = {"stream": True, "stream_options": {"include_progress": True}}
    events = (await chat(await serve(ScriptedEngine(asked)), **options)).events()[:-1]
    thoughts = [event["choices"][0]["delta"].get("reasoning_content", "") for event in events]
    assert "".join(thoughts) == "**researcher**\n\ntea\n\nresearcher at work"
