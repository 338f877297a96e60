"""Keys and tenants, and the limits that an operator sets."""

from __future__ import annotations

from collections.abc import Callable

import openai
import pytest

from agents.models.port import Message
from graph.tokens import open_tokenizer
from tests.journeys.chats import Chat, assistant, meanwhile, user
from tests.journeys.server import Server
from tests.journeys.stage import Stage
from tests.upstream import Reply

pytestmark = pytest.mark.xdist_group("journeys-trouble")

NewId = Callable[[], str]
PATHS = [
    ("POST", "/v1/chat/completions"),
    ("GET", "/v1/models"),
    ("GET", "/v1/models/cortex-flow"),
    ("GET", "/v1/nothing"),
    ("DELETE", "/v1/chat/completions"),
]


@pytest.mark.parametrize(("method", "path"), PATHS)
@pytest.mark.parametrize(
    "authorization", [None, "Bearer wrong", "Bearer ", "key-of-red", "Basic key-of-red", "Bearer key-of-red2", "\xff"]
)
def test_no_entrance_without_a_key(
    strict: Server, stage: Stage, method: str, path: str, authorization: str | None
) -> None:
    stage.play("Secret.")
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = strict.wire().ask(method, path, json={"messages": [user("Hi")]}, headers=headers)
    assert answer.status == 401
    assert (answer.error["type"], answer.error["code"]) == ("authentication_error", "invalid_api_key")
    assert answer.error["param"] is None
    assert "www-authenticate" in answer.headers
    assert stage.requests == []


def test_health_needs_no_key(strict: Server) -> None:
    answer = strict.wire().ask("GET", "/health")
    assert (answer.status, answer.json) == (200, {"status": "ok"})


def test_the_client_hears_that_its_key_is_wrong(strict: Server) -> None:
    for client in (strict.client(api_key="wrong"), strict.client(api_key="key-of-RED")):
        with pytest.raises(openai.AuthenticationError) as raised:
            client.models.list()
        assert (raised.value.status_code, raised.value.code) == (401, "invalid_api_key")


def test_keys_never_go_upstream(red: Chat, stage: Stage) -> None:
    stage.play("Hi")
    red.say("Hello")
    (request,) = stage.requests
    assert request.headers["Authorization"] == "Bearer upstream-key"


def test_tenants_never_see_each_other(red: Chat, blue: Chat, stage: Stage, new_id: NewId) -> None:
    stage.play("Yes.")
    id = new_id()
    thread = red.say("I am red", id=id).metadata["thread_id"]
    blue.say("I am blue", id=id)
    assert stage.prompt == [("user", "I am blue")]
    blue.say("And here?", id=thread)
    assert stage.prompt == [("user", "And here?")]
    red.say("Still red", id=id)
    assert stage.prompt == [("user", "I am red"), ("assistant", "Yes."), ("user", "Still red")]


def test_keys_of_one_tenant_share_everything(blue: Chat, strict: Server, stage: Stage, new_id: NewId) -> None:
    stage.play("Yes.")
    id = new_id()
    blue.say("one", id=id)
    Chat(strict, api_key="another-of-blue").say("two", id=id)
    assert stage.prompt == [("user", "one"), ("assistant", "Yes."), ("user", "two")]


def test_a_tool_call_of_one_tenant_is_nothing_to_another(red: Chat, blue: Chat, stage: Stage) -> None:
    stage.play(Reply(calls=[("weather", {"city": "Rome"})]))
    tools = [{"type": "function", "function": {"name": "weather"}}]
    (call,) = red.say("Weather?", tools=tools).choices[0].message.tool_calls
    with pytest.raises(openai.BadRequestError) as raised:
        blue.say({"role": "tool", "tool_call_id": call.id, "content": "sun"}, tools=tools)
    assert raised.value.param == "messages"
    stage.play("Sunny.")
    assert red.text({"role": "tool", "tool_call_id": call.id, "content": "sun"}, tools=tools) == "Sunny."


