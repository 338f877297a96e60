"""How chat frontends talk, by the wire they send: Open WebUI and LibreChat.

Both send the whole history every time, ask side questions (a title, tags, what to ask next) of the same model, and offer
tools in each chat. With `named` they do so in a conversation that the operator has told them to name in a header.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.journeys.capable import text_of
from tests.journeys.chats import assistant, user
from tests.journeys.scenarios import CLOCK, WEATHER
from tests.journeys.scripts import echo, told
from tests.journeys.server import Server
from tests.journeys.stage import Stage, replying
from tests.journeys.wire import Answer
from tests.upstream import Reply, in_order

pytestmark = pytest.mark.xdist_group("journeys-talk")

TITLE = '{"title": "Tea"}'
SIDE_QUESTIONS = [
    '### Task:\nGenerate a concise, 3-5 word title.\n### Output:\nJSON format: { "title": "your title" }',
    '### Task:\nGenerate 1-3 broad tags.\n### Output:\nJSON format: { "tags": ["tag1", "tag2"] }',
    '### Task:\nSuggest 3-5 follow-up questions.\n### Output:\nJSON format: { "follow_ups": ["Question 1?"] }',
]


class Frontend:
    """What a frontend adds to each request, and how it reads a stream."""

    def __init__(self, server: Server, headers: Mapping[str, str], **fields: Any) -> None:
        self._server = server
        self._headers = headers
        self._fields = {"model": "cortex-flow", **fields}

    def chat(self, *messages: Any, **fields: Any) -> dict[str, Any]:
        """A turn, streamed. Its text, its calls put together by index, why it ended, and the usage told last."""
        streaming = {"stream": True, "stream_options": {"include_usage": True}}
        *chunks, last, done = self._ask(messages, {**streaming, **fields}).events
        assert done == "[DONE]"
        assert last["choices"] == []
        assert last["usage"]["total_tokens"] > 0
        return _read(chunks)

    def ask(self, *messages: Any, **fields: Any) -> Any:
        """A side question, not streamed."""
        return self._ask(messages, {"stream": False, **fields}).json["choices"][0]

    def _ask(self, messages: tuple[Any, ...], fields: Mapping[str, Any]) -> Answer:
        body = {**self._fields, "messages": messages, **fields}
        answer = self._server.wire().ask(json=body, headers=self._headers)
        assert answer.status == 200, answer.body
        return answer


def _read(chunks: list[Any]) -> dict[str, Any]:
    text, finish = "", None
    calls: dict[int, Any] = {}
    for chunk in chunks:
        (choice,) = chunk["choices"]
        text += choice["delta"].get("content") or ""
        finish = choice["finish_reason"] or finish
        for part in choice["delta"].get("tool_calls", ()):
            call = calls.setdefault(part["index"], {**part, "function": {"name": "", "arguments": ""}})
            call["function"]["name"] += part["function"].get("name") or ""
            call["function"]["arguments"] += part["function"]["arguments"]
    return {"text": text, "calls": list(calls.values()), "finish": finish}


def answering(text: str) -> Reply | str:
    """Titles to side questions, an echo to all else."""
    return TITLE if text.startswith("### Task") else echo(text)


@pytest.fixture(params=[False, True], ids=["nameless", "named"])
def headers(request: pytest.FixtureRequest, new_id: Callable[[], str]) -> dict[str, str]:
    return {"X-Conversation-Id": new_id()} if request.param else {}


@pytest.fixture
def open_webui(scripted: Server, stage: Stage, headers: dict[str, str]) -> Frontend:
    stage.play(replying(answering))
    forwarded = {"X-OpenWebUI-User-Name": "Jos%C3%A9", "X-OpenWebUI-User-Role": "user", "X-OpenWebUI-Chat-Id": "7f0c"}
    return Frontend(scripted, {**forwarded, **headers})


@pytest.fixture
def librechat(scripted: Server, stage: Stage, headers: dict[str, str]) -> Frontend:
    stage.play(lambda body: Reply(echo(text_of(body["messages"][-1]))))
    return Frontend(scripted, headers, user="65f1c0ffee")


def typed(text: str) -> dict[str, Any]:
    """A user's message as LibreChat sends it."""
    return {"role": "user", "content": [{"type": "text", "text": text}]}


def test_the_list_of_models(scripted: Server) -> None:
    listed = scripted.wire().ask("GET", "/v1/models", headers={"Authorization": "Bearer "}).json
    assert listed["data"][0]["id"] == "cortex-flow"


def test_open_webui_asks_side_questions(open_webui: Frontend, stage: Stage) -> None:
    system = {"role": "system", "content": "Be kind."}
    assert open_webui.chat(system, user("one"))["text"] == echo("one")
    for question in SIDE_QUESTIONS:
        before = len(stage.requests)
        choice = open_webui.ask(user(question), max_completion_tokens=1000)
        assert choice["message"]["content"] == TITLE
        assert len(stage.requests) == before + 1
    open_webui.chat(system, user("one"), assistant(echo("one")), user("two"))
    assert stage.prompt == told("one", "two")


