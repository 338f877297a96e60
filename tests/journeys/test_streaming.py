"""The stream is real, and has the shape that clients rely on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import pytest

from agents.models.port import Message
from graph.tokens import open_tokenizer
from tests.journeys.chats import Chat, contents, until, user
from tests.journeys.server import Server
from tests.journeys.stage import Stage, lines
from tests.upstream import Reply, by_agent, transfer

pytestmark = pytest.mark.xdist_group("journeys-talk")


@pytest.fixture
def chat(scripted: Server) -> Chat:
    return Chat(scripted)


def test_words_arrive_while_the_upstream_is_still_speaking(chat: Chat, stage: Stage) -> None:
    hold = stage.hold()
    stage.play(Reply(chunks=["First. ", "Second. ", "Third."], hold=hold))
    pieces = contents(chat.stream("Speak"))
    said = until(pieces, "First. Second. ")
    assert stage.open == 1
    hold.release()
    assert said + "".join(pieces) == "First. Second. Third."


def test_the_final_writer_streams(chat: Chat, stage: Stage) -> None:
    hold = stage.hold()
    supervisor = lines(Reply(calls=[transfer("writer", "Write.", final=True)]))
    stage.play(by_agent(supervisor=supervisor, writer=[Reply(chunks=["Roses", " are red."], hold=hold)]))
    pieces = contents(chat.stream("A poem"))
    assert next(pieces) == "Roses"
    assert (stage.agents, stage.open) == (["supervisor", "writer"], 1)
    hold.release()
    assert "".join(pieces) == " are red."


def test_a_stream_opens_while_agents_are_at_work(chat: Chat, stage: Stage) -> None:
    hold = stage.hold()
    supervisor = lines(Reply(calls=[transfer("researcher")]), "Here.")
    stage.play(by_agent(supervisor=supervisor, researcher=[Reply("Secret.", hold=hold)]))
    stream = chat.stream("Find it")
    first = next(stream)
    assert first.choices[0].delta.role == "assistant"
    assert first.choices[0].delta.content is None
    stage.wait_requests(2)
    assert stage.open == 1
    hold.release()
    assert "".join(contents(stream)) == "Here."


def test_no_word_of_an_agent_reaches_the_stream(scripted: Server, stage: Stage) -> None:
    supervisor = lines(Reply(calls=[transfer("researcher", "hidden-task")]), "The answer.")
    stage.play(by_agent(supervisor=supervisor, researcher=[Reply("hidden-finding", reasoning="hidden-thought")]))
    answer = scripted.wire().ask(json={"messages": [user("Find it")], "stream": True})
    assert b"hidden" not in answer.body
    deltas = (event["choices"][0]["delta"] for event in answer.events[:-1])
    assert "".join(delta.get("content", "") for delta in deltas) == "The answer."


def test_the_work_is_shown_as_reasoning_to_those_who_ask(chat: Chat, stage: Stage) -> None:
    supervisor = lines(Reply(calls=[transfer("researcher", "Look for tea.")]), "The answer.")
    stage.play(by_agent(supervisor=supervisor, researcher=["Tea is a drink."]))
    chunks: list[Any] = list(chat.stream("Find it", stream_options={"include_progress": True}))
    thoughts = "".join(getattr(each.choices[0].delta, "reasoning_content", None) or "" for each in chunks)
    assert "researcher" in thoughts
    assert "Look for tea." in thoughts
    assert "Tea is a drink." in thoughts
    assert "".join(contents(chunks)) == "The answer."


def test_without_usage_each_chunk_has_a_choice(chat: Chat, stage: Stage) -> None:
    stage.play("one two")
    chunks = list(chat.stream("Count"))
    assert all(len(chunk.choices) == 1 for chunk in chunks)
    assert all(chunk.usage is None for chunk in chunks)
    assert [chunk.metadata is not None for chunk in chunks if hasattr(chunk, "metadata")] == [True]
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert chunks[-1].metadata["agents_used"] == []


def test_usage_comes_in_a_chunk_of_its_own(chat: Chat, stage: Stage) -> None:
    stage.play("one two")
    *chunks, last = chat.stream("Count", stream_options={"include_usage": True})
    assert last.choices == []
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)
    counted = open_tokenizer("gpt-4")
    assert last.usage.prompt_tokens == counted.count_messages([Message("user", "Count")])
    assert last.usage.completion_tokens == counted.count("one two")
    assert last.metadata["iterations"] == 1
    assert not any(hasattr(chunk, "metadata") for chunk in chunks)


def test_all_chunks_say_whose_they_are(chat: Chat, stage: Stage, new_id: Callable[[], str]) -> None:
    stage.play("one two three")
    id = new_id()
    chunks = list(chat.stream("Count", id=id, stream_options={"include_usage": True}))
    assert {chunk.conversation_id for chunk in chunks} == {id}
    assert len({(chunk.id, chunk.created, chunk.model, chunk.object) for chunk in chunks}) == 1


def test_a_stream_and_a_plain_answer_say_the_same(chat: Chat, stage: Stage) -> None:
    text = 'Ümlaut, 日本語, 👩‍👩‍👧, \\n, "quotes"\n\n- list\u2028end'
    stage.play(Reply(text, chunks=len(text)))
    assert chat.text("Say it") == text
    assert chat.streamed("Say it") == text


@pytest.mark.parametrize("id", ["plain", "with spaces / and ünïcödé 日本", "100% sure"])
@pytest.mark.parametrize("stream", [True, False])
def test_the_headers_of_an_answer(scripted: Server, stage: Stage, id: str, stream: bool) -> None:
    stage.play(by_agent(supervisor=[Reply(calls=[transfer("analyst")]), "Done."], analyst=["Two."]))
    body = {"messages": [user("Go")], "conversation_id": id, "history": "full", "stream": stream}
    headers = scripted.wire().ask(json=body).headers
    assert unquote(headers["x-conversation-id"]) == id
    assert headers["x-conversation-id"].isascii()
    assert headers["x-request-id"].startswith("req_")
    assert headers.get("x-agents-used") == (None if stream else "analyst")
    assert headers["content-type"].partition(";")[0] == ("text/event-stream" if stream else "application/json")
    assert (headers.get("cache-control"), headers.get("connection")) == (
        ("no-cache", "keep-alive") if stream else (None, None)
    )


def test_a_request_keeps_the_id_it_came_with(scripted: Server, stage: Stage) -> None:
    stage.play("Hi")
    answer = scripted.wire().ask(json={"messages": [user("Hi")]}, headers={"X-Request-Id": "trace-42"})
    assert answer.headers["x-request-id"] == "trace-42"


def test_the_clients_own_helper_for_streams(scripted: Server, stage: Stage) -> None:
    stage.play("one two three")
    client = scripted.client()
    with client.chat.completions.stream(model="cortex-flow", messages=[{"role": "user", "content": "Count"}]) as events:
        kinds = {event.type for event in events}
        completion = events.get_final_completion()
    assert completion.choices[0].message.content == "one two three"
    assert "content.delta" in kinds
