"""When a member of the team fails, or the supervisor calls nonsense: the team goes on with what there is."""

from __future__ import annotations

from collections.abc import Callable

import openai
import pytest

from tests.journeys.chats import Chat, Talk, contents, until
from tests.journeys.server import Server
from tests.journeys.stage import Stage, lines
from tests.upstream import Body, Reply, agent_of, by_agent, in_order, transfer

pytestmark = pytest.mark.xdist_group("journeys-trouble")

HTML = {"Content-Type": "text/html"}


@pytest.fixture
def chat(scripted: Server) -> Chat:
    return Chat(scripted)


@pytest.fixture
def talk(chat: Chat, stage: Stage, new_id: Callable[[], str]) -> Talk:
    return Talk(chat, stage, new_id())


ARGUMENTS = ["{oops", "", "null", "[]", '"task"', "{}", '{"task": 5}', '{"task": "  "}', '{"Task": "x"}', "{}{}"]


@pytest.mark.parametrize("arguments", ARGUMENTS)
def test_nonsense_arguments_are_told_to_the_supervisor(chat: Chat, stage: Stage, arguments: str) -> None:
    stage.play(by_agent(supervisor=[Reply(calls=[("transfer_to_researcher", arguments)]), "Then without."]))
    response = chat.say("now")
    assert response.choices[0].message.content == "Then without."
    assert stage.agents == ["supervisor", "supervisor"]
    (told,) = [content for role, content in stage.prompt if role == "tool"]
    assert "task" in told


@pytest.mark.parametrize("name", ["transfer_to_poet", "transfer_to_", "search", "python", "do_it", "supervisor"])
@pytest.mark.parametrize("streaming", [False, True])
def test_a_tool_that_does_not_exist(chat: Chat, stage: Stage, name: str, streaming: bool) -> None:
    stage.play(in_order(Reply(calls=[(name, {"task": "Rhyme."})]), "Then without."))
    say = chat.streamed if streaming else chat.text
    assert say("now") == "Then without."
    (told,) = [content for role, content in stage.prompt if role == "tool"]
    assert name in told


def test_a_good_call_beside_a_bad_one(chat: Chat, stage: Stage) -> None:
    calls = [("transfer_to_poet", {"task": "Rhyme."}), transfer("analyst"), ("transfer_to_writer", "{oops")]
    stage.play(by_agent(supervisor=lines(Reply(calls=calls), "Done."), analyst=["Two."]))
    response = chat.say("now")
    assert response.choices[0].message.content == "Done."
    outputs = [content for role, content in stage.prompt if role == "tool"]
    assert len(outputs) == 3
    assert outputs[1] == "Two."


AGENT_FAULTS = {
    "refused": Reply(status=400, error="No."),
    "no key": Reply(status=401),
    "a page": Reply(raw=b"<html>", headers=HTML),
    "empty": Reply(""),
    "blank": Reply("  \n "),
}


@pytest.mark.parametrize("fault", AGENT_FAULTS.values(), ids=AGENT_FAULTS)
def test_an_agent_that_fails_is_told_to_the_supervisor(chat: Chat, stage: Stage, fault: Reply) -> None:
    both = Reply(calls=[transfer("researcher"), transfer("analyst")])
    stage.play(by_agent(supervisor=lines(both, "With what there is."), researcher=[fault], analyst=["Two."]))
    response = chat.say("now")
    assert response.choices[0].message.content == "With what there is."
    assert response.metadata["agents_used"] == ["researcher", "analyst"]
    failed, fine = [content for role, content in stage.prompt if role == "tool"]
    assert "researcher" in failed
    assert fine == "Two."


def test_an_agents_own_tools_may_fail(chat: Chat, stage: Stage) -> None:
    wild = lines(Reply(calls=[("python", {"code": "1/0"}), ("python", "{oops"), ("rm", {})]), "It did not compute.")
    stage.play(by_agent(supervisor=[Reply(calls=[transfer("analyst")]), "Done."], analyst=wild))
    assert chat.text("now") == "Done."
    again = [request.body for request in stage.requests if request.agent == "analyst"][1]
    outputs = [message["content"] for message in again["messages"] if message["role"] == "tool"]
    assert len(outputs) == 3
    assert "ZeroDivisionError" in outputs[0]


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("fault", [Reply(status=401), Reply(""), Reply(raw=b"<html>", headers=HTML)])
def test_a_final_writer_that_fails_before_its_first_word(
    chat: Chat, stage: Stage, fault: Reply, streaming: bool
) -> None:
    supervisor = lines(Reply(calls=[transfer("writer", "Write.", final=True)]), "I do it myself.")
    stage.play(by_agent(supervisor=supervisor, writer=[fault]))
    say = chat.streamed if streaming else chat.text
    assert say("now") == "I do it myself."


def test_a_final_writer_that_fails_in_the_middle(chat: Chat, stage: Stage, talk: Talk) -> None:
    supervisor = lines(Reply(calls=[transfer("writer", "Write.", final=True)]), "I do it myself.")
    hold = stage.hold()
    writer = [Reply(chunks=["one ", "two"], hold=hold, cut_after=2)]
    stage.play(by_agent(supervisor=supervisor, writer=writer))
    pieces = contents(chat.stream("now", id=talk.id))
    assert until(pieces, "one ")
    hold.release()
    with pytest.raises(openai.APIError) as raised:
        list(pieces)
    assert raised.value.code == "upstream_error"
    assert stage.agents == ["supervisor", "writer"]
    talk.is_as_before()


@pytest.mark.parametrize("streaming", [False, True])
def test_empty_answers(chat: Chat, stage: Stage, talk: Talk, streaming: bool) -> None:
    stage.play(Reply(""))
    with pytest.raises(openai.APIError) as raised:
        list((chat.stream if streaming else chat.say)("now", id=talk.id))
    assert raised.value.code == "upstream_error"
    assert len(stage.requests) == 2
    talk.is_as_before()


@pytest.mark.parametrize("streaming", [False, True])
def test_an_empty_answer_behind_findings(chat: Chat, stage: Stage, streaming: bool) -> None:
    def script(body: Body) -> Reply:
        if agent_of(body) == "researcher":
            return Reply("Tea is a drink.")
        asked_before = any(message["role"] == "tool" for message in body["messages"])
        return Reply("") if asked_before else Reply(calls=[transfer("researcher")])

    stage.play(script)
    say = chat.streamed if streaming else chat.text
    assert say("now") == "Tea is a drink."


@pytest.mark.parametrize("streaming", [False, True])
def test_an_answer_that_was_filtered(chat: Chat, stage: Stage, streaming: bool) -> None:
    stage.play(Reply("I must not", finish="content_filter"))
    if streaming:
        *_, last = chat.stream("now")
        assert last.choices[0].finish_reason == "content_filter"
    else:
        assert chat.say("now").choices[0].finish_reason == "content_filter"


def test_an_agent_that_takes_too_long(hurried: Server, stage: Stage) -> None:
    hold = stage.hold()
    supervisor = lines(Reply(calls=[transfer("researcher")]), "Without it.")
    stage.play(by_agent(supervisor=supervisor, researcher=[Reply("Too late.", hold=hold)]))
    response = Chat(hurried).say("now")
    assert response.choices[0].message.content == "Without it."
    stage.wait_closed(1)
    (told,) = [content for role, content in stage.prompt if role == "tool"]
    assert "0.5 seconds" in told
