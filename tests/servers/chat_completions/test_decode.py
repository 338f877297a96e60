"""What a chat request means, and what is wrong with it."""

from __future__ import annotations

import time
from typing import Any

import pytest

from agents.models.port import FilePart, ImagePart, Message, Params, Part, TextPart, ToolCall, ToolSpec
from graph.request import RunRequest
from servers.chat_completions import schema as wire
from servers.chat_completions.decode import decode
from servers.chat_completions.messages import decode_messages
from servers.chat_completions.schema import ChatRequest
from servers.errors import ApiError
from servers.invalid import validated
from servers.routing import Route

USER = {"role": "user", "content": "Hi"}
FUNCTION = {"name": "f", "description": "d", "parameters": {"type": "object"}}
TOOL = {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}


def decoded(progress: bool = False, conversation: str | None = None, **body: Any) -> RunRequest:
    request = validated(ChatRequest, {"model": "m", "messages": [USER], **body})
    return decode(
        request,
        tenant="t",
        route=Route("researcher", "openai:x"),
        label="m",
        conversation=conversation,
        progress=progress,
    )


def refused(**body: Any) -> ApiError:
    with pytest.raises(ApiError) as caught:
        decoded(**body)
    assert (caught.value.status, caught.value.type) == (400, "invalid_request_error")
    return caught.value


def message(**fields: Any) -> Message:
    [decoded_message] = decoded(messages=[fields]).messages
    return decoded_message


def test_the_least_request() -> None:
    assert decoded() == RunRequest(
        "t",
        (Message("user", "Hi"),),
        agent="researcher",
        model="openai:x",
        label="m",
        params=Params(stream=False),
    )


def test_everything_that_has_a_place() -> None:
    request = decoded(
        conversation="c",
        stream=True,
        history="full",
        metadata={"a": "b"},
        temperature=0.5,
        top_p=1,
        presence_penalty=-2,
        frequency_penalty=2,
        seed=7,
        max_tokens=5,
        max_completion_tokens=6,
        stop=["a", "", "b"],
        tools=[TOOL, {"type": "web_search"}, {"type": "custom", "custom": {"name": "x"}}],
        tool_choice="required",
        parallel_tool_calls=False,
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": True},
        },
        user="u",
        logit_bias={"5": 1},
        reasoning_effort="low",
        verbosity="high",
        logprobs=False,
        n=1,
        modalities=["text"],
        unheard_of=[1, 2],
    )
    assert (request.conversation, request.history, request.watched, request.metadata) == ("c", "full", True, {"a": "b"})
    assert request.tools == (ToolSpec("f", "d", {"type": "object"}),)
    assert request.params == Params(
        stream=True,
        temperature=0.5,
        top_p=1,
        presence_penalty=-2,
        frequency_penalty=2,
        seed=7,
        max_tokens=6,
        stop=("a", "b"),
        tool_choice="required",
        parallel_tool_calls=False,
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": True},
        },
        extra={"user": "u", "logit_bias": {"5": 1}, "reasoning_effort": "low", "verbosity": "high"},
    )


@pytest.mark.parametrize(
    ("wire", "meant"),
    [
        ({"role": "system", "content": "x"}, Message("system", "x")),
        ({"role": "developer", "content": "x", "name": "n"}, Message("system", "x", "n")),
        ({"role": "user", "content": None}, Message("user", "")),
        ({"role": "user", "content": "x", "metadata": {}, "options": 1}, Message("user", "x")),
        ({"role": "assistant"}, Message("assistant", "")),
        ({"role": "assistant", "content": None, "refusal": "no"}, Message("assistant", "no")),
        ({"role": "assistant", "content": "x", "refusal": "no"}, Message("assistant", "x\n\nno")),
        (
            {"role": "assistant", "content": [{"type": "text", "text": "x"}], "refusal": "no"},
            Message("assistant", (TextPart("x"), TextPart("no"))),
        ),
        ({"role": "assistant", "content": "x", "tool_calls": None, "refusal": None, "audio": None}, Message("assistant", "x")),
        ({"role": "tool", "tool_call_id": "c", "content": "x"}, Message("tool", "x", tool_call_id="c")),
    ],
)  # fmt: skip
def test_a_message_of_each_role(wire: dict[str, Any], meant: Message) -> None:
    assert message(**wire) == meant