@pytest.mark.parametrize("streaming", [False, True])
def test_a_conversation_longer_than_the_window(red: Chat, stage: Stage, new_id: NewId, streaming: bool) -> None:
    stage.play("Noted.")
    id, system = new_id(), {"role": "system", "content": "Be kind."}
    for number in range(8):
        red.say(system, f"{number} " + "word " * 30, id=id)
    if streaming:
        *_, last = red.stream(system, "And now?", id=id)
        metadata = last.metadata
    else:
        metadata = red.say(system, "And now?", id=id).metadata
    assert metadata["truncated_messages"] == 17 - len(stage.prompt)
    assert stage.prompt[-1] == ("user", "And now?")
    assert "Be kind." in stage.requests[-1].body["messages"][0]["content"]
    assert _tokens(stage) <= 200
    assert stage.prompt[-2:-1] == [("assistant", "Noted.")]


def test_a_whole_history_longer_than_the_window(red: Chat, stage: Stage, new_id: NewId) -> None:
    stage.play("Noted.")
    id, messages = new_id(), []
    for number in range(8):
        messages.append(user(f"{number} " + "word " * 30))
        response = red.say(*messages, id=id)
        messages.append(assistant("Noted."))
    assert response.metadata["truncated_messages"] == 15 - len(stage.prompt)
    assert _tokens(stage) <= 200
    assert response.usage.prompt_tokens > 200  # what was sent, not what fitted


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize(
    "messages",
    [[user("word " * 300)], [{"role": "system", "content": "word " * 300}, user("Hi")], [user("ß梨" * 120)]],
    ids=["user", "system", "multibyte"],
)
def test_too_big_alone(red: Chat, stage: Stage, new_id: NewId, messages: list[dict[str, str]], streaming: bool) -> None:
    stage.play("Yes.")
    id = new_id()
    red.say("one", id=id)
    with pytest.raises(openai.BadRequestError) as raised:
        (red.stream if streaming else red.say)(*messages, id=id)
    assert (raised.value.code, raised.value.param) == ("context_length_exceeded", "messages")
    assert "200" in raised.value.message
    assert len(stage.requests) == 1
    red.say("two", id=id)
    assert stage.prompt == [("user", "one"), ("assistant", "Yes."), ("user", "two")]


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_the_limit(strict: Server, stage: Stage, chunked: bool) -> None:
    stage.play("Yes.")
    body = b'{"messages": [{"role": "user", "content": "' + b"x" * 60_000 + b'"}]}'
    pieces = [body[at : at + 8192] for at in range(0, len(body), 8192)]
    answer = strict.wire().ask(body=pieces if chunked else body, headers={"Authorization": "Bearer key-of-red"})
    assert answer.status == 413
    assert answer.error["code"] == "request_too_large"
    assert answer.error["type"] == "invalid_request_error"
    assert stage.requests == []


def test_a_body_just_under_the_limit(strict: Server, red: Chat, stage: Stage) -> None:
    stage.play("Yes.")
    assert red.text("Hi", extra_body={"padding": "x" * 50_000}) == "Yes."


def test_more_at_once_than_the_server_takes(red: Chat, stage: Stage) -> None:
    hold = stage.hold()
    stage.play(Reply("Held.", hold=hold))
    with meanwhile(lambda: red.text("one"), lambda: red.text("two")) as both:
        stage.wait_requests(2)
        with pytest.raises(openai.RateLimitError) as raised:
            red.say("three")
        hold.release()
        assert [each.result() for each in both] == ["Held.", "Held."]
    assert (raised.value.status_code, raised.value.code) == (429, "rate_limit_exceeded")
    assert int(raised.value.response.headers["retry-after"]) >= 1
    stage.play("Again.")
    assert red.text("three") == "Again."


def _tokens(stage: Stage) -> int:
    """The tokens of the conversation as it was told, with what the application said; the team's own rules come on top."""
    counted = open_tokenizer("gpt-4")
    messages = [Message(role, content) for role, content in stage.prompt]  # type: ignore[arg-type]
    return sum(map(counted.count_message, [Message("system", "Be kind."), *messages]))
