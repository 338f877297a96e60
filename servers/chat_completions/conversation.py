"""The name of a conversation, on its way in and out."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, unquote

from starlette.types import Scope

from graph.run import Run
from servers.context import CONVERSATION_HEADERS, header
from servers.errors import BadRequest

MAX_NAME: Final = 512
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_PLAIN = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")


def valid_name(name: str, param: str = "conversation_id") -> str:
    """The name, if a conversation can have it. Raises `BadRequest`."""
    if len(name) > MAX_NAME:
        raise BadRequest(
            f"Invalid value for '{param}': it has more than {MAX_NAME} characters.", param, "string_above_max_length"
        )
    if _CONTROL.search(name):
        raise BadRequest(f"Invalid value for '{param}': it has control characters.", param, "invalid_value")
    return name


def asked_for(scope: Scope, in_body: str | None) -> str | None:
    """The conversation that a request names: in its body, else in `X-Conversation-Id`, else in `x-session-id`. None is
    a new one. Raises `BadRequest` for a name that none can have."""
    if in_body:
        return valid_name(in_body, "conversation_id")
    for name in CONVERSATION_HEADERS:
        if value := header(scope, name):
            return valid_name(_decoded(value, name.decode()), name.decode())
    return None


def named(run: Run) -> str:
    """What a run's conversation is called: as its client did, else by its id."""
    return run.request.conversation or f"conv_{run.conversation_id}"


def as_header(name: str) -> str:
    """A name as the value of a header: what is not printable ASCII, `%`, and spaces at the ends are percent-encoded."""
    body = quote(name.strip(" "), safe=_PLAIN)
    before = len(name) - len(name.lstrip(" "))
    after = len(name) - len(name.rstrip(" ")) if body else 0
    return "%20" * before + body + "%20" * after


def _decoded(value: bytes, name: str) -> str:
    try:
        return unquote(value.decode(), errors="strict")
    except UnicodeDecodeError:
        raise BadRequest(
            f"Invalid value for '{name}': it is no percent-encoded UTF-8.", name, "invalid_value"
        ) from None
