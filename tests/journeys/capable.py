"""A script that plays a capable model: it calls tools, keeps to schemas and answers, and knows the request alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from tests.replies import Call, Reply
from tests.upstream import Body

_QUOTED = re.compile(r"'([^']+)'")
_NUMBER = re.compile(r"-?\d+")


def capable(body: Body) -> Reply:
    """Calls a tool where it must or where the user's words name it, answers in JSON where JSON is asked for, else talks."""
    newest = body["messages"][-1]
    said = text_of(newest)
    if call := _call(body, said) if newest["role"] == "user" else None:
        return Reply(calls=[call])
    if wanted := body.get("response_format"):
        return Reply(orjson.dumps(_json(wanted, said)).decode())
    seen = sum(part["type"] == "image_url" for part in _parts(newest))
    return Reply(f"I see {seen} image." if seen else f"Hello! You said: {said}")


def text_of(message: Mapping[str, Any]) -> str:
    return " ".join(part["text"] for part in _parts(message) if part["type"] == "text")


def _parts(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    content = message.get("content") or ""
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _call(body: Body, said: str) -> Call | None:
    functions = {tool["function"]["name"]: tool["function"] for tool in body.get("tools", ())}
    name = _chosen(body.get("tool_choice"), functions, said)
    return None if name is None else (name, _filled(functions[name].get("parameters") or {}, said))


def _chosen(choice: Any, functions: Mapping[str, Any], said: str) -> str | None:
    if isinstance(choice, Mapping):
        return str(choice["function"]["name"])
    named = (name for name in functions if _names(name, said))
    return next(named, next(iter(functions)) if choice == "required" else None)


def _names(function: str, said: str) -> bool:
    """Whether these words name the function: `get_weather` is named by weather, `add` by no address."""
    *_, noun = function.split("_")
    return not function.startswith("transfer_to_") and re.search(rf"\b({function}|{noun})\b", said) is not None


def _json(wanted: Mapping[str, Any], said: str) -> Any:
    if wanted["type"] == "json_schema":
        return _filled(wanted["json_schema"]["schema"], said)
    return {key: f"The {key}" for key in _QUOTED.findall(said)}


def _filled(schema: Mapping[str, Any], said: str) -> dict[str, Any]:
    """An object of that schema, with what the user's words offer."""
    numbers = (int(number) for number in _NUMBER.findall(said))
    return {name: _value(each, name, said, numbers) for name, each in schema.get("properties", {}).items()}


def _value(schema: Mapping[str, Any], name: str, said: str, numbers: Iterator[int]) -> Any:
    kinds = [schema, *schema.get("anyOf", ())]
    if any(kind.get("type") == "integer" for kind in kinds):
        return next(numbers, 0)
    return next(iter(_QUOTED.findall(said)), f"The {name}")
