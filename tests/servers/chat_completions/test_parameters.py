"""Every parameter of OpenAI's request, one by one: what is taken, what it does here, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from graph.request import RunRequest
from servers.chat_completions.decode import decode
from servers.chat_completions.schema import PASSED_ON, ChatRequest, Kind
from servers.errors import ApiError
from servers.invalid import validated
from servers.routing import Route
from tests.servers.openai_schema import check, properties

USER = {"role": "user", "content": "Hi"}
FUNCTION = {"name": "f", "parameters": {"type": "object"}}
TOOL = {"type": "function", "function": {**FUNCTION, "strict": True}}
LONG = "x" * 65
UNSUPPORTED = "unsupported_value"


@dataclass(frozen=True)
class Case:
    """`taken`: values that OpenAI's description allows and we take; `refused`: values with the code of the refusal;
    `beside`: what has to stand beside it."""

    kind: Kind
    taken: Sequence[Any]
    refused: Sequence[tuple[Any, str]]
    beside: Mapping[str, Any] = field(default_factory=dict)


def number(low: int, high: int) -> Case:
    over = [(high + 1, "integer_above_max_value"), (low - 1, "integer_below_min_value")]
    return Case("honoured", [low, high, low + 0.5], [*over, ("1", "invalid_type"), (True, "invalid_type")])


def words(*known: str) -> Case:
    return Case("hint", known, [("banana", "invalid_value"), (5, "invalid_value")])


LIMIT = Case("honoured", [1, 10**9], [(0, "integer_below_min_value"), (1.5, "invalid_type"), ("5", "invalid_type")])
SWITCH = Case("honoured", [True, False], [("yes", "invalid_type"), (1, "invalid_type")])

CASES: dict[str, Case] = {
    "model": Case("honoured", ["cortex-flow"], [(5, "invalid_type")]),
    "messages": Case("honoured", [[USER]], [([], "empty_array"), ("Hi", "invalid_type")]),
    "metadata": Case(
        "honoured",
        [{}, {f"k{n}": "v" * 512 for n in range(16)}, {"k" * 64: ""}],
        [
            ({f"k{n}": "v" for n in range(17)}, "object_above_max_properties"),
            ({LONG: "v"}, "string_above_max_length"),
            ({"k": "v" * 513}, "string_above_max_length"),
            ({"k": 1}, "invalid_type"),
            ({"k": None}, "invalid_type"),
            ([], "invalid_type"),
        ],
    ),
    "store": SWITCH,
    "stream": SWITCH,
    "stream_options": Case(
        "honoured",
        [{}, {"include_usage": True}, {"include_obfuscation": False}],
        [({"include_usage": "yes"}, "invalid_type"), ({"include_obfuscation": 1}, "invalid_type"), (True, "invalid_type")],
        {"stream": True},
    ),
    "n": Case("honoured", [1, 128], [(0, "integer_below_min_value"), (129, "integer_above_max_value"), (1.5, "invalid_type")]),
    "temperature": number(0, 2),
    "top_p": number(0, 1),
    "presence_penalty": number(-2, 2),
    "frequency_penalty": number(-2, 2),
    "seed": Case("honoured", [0, -5, 2**62], [(2**63, "integer_above_max_value"), (0.5, "invalid_type")]),
    "logit_bias": Case(
        "honoured",
        [{}, {"50256": -100, "7": 100}],
        [
            ({"5": 101}, "integer_above_max_value"),
            ({"5": -101}, "integer_below_min_value"),
            ({"5": "1"}, "invalid_type"),
            ({"hello": 1}, "invalid_value"),
            ([1], "invalid_type"),
        ],
    ),
    "max_completion_tokens": LIMIT,
    "max_tokens": LIMIT,
    "stop": Case(
        "honoured", ["x", ["a", "b", "c", "d"]], [(["x"] * 5, "array_above_max_length"), (5, "invalid_type"), ([5], "invalid_type")]
    ),
    "response_format": Case(
        "honoured",
        [{"type": "text"}, {"type": "json_object"}, {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}}],
        [({"type": "xml"}, "invalid_value"), ("json", "invalid_type")],
    ),
    "logprobs": SWITCH,
    "top_logprobs": Case(
        "honoured",
        [0, 20],
        [(21, "integer_above_max_value"), (-1, "integer_below_min_value"), (1.5, "invalid_type")],
        {"logprobs": True},
    ),
    "tools": Case(
        "honoured", [[TOOL], [TOOL, {"type": "custom", "custom": {"name": "x"}}]], [([5], "invalid_type"), ({}, "invalid_type")]
    ),
    "tool_choice": Case(
        "honoured",
        [
            "none",
            "auto",
            "required",
            {"type": "function", "function": {"name": "f"}},
            {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [TOOL]}},
        ],
        [("always", "invalid_value"), ({"type": "custom", "custom": {"name": "x"}}, "invalid_value"), (5, "invalid_type")],
        {"tools": [TOOL]},
    ),
    "parallel_tool_calls": replace(SWITCH, beside={"tools": [TOOL]}),
    "functions": Case("honoured", [[FUNCTION]], [([FUNCTION] * 129, "array_above_max_length"), ([{}], "missing_required_parameter")]),
    "function_call": Case(
        "honoured", ["none", "auto", {"name": "f"}], [("required", "invalid_value"), ({"name": "g"}, "invalid_value")], {"functions": [FUNCTION]}
    ),
    "web_search_options": Case(
        "honoured",
        [{}, {"search_context_size": "low"}],
        [({"search_context_size": "huge"}, "invalid_value"), (True, "invalid_type")],
    ),
    "reasoning_effort": words("none", "minimal", "low", "medium", "high", "xhigh", "max"),
    "verbosity": words("low", "medium", "high"),
    "service_tier": words("auto", "default", "flex", "scale", "priority", "fast"),
    "user": Case("hint", ["me"], [(5, "invalid_type")]),
    "safety_identifier": Case("hint", ["x" * 64], [(LONG, "string_above_max_length"), (5, "invalid_type")]),
    "prompt_cache_key": Case("hint", ["key"], [(5, "invalid_type")]),
    "prompt_cache_retention": words("in_memory", "24h"),
    "prompt_cache_options": Case("hint", [{"mode": "explicit", "ttl": "30m"}], [({"ttl": "1y"}, "invalid_value"), (5, "invalid_type")]),
    "prediction": Case(
        "hint",
        [{"type": "content", "content": "x"}, {"type": "content", "content": [{"type": "text", "text": "x"}]}],
        [({"type": "other", "content": "x"}, "invalid_value"), ({"type": "content"}, "missing_required_parameter"), ("x", "invalid_type")],
    ),
    "modalities": Case("refused", [["text"]], [(["text", "audio"], UNSUPPORTED), (["smell"], "invalid_value"), ("text", "invalid_type")]),
    "audio": Case("refused", [], [({"voice": "alloy", "format": "mp3"}, UNSUPPORTED), (True, "invalid_type")]),
    "moderation": Case("refused", [], [({"model": "omni-moderation-latest"}, UNSUPPORTED), ("all", "invalid_type")]),
}  # fmt: skip
OURS = {"conversation_id", "history"}


def decoded(**body: Any) -> RunRequest:
    request = validated(ChatRequest, {"messages": [USER], **body})
    return decode(request, tenant="t", route=Route(), label="m", conversation=None, progress=False, searches_web=True)


def kind_of(name: str) -> Any:
    extra = ChatRequest.model_fields[name].json_schema_extra
    assert isinstance(extra, dict)
    return extra["kind"]


def test_each_of_openais_parameters_has_a_place() -> None:
    assert set(CASES) == set(properties("CreateChatCompletionRequest"))
    assert set(ChatRequest.model_fields) == set(CASES) | OURS
    assert {name: kind_of(name) for name in CASES} == {name: case.kind for name, case in CASES.items()}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, case in CASES.items() for value in case.taken])
def test_what_openai_allows_is_taken(name: str, value: Any) -> None:
    beside = CASES[name].beside
    check("CreateChatCompletionRequest", {"model": "m", "messages": [USER], **beside, name: value})
    request, without = decoded(**{**beside, name: value}), decoded(**beside)
    if CASES[name].kind == "honoured":
        return
    passed = {name: value} if name in PASSED_ON else {}
    assert request == replace(without, params=replace(without.params, extra=passed))


@pytest.mark.parametrize(
    ("name", "value", "code"), [(name, value, code) for name, case in CASES.items() for value, code in case.refused]
)
def test_what_is_refused_and_how(name: str, value: Any, code: str) -> None:
    with pytest.raises(ApiError) as refused:
        decoded(**{**CASES[name].beside, name: value})
    error = refused.value
    assert (error.status, error.code) == (400, code)
    assert error.param is not None
    assert error.param.partition(".")[0].partition("[")[0] == name
    assert error.param in error.message
    assert "[key]" not in error.param


@pytest.mark.parametrize("name", sorted(set(CASES) - {"messages"}))
def test_null_is_absent(name: str) -> None:
    body: dict[str, Any] = {name: None}
    assert decoded(**body) == decoded()


def test_the_table_in_the_documentation_is_fresh() -> None:
    script = Path(__file__).parents[3] / ".ci" / "parameters.py"
    subprocess.run([sys.executable, script, "--check"], check=True, timeout=60)