@pytest.mark.parametrize(
    ("wire", "meant"),
    [
        ({"type": "text", "text": "x"}, TextPart("x")),
        ({"type": "refusal", "refusal": "no"}, TextPart("no")),
        ({"type": "image_url", "image_url": {"url": "https://x/y", "detail": "low"}}, ImagePart("https://x/y", "low")),
        ({"type": "image_url", "image_url": "https://x/y"}, ImagePart("https://x/y")),
        ({"type": "file", "file": {"file_id": "file-1"}}, FilePart(file_id="file-1")),
        ({"type": "file", "file": {"filename": "a", "file_data": "data:,x"}}, FilePart("a", "data:,x")),
    ],
)
@pytest.mark.parametrize("role", ["user", "assistant", "system"])
def test_parts_in_any_message(role: str, wire: dict[str, Any], meant: Part) -> None:
    assert message(role=role, content=[wire]).content == (meant,)


@pytest.mark.parametrize(
    ("arguments", "meant"), [('{"a":1}', '{"a":1}'), ({"a": 1}, '{"a":1}'), (None, "{}"), ("oops", "oops")]
)
def test_calls_of_an_assistant(arguments: Any, meant: str) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}}
    said = message(role="assistant", content=None, tool_calls=[call])
    assert said == Message("assistant", "", tool_calls=(ToolCall("c", "f", meant),))


def test_functions_as_they_were_called_once() -> None:
    old = [
        USER,
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "1"},
        {"role": "assistant", "content": "One.", "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "2"},
    ]
    _, first, one, second, two = decoded(messages=old).messages
    assert one == Message("tool", "1", "f", tool_call_id=first.tool_calls[0].id)
    assert two == Message("tool", "2", "f", tool_call_id=second.tool_calls[0].id)
    assert one.tool_call_id != two.tool_call_id


def test_many_calls_and_many_functions_are_found_quickly() -> None:
    called = [{"id": "c", "function": {"name": "first"}}]
    others = wire.Message(
        role="assistant", tool_calls=[wire.ToolCall(id="o", function=wire.FunctionCall(name="o"))] * 1000
    )
    messages = [wire.Message.model_validate({"role": "assistant", "tool_calls": called}), *[others] * 100]
    messages += [wire.Message.model_validate({"role": "function", "name": "first", "content": "x"})] * 9000
    began = time.process_time()
    assert {message.tool_call_id for message in decode_messages(messages) if message.role == "tool"} == {"c"}
    assert time.process_time() - began < 5, "it took minutes"


@pytest.mark.parametrize(
    ("choice", "meant", "offered"),
    [
        (None, None, ["f", "g"]),
        ("none", "none", ["f", "g"]),
        ({"type": "function", "function": {"name": "g"}}, {"type": "function", "function": {"name": "g"}}, ["f", "g"]),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "g"}}]},
            },
            "required",
            ["g"],
        ),
    ],
)
def test_the_choice_of_a_tool(choice: Any, meant: Any, offered: list[str]) -> None:
    request = decoded(tools=[TOOL, {"function": {"name": "g"}}], tool_choice=choice)
    assert request.params.tool_choice == meant
    assert [tool.name for tool in request.tools] == offered


@pytest.mark.parametrize(
    ("choice", "meant"),
    [
        (None, None),
        ("auto", "auto"),
        ("none", "none"),
        ({"name": "f"}, {"type": "function", "function": {"name": "f"}}),
    ],
)
def test_functions_are_tools_that_are_called_one_at_a_time(choice: Any, meant: Any) -> None:
    request = decoded(functions=[FUNCTION], function_call=choice)
    assert request.tools == (ToolSpec("f", "d", {"type": "object"}),)
    assert (request.params.tool_choice, request.params.parallel_tool_calls) == (meant, False)
    assert request.calls_by_name


