"""OpenAI's own description of its API, as something to hold answers against."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema_rs import Draft202012Validator

CHAT = "/v1/chat/completions"
DESCRIPTION = Path(__file__).parents[1] / "data" / "openai-openapi.json"
_CHAT = {
    "chat.completion": "CreateChatCompletionResponse",
    "chat.completion.chunk": "CreateChatCompletionStreamResponse",
}


def check(name: str, value: Any, *, without: Sequence[str] = ("metadata",)) -> None:
    """Fail unless the value is what the schema of that name says. `oneOf` is read as `anyOf`, and a chat's
    `metadata` is left out: OpenAI's holds strings alone, ours holds lists and numbers too."""
    plain = {key: each for key, each in value.items() if key not in without}
    errors = [f"{error.instance_path}: {error.message:.200}" for error in _validator(name).iter_errors(plain)]
    assert not errors, errors


def check_chat(value: Any) -> None:
    """Fail unless the value may be sent for a chat request: a completion, a chunk of a stream, or an error."""
    if set(value) == {"error"}:
        check("ErrorResponse", value)
    else:
        check(_CHAT[value["object"]], value)


def check_chat_answer(content_type: str, body: bytes) -> None:
    """Fail unless the body is an answer to a chat request, or the beginning of a stream that is one."""
    if content_type.startswith("application/json"):
        check_chat(json.loads(body))
    elif content_type.startswith("text/event-stream"):
        for line in body.split(b"\n")[:-1]:
            if line.startswith(b"data: {"):
                check_chat(json.loads(line.removeprefix(b"data: ")))


def properties(name: str) -> dict[str, Any]:
    """The properties of the schema of that name, with those of all that it is made of."""
    return _properties(_description()["components"]["schemas"][name])


def _properties(schema: Any) -> dict[str, Any]:
    if "$ref" in schema:
        return properties(schema["$ref"].rpartition("/")[2])
    made_of = [_properties(part) for part in schema.get("allOf", ())]
    return {key: value for part in [*made_of, schema.get("properties", {})] for key, value in part.items()}


@cache
def _validator(name: str) -> Draft202012Validator:
    description = _description()
    return Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": description["components"]})


@cache
def _description() -> Any:
    return _readable(json.loads(DESCRIPTION.read_text()))


def _readable(node: Any) -> Any:
    """The same in terms of JSON Schema: what is nullable may also be null."""
    if isinstance(node, list):
        return [_readable(each) for each in node]
    if not isinstance(node, dict):
        return node
    read = {("anyOf" if key == "oneOf" else key): _readable(each) for key, each in node.items()}
    if read.pop("nullable", False) is True:
        return {"anyOf": [read, {"type": "null"}]}
    return read
