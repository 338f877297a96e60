"""Clients that leave: nobody goes on paying for words that nobody hears."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import openai
import orjson
import pytest

from tests.journeys.chats import Chat, contents, user
from tests.journeys.server import Server
from tests.journeys.stage import Stage
from tests.upstream import Reply, by_agent, transfer

pytestmark = pytest.mark.xdist_group("journeys-trouble")

NewId = Callable[[], str]


@pytest.fixture
def chat(scripted: Server) -> Chat:
    return Chat(scripted)


def ask(server: Server, id: str, **fields: Any) -> Any:
    return server.wire().send(body=orjson.dumps({"messages": [user("now")], "conversation_id": id, **fields}))


def test_leaving_a_stream_in_the_middle(chat: Chat, stage: Stage, new_id: NewId) -> None:
    id = new_id()
    stage.play(Reply("one two", hold=stage.hold()))
    stream = chat.stream("now", id=id)
    assert next(contents(stream)) == "one"
    stream.close()
    stage.wait_closed(1)
    stage.play("Yes.")
    chat.say("again", id=id)
    assert stage.prompt == [("user", "again")]


def test_leaving_a_stream_before_its_first_word(scripted: Server, chat: Chat, stage: Stage, new_id: NewId) -> None:
    id = new_id()
    stage.play(Reply(chunks=["never"], hold=stage.hold()))
    connection = ask(scripted, id, stream=True)
    stage.wait_requests(1)
    connection.close()
    stage.wait_closed(1)
    stage.play("Yes.")
    chat.say("again", id=id)
    assert stage.prompt == [("user", "again")]


def test_leaving_a_plain_answer(scripted: Server, chat: Chat, stage: Stage, new_id: NewId) -> None:
    id = new_id()
    stage.play(Reply("never", hold=stage.hold()))
    connection = ask(scripted, id)
    stage.wait_requests(1)
    connection.close()
    stage.wait_closed(1)
    stage.play("Yes.")
    chat.say("again", id=id)
    assert stage.prompt == [("user", "again")]


@pytest.mark.parametrize("stream", [False, True])
def test_leaving_while_two_agents_work(scripted: Server, stage: Stage, new_id: NewId, stream: bool) -> None:
    both = Reply(calls=[transfer("researcher"), transfer("analyst")])
    held = [Reply("never", hold=stage.hold())]
    stage.play(by_agent(supervisor=[both], researcher=held, analyst=held))
    connection = ask(scripted, new_id(), stream=stream)
    stage.wait_requests(3)
    connection.close()
    stage.wait_closed(2)
    stage.wait_idle()
    assert len(stage.requests) == 3


def test_many_leave_at_once(scripted: Server, stage: Stage, new_id: NewId) -> None:
    stage.play(Reply("one two", hold=stage.hold()))
    connections = [ask(scripted, new_id(), stream=True) for _ in range(20)]
    stage.wait_requests(20)
    for connection in connections:
        connection.close()
    stage.wait_closed(20)
    stage.wait_idle()


def test_a_client_that_loses_its_patience(scripted: Server, stage: Stage) -> None:
    stage.play(Reply("never", hold=stage.hold()))
    with pytest.raises(openai.APITimeoutError):
        Chat(scripted, timeout=0.5).say("now")
    stage.wait_idle()
