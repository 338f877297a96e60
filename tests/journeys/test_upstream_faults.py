"""When the model's provider fails: what the official client raises, and that the conversation is as it was before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import openai
import orjson
import pytest

from tests.journeys.chats import Chat, Talk, contents, meanwhile, until, user
from tests.journeys.server import Server
from tests.journeys.stage import Stage
from tests.upstream import Reply, Script, in_order

pytestmark = pytest.mark.xdist_group("journeys-trouble")

NewId = Callable[[], str]
TRIES = 4  # one, and three again
AT_ONCE = {"Retry-After": "0"}


@pytest.fixture
def chat(scripted: Server) -> Chat:
    return Chat(scripted)


@pytest.fixture
def talk(chat: Chat, stage: Stage, new_id: NewId) -> Talk:
    return Talk(chat, stage, new_id())


class Fault:
    """What an upstream does, how often it is asked, and what the client raises."""

    def __init__(
        self, reply: Reply, raised: type[openai.APIStatusError], status: int, code: str, *, tries: int = 1
    ) -> None:
        self.reply, self.raised, self.status, self.code, self.tries = reply, raised, status, code, tries


QUOTA: Mapping[str, Any] = {
    "message": "You exceeded your quota",
    "type": "insufficient_quota",
    "code": "insufficient_quota",
}
UPSTREAM = (openai.InternalServerError, 502, "upstream_error")
LIMITED = (openai.RateLimitError, 429, "rate_limit_exceeded")
HTML = {"Content-Type": "text/html"}
TOO_LONG = "context_length_exceeded"
FAULTS = {
    "wrong key": Fault(Reply(status=401, error="Incorrect API key: upstream-key"), *UPSTREAM),
    "forbidden": Fault(Reply(status=403), *UPSTREAM),
    "slow down": Fault(Reply(status=429, headers=AT_ONCE), *LIMITED, tries=TRIES),
    "come back in a minute": Fault(Reply(status=429, headers={"Retry-After": "60"}), *LIMITED),
    "quota": Fault(Reply(status=429, error=QUOTA), *LIMITED),
    "broken": Fault(Reply(status=500, headers=AT_ONCE), *UPSTREAM, tries=TRIES),
    "a bad request": Fault(Reply(status=400, error="Too hot."), openai.BadRequestError, 400, "invalid_prompt"),
    "elsewhere": Fault(Reply(status=302, headers={"Location": "http://127.0.0.1:1/"}), *UPSTREAM),
    "a page": Fault(Reply(raw=b"<html>Bad gateway</html>", headers=HTML), *UPSTREAM),
    "a page that fails": Fault(Reply(status=403, raw=b"<html>No</html>", headers=HTML), *UPSTREAM),
    "nonsense": Fault(Reply(raw=b'{"hello": "world"}', headers={"Content-Type": "application/json"}), *UPSTREAM),
    "no JSON": Fault(Reply(raw=b'{"choices": [', headers={"Content-Type": "application/json"}), *UPSTREAM),
}


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_before_the_first_word(chat: Chat, stage: Stage, talk: Talk, fault: Fault, streaming: bool) -> None:
    stage.play(fault.reply)
    with pytest.raises(fault.raised) as raised:
        (chat.stream if streaming else chat.say)("now", id=talk.id)
    assert (raised.value.status_code, raised.value.code) == (fault.status, fault.code)
    assert len(stage.requests) == fault.tries
    assert "upstream-key" not in str(raised.value)
    assert stage.url not in str(raised.value)
    talk.is_as_before()


def test_what_is_wrong_with_the_request_is_passed_on(chat: Chat, stage: Stage) -> None:
    stage.play(Reply(status=400, error="The temperature is too hot for this model."))
    with pytest.raises(openai.BadRequestError, match="too hot for this model"):
        chat.say("now")


def test_those_who_are_limited_hear_when_to_come_back(scripted: Server, stage: Stage) -> None:
    stage.play(Reply(status=429, headers={"Retry-After": "60"}))
    answer = scripted.wire().ask(json={"messages": [user("now")]})
    assert answer.status == 429
    assert answer.error["type"] == "rate_limit_error"
    assert int(answer.headers["retry-after"]) >= 1


def test_they_hear_what_the_provider_has_asked_for(scripted: Server, stage: Stage) -> None:
    stage.play(Reply(status=429, headers={"Retry-After": "60"}))
    answer = scripted.wire().ask(json={"messages": [user("now")]})
    assert answer.headers["retry-after"] == "60"


@pytest.mark.parametrize("status", [404, 413, 422])
def test_what_the_operator_has_to_mend_is_no_fault_of_the_caller(chat: Chat, stage: Stage, status: int) -> None:
    stage.play(Reply(status=status, error="The model 'scripted' does not exist."))
    with pytest.raises(openai.InternalServerError) as raised:
        chat.say("now")
    assert (raised.value.status_code, raised.value.code) == (502, "upstream_error")


def test_a_context_too_long_for_the_provider_is_told_by_its_code(chat: Chat, stage: Stage) -> None:
    error = {"message": "Too long.", "type": "invalid_request_error", "param": "messages", "code": TOO_LONG}
    stage.play(Reply(status=400, error=error))
    with pytest.raises(openai.BadRequestError) as raised:
        chat.say("now")
    assert raised.value.code == TOO_LONG


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize(
    "fault",
    [
        Reply(status=500, headers=AT_ONCE),
        Reply(status=429, headers=AT_ONCE),
        Reply(status=503, headers={"retry-after-ms": "1"}),
        Reply("lost words", cut_after=0),
    ],
    ids=["500", "429", "503", "cut off"],
)
def test_what_passes_is_tried_again(chat: Chat, stage: Stage, talk: Talk, fault: Reply, streaming: bool) -> None:
    stage.play(in_order(fault, fault, "All is well."))
    say = chat.streamed if streaming else chat.text
    assert say("now", id=talk.id) == "All is well."
    assert len(stage.requests) == 3


def test_nobody_is_there(offline: Server, new_id: NewId) -> None:
    chat, id = Chat(offline), new_id()
    chat.say("My name is Ada", id=id)
    say = {"id": id, "model": "openai:away"}
    with meanwhile(lambda: chat.say("Hello?", **say), lambda: chat.stream("Hello?", **say)) as both:
        for failed in [each.exception() for each in both]:
            assert isinstance(failed, openai.InternalServerError)
            assert (failed.status_code, failed.code) == (502, "upstream_error")
            assert "127.0.0.1" not in str(failed)
    assert chat.text("What did I say?", id=id) == "You said: “My name is Ada”"


def test_a_plain_answer_that_is_cut_off_is_asked_for_again(chat: Chat, stage: Stage, talk: Talk) -> None:
    stage.play(in_order(Reply("one two three", cut_after=1), "All of it."))
    assert chat.text("now", id=talk.id) == "All of it."


def test_a_stream_that_is_cut_off(chat: Chat, stage: Stage, talk: Talk) -> None:
    hold = stage.hold()
    stage.play(Reply(chunks=["one ", "two ", "three"], hold=hold, cut_after=3))
    pieces = contents(chat.stream("now", id=talk.id))
    said = until(pieces, "one two ")
    hold.release()
    with pytest.raises(openai.APIError) as raised:
        said += "".join(pieces)
    assert raised.value.code == "upstream_error"
    assert len(stage.requests) == 1
    talk.is_as_before()


def test_the_frames_of_a_stream_that_is_cut_off(scripted: Server, stage: Stage) -> None:
    hold = stage.hold()
    stage.play(Reply(chunks=["one", "two"], hold=hold, cut_after=2))
    body = {"messages": [user("now")], "stream": True, "stream_options": {"include_usage": True}}
    connection = scripted.wire().send(body=orjson.dumps(body))
    events = [connection.event(), connection.event()]
    assert events[-1]["choices"][0]["delta"] == {"content": "one"}
    hold.release()
    answer = connection.answer()
    assert answer.status == 200
    *chunks, failed, done = [*events, *answer.events]
    assert done == "[DONE]"
    assert set(failed) == {"error"}
    assert set(failed["error"]) == {"message", "type", "param", "code"}
    assert (failed["error"]["type"], failed["error"]["code"]) == ("server_error", "upstream_error")
    assert all(chunk["choices"][0]["finish_reason"] is None for chunk in chunks)
    assert not any("metadata" in chunk for chunk in chunks)


def test_an_error_in_the_middle_of_a_stream(chat: Chat, stage: Stage, talk: Talk) -> None:
    overloaded = {"message": "Overloaded", "type": "server_error", "code": "server_error"}
    stage.play(Reply("one two", error=overloaded))
    with pytest.raises(openai.APIError) as raised:
        list(chat.stream("now", id=talk.id))
    assert raised.value.code == "upstream_error"
    talk.is_as_before()


def test_nonsense_in_the_middle_of_a_stream(chat: Chat, stage: Stage, talk: Talk) -> None:
    good = b'data: {"choices": [{"index": 0, "delta": {"content": "one"}, "finish_reason": null}]}\n\n'
    stage.play(Reply(raw=[good, b"data: {oops\n\n"], delay=0.01))
    with pytest.raises(openai.APIError) as raised:
        list(chat.stream("now", id=talk.id))
    assert raised.value.code == "upstream_error"
    talk.is_as_before()


def test_the_client_tries_again_and_nothing_is_doubled(scripted: Server, stage: Stage, talk: Talk, chat: Chat) -> None:
    stage.play(in_order(Reply(status=401), "Here I am."))
    assert Chat(scripted, max_retries=1).text("now", id=talk.id) == "Here I am."
    stage.play("Yes.")
    chat.say("end", id=talk.id)
    assert [text for role, text in stage.prompt if role == "user"] == ["before", "now", "end"]


def test_a_run_that_takes_too_long(hurried: Server, stage: Stage, new_id: NewId) -> None:
    chat = Chat(hurried)
    talk = Talk(chat, stage, new_id())
    hold = stage.hold()
    stage.play(_held(hold))
    with meanwhile(lambda: chat.say("now", id=talk.id), lambda: list(chat.stream("now", id=talk.id))) as both:
        for late in both:
            failed = late.exception()
            assert isinstance(failed, openai.APIError)
            assert failed.code == "run_expired"
        plain = both[0].exception()
        assert isinstance(plain, openai.InternalServerError)
        assert plain.status_code == 504
    stage.wait_closed(2)
    talk.is_as_before()


def _held(hold: Any) -> Script:
    return lambda body: Reply("Held.", hold=hold)
