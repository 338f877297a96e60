"""Images and files in a request: they reach the models as they were sent, and so do the models' refusals the client."""

from __future__ import annotations

from typing import Any

import pytest
from openai import BadRequestError

from tests.journeys.chats import Chat
from tests.journeys.server import Server
from tests.journeys.stage import Stage, lines
from tests.upstream import Reply, by_agent, transfer

pytestmark = pytest.mark.xdist_group("journeys-talk")

IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "high"}}
LINK = {"type": "image_url", "image_url": {"url": "https://pictures.example/cat.png"}}
FILE = {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}}
ASKED: dict[str, Any] = {
    "role": "user",
    "content": [{"type": "text", "text": "What is in it?"}, IMAGE, LINK, FILE],
}


@pytest.fixture
def chat(scripted: Server) -> Chat:
    return Chat(scripted)


def test_the_entry_agent_gets_them_as_they_were_sent(chat: Chat, stage: Stage) -> None:
    stage.play("A cat.")
    assert chat.text(ASKED) == "A cat."
    assert stage.prompt == [("user", ASKED["content"])]


@pytest.mark.parametrize("agent", ["researcher", "analyst", "writer"])
def test_every_agent_sees_those_of_the_newest_message(chat: Chat, stage: Stage, agent: str) -> None:
    supervisor = lines(Reply(calls=[transfer(agent, "Look at it.")]), "A cat.")
    stage.play(by_agent(supervisor=supervisor, **{agent: lines("I see a cat.")}))
    assert chat.text(ASKED) == "A cat."
    [asked] = [request for request in stage.requests if request.agent == agent]
    [text, *attached] = asked.body["messages"][-1]["content"]
    assert "What is in it?" in text["text"]
    assert attached == [IMAGE, LINK, FILE]


def test_the_writer_whose_text_is_the_answer_sees_them_too(chat: Chat, stage: Stage) -> None:
    supervisor = [Reply(calls=[transfer("writer", "Tell of it.", final=True)])]
    stage.play(by_agent(supervisor=supervisor, writer=["A cat."]))
    assert chat.text(ASKED) == "A cat."
    assert stage.requests[-1].body["messages"][-1]["content"][1:] == [IMAGE, LINK, FILE]


def test_older_images_are_not_sent_to_agents(chat: Chat, stage: Stage) -> None:
    supervisor = lines(Reply(calls=[transfer("analyst", "Add.")]), "2.")
    stage.play(by_agent(supervisor=supervisor, analyst=["2"]))
    chat.say(ASKED, {"role": "assistant", "content": "A cat."}, "And 1 + 1?")
    assert isinstance(stage.requests[1].body["messages"][-1]["content"], str)


@pytest.mark.parametrize("stream", [False, True])
def test_a_model_that_can_not_see_says_so(chat: Chat, stage: Stage, stream: bool) -> None:
    error = {"message": "Images are not supported.", "param": "messages[1].content[1]", "code": "no_vision"}
    stage.play(Reply(status=400, error=error))
    with pytest.raises(BadRequestError, match=r"Images are not supported\.") as raised:
        chat.say(ASKED, stream=stream)
    assert (raised.value.param, raised.value.code) == ("messages", "no_vision")


@pytest.mark.parametrize("part", [IMAGE, LINK, FILE])
def test_the_offline_model_refuses_them_by_name(offline: Server, part: dict[str, Any]) -> None:
    with pytest.raises(BadRequestError, match="no images and no files") as raised:
        Chat(offline).say({"role": "user", "content": [{"type": "text", "text": "What is it?"}, part]})
    assert raised.value.param == "messages"
