"""Requests that are sent again under their `Idempotency-Key`: the work is done once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import openai
import orjson
import pytest

from tests.journeys.chats import Chat, contents, meanwhile, until, user
from tests.journeys.server import Server
from tests.journeys.stage import Stage
from tests.upstream import Reply

pytestmark = pytest.mark.xdist_group("journeys-trouble")

NewId = Callable[[], str]


@pytest.fixture
def chat(scripted: Server) -> Chat:
    return Chat(scripted)


@pytest.fixture
def keyed(new_id: NewId) -> dict[str, Any]:
    """Fields of a request with a key that nobody has used."""
    return {"extra_headers": {"Idempotency-Key": new_id()}}


def test_a_turn_is_remembered_once(chat: Chat, stage: Stage, new_id: NewId, keyed: dict[str, Any]) -> None:
    id = new_id()
    stage.play("Yes.")
    first, again = [chat.say("one", id=id, **keyed) for _ in range(2)]
    assert first == again
    chat.say("two", id=id)
    assert stage.prompt == [("user", "one"), ("assistant", "Yes."), ("user", "two")]


def test_whoever_joins_a_stream_hears_all_of_it(chat: Chat, stage: Stage, keyed: dict[str, Any]) -> None:
    hold = stage.hold()
    stage.play(Reply("one two three", hold=hold))
    first = contents(chat.stream("now", **keyed))
    assert until(first, "one two") == "one two"
    joined = contents(chat.stream("now", **keyed))
    assert until(joined, "one two") == "one two"
    hold.release()
    assert "".join(first) == "".join(joined) == " three"
    assert chat.streamed("now", **keyed) == "one two three"
    assert len(stage.requests) == 1


def test_who_lost_the_answer_finds_it_while_somebody_waits(
    scripted: Server, chat: Chat, stage: Stage, keyed: dict[str, Any]
) -> None:
    hold = stage.hold()
    stage.play(Reply("Yes.", hold=hold))
    with meanwhile(lambda: chat.text("now", **keyed)) as [waiting]:
        stage.wait_requests(1)
        with pytest.raises(openai.APITimeoutError):
            Chat(scripted, timeout=0.2).say("now", **keyed)
        hold.release()
    assert waiting.result() == chat.text("now", **keyed) == "Yes."
    assert len(stage.requests) == 1


def test_nobody_pays_for_what_everybody_has_left(scripted: Server, stage: Stage, keyed: dict[str, Any]) -> None:
    stage.play(Reply("never", hold=stage.hold()))
    body, headers = orjson.dumps({"messages": [user("now")]}), keyed["extra_headers"]
    connections = [scripted.wire().send(body=body, headers=headers) for _ in range(3)]
    stage.wait_requests(1)
    for connection in connections:
        connection.close()
    stage.wait_closed(1)
    stage.play("Yes.")
    assert Chat(scripted).text("now", **keyed) == "Yes."


def test_another_request_is_refused_at_once(scripted: Server, chat: Chat, stage: Stage, keyed: dict[str, Any]) -> None:
    stage.play("Yes.")
    chat.say("one", **keyed)
    with pytest.raises(openai.ConflictError) as refused:
        Chat(scripted, max_retries=100).say("two", **keyed)
    assert (refused.value.code, refused.value.param) == ("idempotency_mismatch", "Idempotency-Key")
