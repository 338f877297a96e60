"""The probabilities of the answer's tokens: with the text that they spell, streamed and not, and never without it."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from tests.journeys.chats import Chat, user
from tests.journeys.server import Server
from tests.journeys.stage import Stage, lines
from tests.replies import weighed
from tests.upstream import Reply, by_agent, in_order, transfer

pytestmark = pytest.mark.xdist_group("journeys-trouble")

ASKED: dict[str, Any] = {"logprobs": True, "top_logprobs": 2}
HELLO = Reply(
    chunks=["Hel", "lo, ", "Zoë"], logprobs=[weighed("Hel"), weighed("lo", ", "), weighed("Zo", b"\xc3", b"\xab")]
)


@pytest.fixture
def chat(scripted: Server) -> Chat:
    return Chat(scripted)


def told(chat: Chat, *said: Any, stream: bool, **fields: Any) -> tuple[str, list[str], Any]:
    """The answer, its tokens, and all that was said of the last one."""
    if not stream:
        (choice,) = chat.say(*said, **fields).choices
        text, parts = choice.message.content, [choice.logprobs]
    else:
        choices = [chunk.choices[0] for chunk in chat.stream(*said, **fields)]
        text, parts = "".join(c.delta.content or "" for c in choices), [c.logprobs for c in choices]
        for choice in choices:
            if choice.logprobs:
                spelled = b"".join(bytes(token.bytes) for token in choice.logprobs.content)
                assert spelled == choice.delta.content.lstrip("\n").encode()
    content = [token for part in parts if part for token in part.content]
    assert all(part.refusal is None for part in parts if part)
    return text, [token.token for token in content], content[-1].model_dump() if content else None


@pytest.mark.parametrize("stream", [False, True])
def test_they_come_with_the_answer(chat: Chat, stage: Stage, stream: bool) -> None:
    stage.play(HELLO)
    text, tokens, last = told(chat, "Hi", stream=stream, **ASKED)
    assert (text, tokens) == ("Hello, Zoë", ["Hel", "lo", ", ", "Zo", "\\xc3", "\\xab"])
    top = [{"token": "\\xab", "logprob": -0.5, "bytes": [0xAB]}, {"token": "x", "logprob": -2.0, "bytes": None}]
    assert last == {**top[0], "top_logprobs": top}
    (asked,) = stage.requests
    assert (asked.body["logprobs"], asked.body["top_logprobs"]) == (True, 2)


@pytest.mark.parametrize("stream", [False, True])
def test_nobody_gets_them_who_does_not_ask(chat: Chat, stage: Stage, stream: bool) -> None:
    stage.play(HELLO)
    assert told(chat, "Hi", stream=stream) == ("Hello, Zoë", [], None)
    assert not {"logprobs", "top_logprobs"} & set(stage.requests[0].body)


@pytest.mark.parametrize("stream", [False, True])
def test_an_upstream_that_ignores_the_wish(chat: Chat, stage: Stage, stream: bool) -> None:
    stage.play("Hello")
    assert told(chat, "Hi", stream=stream, logprobs=True) == ("Hello", [], None)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("limit", "text", "tokens"),
    [
        ({"stop": ["lo"]}, "Hel", ["Hel"]),
        ({"stop": ["o, "]}, "Hell", ["Hel"]),  # the token that was cut is no longer one
        ({"stop": ["Zoé"]}, "Hello, Zoë", ["Hel", "lo", ", ", "Zo", "\\xc3", "\\xab"]),
        ({"max_tokens": 2}, "Hello,", ["Hel", "lo"]),
    ],
)
def test_never_for_text_that_was_cut(
    chat: Chat, stage: Stage, stream: bool, limit: dict[str, Any], text: str, tokens: list[str]
) -> None:
    stage.play(HELLO)
    if not stream:
        assert told(chat, "Hi", stream=False, **ASKED, **limit)[:2] == (text, tokens)
        return
    parts = [chunk.choices[0] for chunk in chat.stream("Hi", **ASKED, **limit)]
    assert "".join(part.delta.content or "" for part in parts) == text
    assert [token.token for part in parts if part.logprobs for token in part.logprobs.content] == tokens


@pytest.mark.parametrize("stream", [False, True])
def test_json_comes_as_one_and_so_do_they(chat: Chat, stage: Stage, stream: bool) -> None:
    stage.play(Reply(chunks=['{"a":', "1}"], logprobs=[weighed('{"', "a", '":'), weighed("1", "}")]))
    text, tokens, _ = told(chat, "Hi", stream=stream, response_format={"type": "json_object"}, **ASKED)
    assert (text, tokens) == ('{"a":1}', ['{"', "a", '":', "1", "}"])


@pytest.mark.parametrize("stream", [False, True])
def test_the_team_is_asked_where_it_can_answer(chat: Chat, stage: Stage, stream: bool) -> None:
    first = Reply("Wait.", logprobs=[weighed("Wait", ".")], calls=[transfer("researcher")])
    last = Reply(calls=[transfer("writer", final=True)])
    said = Reply("Rome.", logprobs=[weighed("Rome", ".")])
    stage.play(by_agent(supervisor=lines(first, last), researcher=["Rome"], writer=[said]))
    text, tokens, _ = told(chat, "Hi", stream=stream, **ASKED)
    assert (text, tokens) == ("Wait.\n\nRome.", ["Wait", ".", "Rome", "."])
    assert ["logprobs" in request.body for request in stage.requests] == [True, False, True, True]


def test_a_second_leg_tells_its_own(chat: Chat, stage: Stage) -> None:
    tool: Any = {"type": "function", "function": {"name": "f"}}
    stage.play(in_order(Reply("Hm.", logprobs=[weighed("Hm", ".")], calls=[("f", {})]), HELLO))
    first = chat.say("Hi", tools=[tool], **ASKED).choices[0]
    assert [token.token for token in first.logprobs.content] == ["Hm", "."]
    output = {"role": "tool", "tool_call_id": first.message.tool_calls[0].id, "content": "1"}
    assert told(chat, user("Hi"), first.message, output, stream=False, **ASKED)[0] == "Hello, Zoë"


@pytest.mark.parametrize("stream", [False, True])
def test_the_offline_model_has_none(offline: Server, stream: bool) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        Chat(offline).say("Hi", stream=stream, **ASKED)
    assert (refused.value.param, refused.value.code) == ("logprobs", "unsupported_value")


@pytest.mark.parametrize("stream", [False, True])
def test_every_choice_has_its_own(chat: Chat, stage: Stage, stream: bool) -> None:
    stage.play(HELLO)
    told: dict[int, bytes] = {}
    if stream:
        parts = [choice for chunk in chat.stream("Hi", n=20, **ASKED) for choice in chunk.choices]
    else:
        parts = chat.say("Hi", n=20, **ASKED).choices
    for part in parts:
        content = part.logprobs.content if part.logprobs else []
        told[part.index] = told.get(part.index, b"") + b"".join(bytes(token.bytes) for token in content)
    assert told == {index: "Hello, Zoë".encode() for index in range(20)}