def test_open_webui_asks_for_the_title_meanwhile(open_webui: Frontend, stage: Stage) -> None:
    open_webui.chat(user("one"))
    history = [user("one"), assistant(echo("one"))]
    open_webui.ask(user(SIDE_QUESTIONS[0]))
    open_webui.chat(*history, user("two"))
    history += [user("two"), assistant(echo("two"))]
    open_webui.ask(user(SIDE_QUESTIONS[2]))
    open_webui.chat(*history, user("three"))
    assert stage.prompt == told("one", "two", "three")


def test_side_questions_leave_the_conversation_that_they_were_asked_in(
    scripted: Server, stage: Stage, new_id: Callable[[], str]
) -> None:
    stage.play(replying(answering))
    frontend = Frontend(scripted, {"X-Conversation-Id": new_id()})
    frontend.chat(user("one"))
    frontend.ask(user(SIDE_QUESTIONS[0]))
    frontend.chat(user("one"), assistant(echo("one")), user("two"))
    frontend.chat(user("three"))
    assert stage.prompt == told("one", "two", "three")


def test_open_webui_runs_tools_by_itself(open_webui: Frontend, stage: Stage) -> None:
    tools = [WEATHER, CLOCK]
    called = Reply("Let me see.", calls=[("weather", {"city": "Rome"}), ("clock", {})])
    stage.play(in_order(called, "Sunny at noon.", "Bye."))
    asked = open_webui.chat(user("Weather?"), tools=tools)
    assert (asked["text"], asked["finish"]) == ("Let me see.", "tool_calls")
    assert [call["function"]["name"] for call in asked["calls"]] == ["weather", "clock"]
    outputs = [{"role": "tool", "tool_call_id": call["id"], "content": "fine"} for call in asked["calls"]]
    calling = {"role": "assistant", "content": asked["text"], "tool_calls": asked["calls"]}  # with their `index`
    assert open_webui.chat(user("Weather?"), calling, *outputs, tools=tools)["text"] == "Sunny at noon."
    # Afterwards its history has one answer, with all that was said and no trace of the calls.
    open_webui.chat(user("Weather?"), assistant("Let me see.\nSunny at noon."), user("Thanks"), tools=tools)
    assert stage.prompt == [
        ("user", "Weather?"),
        ("assistant", "Let me see.\nSunny at noon."),
        ("user", "Thanks"),
    ]


def test_open_webui_regenerates_and_edits(open_webui: Frontend, stage: Stage) -> None:
    open_webui.chat(user("one"))
    open_webui.chat(user("one"), assistant(echo("one")), user("two"))
    open_webui.chat(user("one"), assistant(echo("one")), user("two"))
    assert stage.prompt == told("one", "two")
    open_webui.chat(user("one"), assistant(echo("one")), user("TWO"))
    assert stage.prompt == told("one", "TWO")


def test_librechat_sends_parts(librechat: Frontend, stage: Stage) -> None:
    assert librechat.chat(typed("one"), tools=[WEATHER])["text"] == echo("one")
    answered = {"role": "assistant", "content": [{"type": "text", "text": echo("one")}]}
    assert librechat.chat(typed("one"), answered, typed("two"), tools=[WEATHER])["text"] == echo("two")
    assert [(role, text_of({"content": content})) for role, content in stage.prompt] == told("one", "two")


def test_librechat_asks_for_a_title_by_a_function(librechat: Frontend, stage: Stage) -> None:
    librechat.chat(typed("one"))
    title = {"type": "function", "function": {"name": "extract_title", "parameters": WEATHER["function"]["parameters"]}}
    choice: Any = {"type": "function", "function": {"name": "extract_title"}}
    stage.play(in_order(Reply(calls=[("extract_title", {"city": "Tea"})]), echo("two")))
    asked = librechat.ask(user("Give a title to this."), tools=[title], tool_choice=choice, temperature=0.2)
    (call,) = asked["message"]["tool_calls"]
    assert (call["function"]["name"], call["function"]["arguments"]) == ("extract_title", '{"city":"Tea"}')
    assert stage.requests[0].body["tool_choice"] == choice
    librechat.chat(typed("one"), assistant(echo("one")), typed("two"))
    assert len(stage.prompt) == 3
    assert stage.prompt[1] == ("assistant", echo("one"))


@pytest.mark.parametrize("question", SIDE_QUESTIONS[:2])
def test_side_questions_offline(offline: Server, question: str) -> None:
    about = "\n<chat_history>\nUSER: What are AI agents?\nASSISTANT: Programs.\n</chat_history>"
    choice = Frontend(offline, {}).ask(user(question + about), max_completion_tokens=1000)
    assert choice["message"]["content"].startswith('{"')
    assert choice["finish_reason"] == "stop"
