"""The JSON format that an answer shall have (`response_format`): read, and put in words for models that have no parameter for
it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson

from agents.models.port import Message

Format = Mapping[str, Any] | None


def is_json(wanted: Format) -> bool:
    """Whether JSON is asked for."""
    return wanted is not None and wanted.get("type") in ("json_object", "json_schema")


def schema_of(wanted: Format) -> Mapping[str, Any] | None:
    """The schema to be followed. JSON without one is an object of any kind."""
    if wanted is None or wanted.get("type") != "json_schema":
        return None
    schema = (wanted.get("json_schema") or {}).get("schema")
    return schema if isinstance(schema, Mapping) else None


def wish(wanted: Format) -> str | None:
    """What to tell the model; None where no JSON is asked for."""
    if not is_json(wanted):
        return None
    schema = schema_of(wanted)
    by = f" that follows this JSON schema: {orjson.dumps(schema).decode()}" if schema else ""
    return f"Answer with one JSON object{by}. No words around it, no code fence."


def in_words(messages: Sequence[Message], wanted: Format) -> list[Message]:
    """The prompt, with the wish in its system message."""
    words = wish(wanted)
    if words is None:
        return list(messages)
    if messages and messages[0].role == "system":
        return [replace(messages[0], content=f"{messages[0].text}\n\n{words}"), *messages[1:]]
    return [Message("system", words), *messages]
