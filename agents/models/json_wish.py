"""A JSON format put in words, for models that have no parameter for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson

from agents.models.port import Message


def wish(response_format: Mapping[str, Any] | None) -> str | None:
    """What to tell the model; None where no JSON is asked for."""
    kind = (response_format or {}).get("type")
    if response_format is None or kind not in ("json_object", "json_schema"):
        return None
    schema = (response_format.get("json_schema") or {}).get("schema")
    by = f" that follows this JSON schema: {orjson.dumps(schema).decode()}" if schema else ""
    return f"Answer with one JSON object{by}. No words around it, no code fence."


def in_words(messages: Sequence[Message], response_format: Mapping[str, Any] | None) -> list[Message]:
    """The prompt, with the wish in its system message."""
    words = wish(response_format)
    if words is None:
        return list(messages)
    if messages and messages[0].role == "system":
        return [replace(messages[0], content=f"{messages[0].text}\n\n{words}"), *messages[1:]]
    return [Message("system", words), *messages]
