"""What is wrong with a request is told clearly, in OpenAI's shape, and leaves no trace. Over plain HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import openai
import pytest

from tests.journeys.chats import Chat, user
from tests.journeys.server import Server
from tests.journeys.stage import Stage
from tests.journeys.wire import Answer

pytestmark = pytest.mark.xdist_group("journeys-trouble")

ID = "journey of bad input"
HI = [user("Hi")]
TOOL = {"type": "function", "function": {"name": "weather"}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}


@pytest.fixture(autouse=True)
def quiet(stage: Stage) -> None:
    stage.play("Hello.")


def test_nothing_is_stored(scripted: Server, stage: Stage, new_id: Callable[[], str]) -> None:
    """Whatever is wrong, the conversation that the request names stays as it was."""
    id = new_id()
    chat = Chat(scripted)
    chat.say("one", id=id)
    for fields, *_ in FIELDS:
        assert _post(scripted, {"conversation_id": id, **fields}).status == 400
    assert len(stage.requests) == 1
    chat.say("two", id=id)
    assert stage.prompt == [("user", "one"), ("assistant", "Hello."), ("user", "two")]


NO_JSON = {
    "empty": b"",
    "blank": b"  \n",
    "text": b"hello",
    "half": b'{"messages": [',
    "trailing": b'{"messages": []} {}',
    "comma": b'{"messages": [],}',
    "single quotes": b"{'messages': []}",
    "nan": b'{"messages": [{"role": "user", "content": "x"}], "temperature": NaN}',
    "infinity": b'{"messages": [{"role": "user", "content": "x"}], "temperature": -Infinity}',
    "a number beyond all": b'{"messages": [{"role": "user", "content": "x"}], "seed": 1' + b"0" * 400 + b"}",
    "latin-1": '{"messages": [{"role": "user", "content": "é"}]}'.encode("latin-1"),
    "utf-16": '{"messages": [{"role": "user", "content": "x"}]}'.encode("utf-16"),
    "a raw control character": b'{"messages": [{"role": "user", "content": "a\x00b"}]}',
    "half a surrogate": b'{"messages": [{"role": "user", "content": "\\ud83d"}]}',
    "deep arrays": b"[" * 100_000 + b"]" * 100_000,
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "deep inside": b'{"messages": [{"role": "user", "content": "x"}], "metadata": ' + b"[" * 300 + b"]" * 300 + b"}",
}


@pytest.mark.parametrize("body", NO_JSON.values(), ids=NO_JSON)
def test_what_is_no_json(scripted: Server, stage: Stage, body: bytes) -> None:
    answer = scripted.wire().ask(body=body)
    assert answer.status == 400
    assert (answer.error["type"], answer.error["code"]) == ("invalid_request_error", "invalid_json")
    assert answer.error["param"] is None
    assert stage.requests == []


@pytest.mark.parametrize("value", [[], None, 1, "text", True, [HI]], ids=repr)
def test_what_is_no_object(scripted: Server, value: Any) -> None:
    answer = _post(scripted, value)
    assert answer.status == 400
    assert (answer.error["type"], answer.error["code"]) == ("invalid_request_error", "invalid_type")


def _message(**message: Any) -> dict[str, Any]:
    return {"messages": [message]}


def _with(**fields: Any) -> dict[str, Any]:
    return {"messages": HI, **fields}


# (body, param, code)
FIELDS: list[tuple[dict[str, Any], str, str]] = [
    ({}, "messages", "missing_required_parameter"),
    ({"model": "cortex-flow"}, "messages", "missing_required_parameter"),
    ({"messages": None}, "messages", "invalid_type"),
    ({"messages": []}, "messages", "empty_array"),
    ({"messages": "Hi"}, "messages", "invalid_type"),
    ({"messages": {"role": "user", "content": "Hi"}}, "messages", "invalid_type"),
    ({"messages": ["Hi"]}, "messages[0]", "invalid_type"),
    ({"messages": [None]}, "messages[0]", "invalid_type"),
    ({"messages": HI * 10_001}, "messages", "array_above_max_length"),
    (_message(), "messages[0].role", "missing_required_parameter"),
    (_message(content="Hi"), "messages[0].role", "missing_required_parameter"),
    (_message(role="wizard", content="Hi"), "messages[0].role", "invalid_value"),
    (_message(role="User", content="Hi"), "messages[0].role", "invalid_value"),
    (_message(role=None, content="Hi"), "messages[0].role", "invalid_value"),
    (_message(role="user"), "messages[0].content", "missing_required_parameter"),
    (_message(role="user", content=5), "messages[0].content", "invalid_type"),
    (_message(role="user", content={"text": "Hi"}), "messages[0].content", "invalid_type"),
    (_message(role="user", content=["Hi"]), "messages[0].content[0]", "invalid_type"),
    (_message(role="user", content=[{"text": "Hi"}]), "messages[0].content[0].type", "missing_required_parameter"),
    (_message(role="user", content=[{"type": "text"}]), "messages[0].content[0].text", "missing_required_parameter"),
    (_message(role="user", content=[{"type": "smell"}]), "messages[0].content[0].type", "invalid_value"),
    (_message(role="user", content=[{"type": "text", "text": 1}]), "messages[0].content[0].text", "invalid_type"),
    (_message(role="user", content="Hi", name=7), "messages[0].name", "invalid_type"),
    (_message(role="tool", content="x"), "messages[0].tool_call_id", "missing_required_parameter"),
    (_message(role="tool", content="x", tool_call_id=1), "messages[0].tool_call_id", "invalid_type"),
    (_message(role="assistant", tool_calls=[{"id": "a"}]), "messages[0].tool_calls[0].function", "missing_required_parameter"),
    ({"messages": [*HI, {"role": "assistant", "tool_calls": "x"}]}, "messages[1].tool_calls", "invalid_type"),
    ({"messages": [*HI, {"role": "nobody", "content": ""}]}, "messages[1].role", "invalid_value"),
    (_with(model=5), "model", "invalid_type"),
    (_with(model=["cortex-flow"]), "model", "invalid_type"),
    (_with(conversation_id=5), "conversation_id", "invalid_type"),
    (_with(stream="yes"), "stream", "invalid_type"),
    (_with(stream=1), "stream", "invalid_type"),
    (_with(stream_options=True), "stream_options", "invalid_type"),
    (_with(stream_options={"include_usage": 1}), "stream_options.include_usage", "invalid_type"),
    (_with(temperature=-0.1), "temperature", "decimal_below_min_value"),
    (_with(temperature=2.1), "temperature", "decimal_above_max_value"),
    (_with(temperature=3), "temperature", "integer_above_max_value"),
    (_with(temperature="hot"), "temperature", "invalid_type"),
    (_with(temperature=True), "temperature", "invalid_type"),
    (_with(temperature=10**300), "temperature", "decimal_above_max_value"),
    (_with(top_p=1.5), "top_p", "decimal_above_max_value"),
    (_with(top_p=-1), "top_p", "integer_below_min_value"),
    (_with(presence_penalty=-2.5), "presence_penalty", "decimal_below_min_value"),
    (_with(frequency_penalty=2.5), "frequency_penalty", "decimal_above_max_value"),
    (_with(max_tokens=0), "max_tokens", "integer_below_min_value"),
    (_with(max_tokens=-5), "max_tokens", "integer_below_min_value"),
    (_with(max_tokens=1.5), "max_tokens", "invalid_type"),
    (_with(max_tokens="10"), "max_tokens", "invalid_type"),
    (_with(max_tokens=2**63), "max_tokens", "integer_above_max_value"),
    (_with(max_tokens=2**70), "max_tokens", "invalid_type"),
    (_with(max_completion_tokens=0), "max_completion_tokens", "integer_below_min_value"),
    (_with(seed=2**63), "seed", "integer_above_max_value"),
    (_with(seed="x"), "seed", "invalid_type"),
    (_with(n=0), "n", "integer_below_min_value"),
    (_with(n=129), "n", "integer_above_max_value"),
    (_with(stop=5), "stop", "invalid_type"),
    (_with(stop=["a", "b", "c", "d", "e"]), "stop", "array_above_max_length"),
    (_with(stop=["a", 1]), "stop[1]", "invalid_type"),
    (_with(user=5), "user", "invalid_type"),
    (_with(metadata="x"), "metadata", "invalid_type"),
    (_with(history="half"), "history", "invalid_value"),
    (_with(tools="weather"), "tools", "invalid_type"),
    (_with(tools=[1]), "tools[0]", "invalid_type"),
    (_with(tools=[{"type": "function"}]), "tools[0].function", "missing_required_parameter"),
    (_with(tools=[{"type": "function", "function": {}}]), "tools[0].function.name", "missing_required_parameter"),
    (_with(tools=[{"type": "function", "function": {"name": "no spaces!"}}]), "tools[0].function.name", "invalid_value"),
    (_with(tools=[TOOL, TOOL]), "tools", "invalid_value"),
    (_with(tools=[TOOL], tool_choice="sometimes"), "tool_choice", "invalid_value"),
    (_with(tools=[TOOL], tool_choice={"type": "function", "function": {"name": "other"}}), "tool_choice", "invalid_value"),
    (_with(tool_choice="required"), "tool_choice", "invalid_value"),
    (_with(response_format="json"), "response_format", "invalid_type"),
    (_with(response_format={"type": "xml"}), "response_format.type", "invalid_value"),
    (_with(response_format={"type": "json_schema"}), "response_format.json_schema", "missing_required_parameter"),
    (_with(modalities=["text", "audio"]), "modalities", "unsupported_value"),
    (_with(audio={"voice": "alloy", "format": "wav"}), "audio", "unsupported_value"),
    (_with(top_logprobs=3), "top_logprobs", "invalid_value"),
    (_with(functions=[{}]), "functions[0].name", "missing_required_parameter"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "param", "code"), FIELDS, ids=[f"{n}-{case[1]}" for n, case in enumerate(FIELDS)])
def test_a_field_that_is_wrong(scripted: Server, stage: Stage, body: dict[str, Any], param: str, code: str) -> None:
    answer = _post(scripted, body)
    assert answer.status == 400, answer
    assert answer.error["type"] == "invalid_request_error"
    assert (answer.error["param"], answer.error["code"]) == (param, code)
    assert param in answer.error["message"]
    assert stage.requests == []


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize(
    "model", ["gpt-17", "unknown/model", "Cortex-Flow", "cortex-flow-", "💥", "a" * 5000, "openai:"]
)
def test_an_unknown_model(scripted: Server, stage: Stage, model: str, streaming: bool) -> None:
    answer = _post(scripted, _with(model=model, stream=streaming))
    assert answer.status == 404
    assert (answer.error["type"], answer.error["code"]) == ("invalid_request_error", "model_not_found")
    assert answer.error["param"] == "model"
    assert model[:100] in answer.error["message"]
    assert stage.requests == []


@pytest.mark.parametrize("name", ["a\x00b", "line\nbreak", "tab\t", "\x7f", "x" * 513], ids=repr)
def test_a_name_that_no_conversation_can_have(scripted: Server, stage: Stage, name: str) -> None:
    answer = _post(scripted, _with(conversation_id=name))
    assert answer.status == 400
    assert answer.error["param"] == "conversation_id"
    assert stage.requests == []


@pytest.mark.parametrize("name", [b"\xff\xfe", b"%ff", b"a%00b", b"%0a", b"x" * 513])
@pytest.mark.parametrize("header", ["X-Conversation-Id", "x-session-id"])
def test_a_header_that_no_conversation_can_have(scripted: Server, stage: Stage, header: str, name: bytes) -> None:
    sent: Any = {header: name}
    answer = scripted.wire().ask(json=_with(), headers=sent)
    assert answer.status == 400
    assert answer.error["param"] == header.lower()
    assert stage.requests == []


UNANSWERED = [*HI, {"role": "assistant", "tool_calls": [CALL, {**CALL, "id": "call_2"}]}]
OUTPUT = {"role": "tool", "tool_call_id": "call_1", "content": "sun"}
OUTPUTS = {
    "nobody has asked": [OUTPUT],
    "another call": [
        *UNANSWERED[:1],
        {"role": "assistant", "tool_calls": [CALL]},
        {**OUTPUT, "tool_call_id": "call_9"},
    ],
    "one of two": [*UNANSWERED, OUTPUT],
    "twice": [*UNANSWERED[:1], {"role": "assistant", "tool_calls": [CALL]}, OUTPUT, OUTPUT],
    "a call of no run": [{**OUTPUT, "tool_call_id": "call_" + "x" * 35}],
}


@pytest.mark.parametrize("messages", OUTPUTS.values(), ids=OUTPUTS)
def test_outputs_of_calls_that_are_not_open(scripted: Server, stage: Stage, messages: list[Any]) -> None:
    answer = _post(scripted, {"messages": messages, "tools": [TOOL]})
    assert answer.status == 400
    assert answer.error["param"].startswith("messages")
    assert stage.requests == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PATCH", "/v1/chat/completions"),
        ("PUT", "/v1/chat/completions"),
        ("DELETE", "/v1/models"),
        ("POST", "/v1/chat/completions/"),
        ("POST", "/chat/completions"),
        ("POST", "/v1/nothing"),
        ("GET", "/v2"),
        ("POST", "/health"),
        ("GET", "/%F0%9F%92%A5?a=b"),
        ("PATCH", "/v1/models"),
    ],
)
def test_an_unknown_route(scripted: Server, method: str, path: str) -> None:
    answer = scripted.wire().ask(method, path)
    assert answer.status == 404
    assert (answer.error["type"], answer.error["code"]) == ("invalid_request_error", "not_found")
    assert method in answer.error["message"]


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "application/json; charset=utf-16", "nonsense", ""])
def test_the_content_type_does_not_matter(scripted: Server, kind: str) -> None:
    answer = scripted.wire().ask(json=_with(), headers={"Content-Type": kind})
    assert answer.status == 200


@pytest.mark.parametrize(
    "fields",
    [
        {"frobnicate": {"x": 1}, "client_metadata": [], "prompt_cache_key": "k", "parallel_tool_calls": True},
        {"temperature": None, "stream": None, "tools": None, "stop": None, "user": None, "n": None, "seed": None},
        {"tools": [], "tool_choice": "auto"},
        {"tools": [{"type": "browser_of_tomorrow", "size": 3}]},
        {"temperature": 0, "top_p": 0, "presence_penalty": 2, "frequency_penalty": -2, "logprobs": False, "n": 1},
        {"modalities": ["text"], "response_format": {"type": "text"}, "store": True, "stream_options": None},
        {"stop": "", "max_tokens": 2**62},
    ],
    ids=lambda fields: ",".join(fields),
)
def test_what_real_clients_send(scripted: Server, fields: dict[str, Any]) -> None:
    answer = _post(scripted, _with(**fields))
    assert answer.status == 200, answer
    assert answer.json["choices"][0]["message"]["content"] == "Hello."


def test_odd_but_legal_words(scripted: Server, stage: Stage, new_id: Callable[[], str]) -> None:
    odd = "nul \x00 escape \x1b bell \x07 \u202e bidi <|endoftext|> <|im_start|> \ufffe 💩 \u2028"
    id = new_id()
    chat = Chat(scripted)
    chat.say(odd, id=id)
    assert stage.prompt == [("user", odd)]
    chat.say("Again?", id=id)
    assert stage.prompt[0] == ("user", odd)


def test_half_a_body(scripted: Server, stage: Stage) -> None:
    """A client that hangs up before its body is complete harms nobody."""
    connection = scripted.wire().send(body=b'{"messages"', headers={"Content-Length": "5000"})
    connection.close()
    assert Chat(scripted).text("Hi") == "Hello."
    assert len(stage.requests) == 1


def test_the_client_raises_what_it_should(scripted: Server) -> None:
    chat = Chat(scripted)
    with pytest.raises(openai.BadRequestError) as refused:
        chat.say("Hi", temperature=9)
    assert (refused.value.status_code, refused.value.param) == (400, "temperature")
    with pytest.raises(openai.NotFoundError) as missing:
        chat.stream("Hi", model="gpt-17")
    assert (missing.value.status_code, missing.value.code) == (404, "model_not_found")


def _post(server: Server, body: Any) -> Answer:
    return server.wire().ask(body=json.dumps(body).encode())