@pytest.mark.parametrize("choice", ["auto", "none"])
def test_a_choice_of_nothing_says_nothing(choice: str) -> None:
    assert decoded(tool_choice=choice).params.tool_choice is None


@pytest.mark.parametrize("format", [None, {"type": "text"}])
def test_text_is_the_default_format(format: Any) -> None:
    assert decoded(response_format=format).params.response_format is None


@pytest.mark.parametrize(
    ("setting", "stream", "options", "asked"),
    [
        (False, True, None, False),
        (True, True, None, True),
        (False, True, {"include_progress": True}, True),
        (True, True, {"include_progress": False}, False),
        (True, False, None, False),
    ],
)
def test_who_wants_to_see_the_agents_work(setting: bool, stream: bool, options: Any, asked: bool) -> None:
    assert decoded(progress=setting, stream=stream, stream_options=options).progress is asked


@pytest.mark.parametrize("stop", [None, "", [], [""]])
def test_no_stop(stop: Any) -> None:
    assert decoded(stop=stop).params.stop == ()


CALL = {"id": "c", "function": {"name": "f", "arguments": "{}"}}


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"messages": None}, "messages", "invalid_type"),
        ({"messages": []}, "messages", "empty_array"),
        ({"messages": "Hi"}, "messages", "invalid_type"),
        ({"messages": {"0": USER}}, "messages", "invalid_type"),
        ({"messages": [USER] * 10_001}, "messages", "array_above_max_length"),
        ({"messages": ["Hi"]}, "messages[0]", "invalid_type"),
        ({"messages": [{"content": "Hi"}]}, "messages[0].role", "missing_required_parameter"),
        ({"messages": [{"role": "robot", "content": "Hi"}]}, "messages[0].role", "invalid_value"),
        ({"messages": [{"role": "user"}]}, "messages[0].content", "missing_required_parameter"),
        ({"messages": [USER, {"role": "user", "content": 5}]}, "messages[1].content", "invalid_type"),
        ({"messages": [{"role": "user", "content": ["x"]}]}, "messages[0].content[0]", "invalid_type"),
        ({"messages": [{"role": "user", "content": [{}]}]}, "messages[0].content[0].type", "missing_required_parameter"),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "messages[0].content[0].type", "invalid_value"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text", "missing_required_parameter"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]}, "messages[0].content[0].image_url.url", "missing_required_parameter"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id", "missing_required_parameter"),
        ({"messages": [{"role": "function", "content": "x"}]}, "messages[0].name", "missing_required_parameter"),
        ({"messages": [{"role": "assistant", "tool_calls": [{"id": "c"}]}]}, "messages[0].tool_calls[0].function", "missing_required_parameter"),
        ({"messages": [{"role": "assistant", "tool_calls": [{"function": CALL["function"]}]}]}, "messages[0].tool_calls[0].id", "missing_required_parameter"),
        ({"model": 5}, "model", "invalid_type"),
        ({"temperature": 2.1}, "temperature", "decimal_above_max_value"),
        ({"temperature": -1}, "temperature", "integer_below_min_value"),
        ({"temperature": "0.7"}, "temperature", "invalid_type"),
        ({"temperature": True}, "temperature", "invalid_type"),
        ({"top_p": 1.5}, "top_p", "decimal_above_max_value"),
        ({"presence_penalty": 3}, "presence_penalty", "integer_above_max_value"),
        ({"frequency_penalty": -3}, "frequency_penalty", "integer_below_min_value"),
        ({"max_tokens": 0}, "max_tokens", "integer_below_min_value"),
        ({"max_tokens": 1.5}, "max_tokens", "invalid_type"),
        ({"max_completion_tokens": -1}, "max_completion_tokens", "integer_below_min_value"),
        ({"seed": 2**63}, "seed", "integer_above_max_value"),
        ({"stream": "true"}, "stream", "invalid_type"),
        ({"stream_options": {"include_usage": 1}}, "stream_options.include_usage", "invalid_type"),
        ({"n": 0}, "n", "integer_below_min_value"),
        ({"n": 129}, "n", "integer_above_max_value"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop", "array_above_max_length"),
        ({"stop": 5}, "stop", "invalid_type"),
        ({"stop": [5]}, "stop[0]", "invalid_type"),
        ({"logprobs": 1}, "logprobs", "invalid_type"),
        ({"top_logprobs": 3}, "top_logprobs", "invalid_value"),
        ({"logprobs": False, "top_logprobs": 3}, "top_logprobs", "invalid_value"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs", "integer_above_max_value"),
        ({"logprobs": True, "top_logprobs": -1}, "top_logprobs", "integer_below_min_value"),
        ({"modalities": ["text", "audio"]}, "modalities", "unsupported_value"),
        ({"audio": {"voice": "x"}}, "audio", "unsupported_value"),
        ({"functions": [{}]}, "functions[0].name", "missing_required_parameter"),
        ({"functions": [FUNCTION] * 129}, "functions", "array_above_max_length"),
        ({"functions": [FUNCTION, FUNCTION]}, "functions", "invalid_value"),
        ({"functions": [FUNCTION], "tools": [TOOL]}, "functions", "mutually_exclusive_parameters"),
        ({"functions": [FUNCTION], "tool_choice": "auto"}, "functions", "mutually_exclusive_parameters"),
        ({"function_call": "auto", "tools": [TOOL]}, "function_call", "mutually_exclusive_parameters"),
        ({"functions": [FUNCTION], "function_call": {"name": "g"}}, "function_call", "invalid_value"),
        ({"functions": [FUNCTION], "function_call": {}}, "function_call.name", "missing_required_parameter"),
        ({"functions": [FUNCTION], "function_call": "required"}, "function_call", "invalid_value"),
        ({"functions": [FUNCTION], "function_call": 5}, "function_call", "invalid_type"),
        ({"metadata": []}, "metadata", "invalid_type"),
        ({"history": "some"}, "history", "invalid_value"),
        ({"tools": [5]}, "tools[0]", "invalid_type"),
        ({"tools": [{"type": "function"}]}, "tools[0].function", "missing_required_parameter"),
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools[0].function.name", "invalid_value"),
        ({"tools": [TOOL, TOOL]}, "tools", "invalid_value"),
        ({"tool_choice": "always"}, "tool_choice", "invalid_value"),
        ({"tool_choice": "required"}, "tool_choice", "invalid_value"),
        ({"tool_choice": {"type": "custom"}}, "tool_choice.type", "invalid_value"),
        ({"tool_choice": 5}, "tool_choice", "invalid_type"),
        ({"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "g"}}}, "tool_choice", "invalid_value"),
        ({"response_format": {"type": "xml"}}, "response_format.type", "invalid_value"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema", "missing_required_parameter"),
        ({"response_format": "json"}, "response_format", "invalid_type"),
    ],
)  # fmt: skip
def test_what_is_refused_and_how(body: dict[str, Any], param: str, code: str) -> None:
    error = refused(**body)
    assert (error.param, error.code) == (param, code)
    assert param in error.message
    assert "~" not in error.message


@pytest.mark.parametrize("body", [[], "x", None, 5])
def test_a_body_is_an_object(body: Any) -> None:
    with pytest.raises(ApiError, match="expected an object") as caught:
        validated(ChatRequest, body)
    assert caught.value.param is None


def test_what_a_message_says() -> None:
    assert refused(temperature="x").message == (
        "Invalid type for 'temperature': expected a number, but got a string instead."
    )
    assert refused(temperature=3).message == ("Invalid value for 'temperature': it should be less than or equal to 2.")
    assert refused(messages=[]).message.startswith("Invalid value for 'messages': it should have at least 1 item")
