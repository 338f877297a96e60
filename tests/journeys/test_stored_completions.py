"""Completions that are kept, through the official client."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import openai
import pytest

from tests.journeys.chats import Chat, contents
from tests.journeys.server import Server
from tests.journeys.stage import Stage
from tests.upstream import Reply

pytestmark = pytest.mark.xdist_group("journeys-trouble")


def test_a_whole_life(red: Chat, stage: Stage) -> None:
    stage.play("Tea is hot.")
    completions = red.client.chat.completions
    said = red.say("Tell me about tea", store=True, metadata={"topic": "tea"})
    kept = completions.retrieve(said.id)
    assert (kept.object, kept.metadata, kept.choices) == ("chat.completion", {"topic": "tea"}, said.choices)
    (message,) = completions.messages.list(said.id)
    assert (message.role, message.content, message.id) == ("user", "Tell me about tea", f"{said.id}-0")
    assert completions.update(said.id, metadata={"topic": "coffee"}).metadata == {"topic": "coffee"}
    gone = completions.delete(said.id)
    assert (gone.id, gone.object, gone.deleted) == (said.id, "chat.completion.deleted", True)
    with pytest.raises(openai.NotFoundError) as raised:
        completions.retrieve(said.id)
    assert (raised.value.type, raised.value.code) == ("invalid_request_error", "not_found")


def test_a_stream_is_kept_when_its_last_chunk_comes(red: Chat, stage: Stage) -> None:
    stage.play("One two three.")
    chunks: list[Any] = []
    for chunk in red.stream("Count", store=True):
        chunks.append(chunk)
        if chunk.choices[0].finish_reason:
            kept = red.client.chat.completions.retrieve(chunk.id)
    assert "".join(contents(chunks)) == kept.choices[0].message.content == "One two three."
    assert kept.usage is not None
    assert kept.usage.completion_tokens > 0


def test_a_stream_that_is_left_is_not_kept(scripted: Server, stage: Stage) -> None:
    chat = Chat(scripted)
    stage.play(Reply("one two", hold=stage.hold()))
    stream = chat.stream("Wait", store=True)
    first = next(stream)
    stream.close()
    stage.wait_closed(1)
    with pytest.raises(openai.NotFoundError):
        chat.client.chat.completions.retrieve(first.id)


def test_clients_page_on_by_themselves(red: Chat, stage: Stage) -> None:
    stage.play("Yes.")
    ids = [red.say(str(number), store=True, metadata={"set": "pages"}).id for number in range(5)]
    completions = red.client.chat.completions
    assert [each.id for each in completions.list(limit=2, metadata={"set": "pages"})] == ids
    assert [each.id for each in completions.list(limit=3, metadata={"set": "pages"}, order="desc")] == ids[::-1]
    assert [each.id for each in completions.list(limit=1, model="another", metadata={"set": "pages"})] == []
    for each in completions.list(limit=2, metadata={"set": "pages"}):
        completions.delete(each.id)
    assert list(completions.list(metadata={"set": "pages"})) == []


def test_messages_page_on_too(red: Chat, stage: Stage) -> None:
    stage.play("Yes.")
    said = red.say(*map(str, range(5)), store=True)
    messages = red.client.chat.completions.messages
    assert [each.content for each in messages.list(said.id, limit=2)] == ["0", "1", "2", "3", "4"]
    assert [each.content for each in messages.list(said.id, limit=2, order="desc")] == ["4", "3", "2", "1", "0"]


def test_parts_come_back(scripted: Server, stage: Stage) -> None:
    stage.play("A cat.")
    chat = Chat(scripted)
    url = "data:image/png;base64," + "A" * 100_000
    parts = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": url}}]
    said = chat.say({"role": "user", "content": parts}, store=True)
    (message,) = chat.client.chat.completions.messages.list(said.id)
    assert message.content is None
    assert [each.to_dict() for each in message.content_parts or ()] == parts


def test_tenants_never_see_each_others(red: Chat, blue: Chat, stage: Stage) -> None:
    stage.play("Secret.")
    id = red.say("Hi", store=True, metadata={"whose": "red"}).id
    completions = blue.client.chat.completions
    asks = (completions.retrieve, completions.delete, completions.messages.list)
    for ask in asks:
        with pytest.raises(openai.NotFoundError):
            ask(id)
    with pytest.raises(openai.NotFoundError):
        completions.update(id, metadata={})
    assert list(completions.list(metadata={"whose": "red"})) == []


def test_they_outlive_the_server(tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        said = Chat(server).say("Hello!", store=True)
        server.kill()
        server.start()
        completions = Chat(server).client.chat.completions
        assert completions.retrieve(said.id).choices == said.choices
        assert completions.messages.list(said.id).data[0].content == "Hello!"
