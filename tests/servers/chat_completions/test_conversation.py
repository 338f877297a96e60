"""Names of conversations, in bodies and headers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers.chat_completions.conversation import as_header, asked_for
from servers.errors import ApiError

NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=512)


def scope(**headers: str) -> dict[str, Any]:
    return {"headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]}


@pytest.mark.parametrize(
    ("body", "headers", "name"),
    [
        (None, {}, None),
        ("", {}, None),
        ("a", {"x_conversation_id": "b", "x_session_id": "c"}, "a"),
        (None, {"x_session_id": "c", "x_conversation_id": "b"}, "b"),
        (None, {"x_session_id": "c"}, "c"),
        (None, {"x_conversation_id": "", "x_session_id": "c"}, "c"),
        (None, {"x_conversation_id": "my%20chat/7%25"}, "my chat/7%"),
        (None, {"x_conversation_id": "caf%C3%A9"}, "café"),
        ("my chat/7%25", {}, "my chat/7%25"),
        ("x" * 512, {}, "x" * 512),
    ],
)
def test_which_conversation_is_asked_for(body: str | None, headers: dict[str, str], name: str | None) -> None:
    assert asked_for(scope(**headers), body) == name


@pytest.mark.parametrize(
    ("body", "headers", "param"),
    [
        ("x" * 513, {}, "conversation_id"),
        ("a\nb", {}, "conversation_id"),
        ("a\x7fb", {}, "conversation_id"),
        (None, {"x_conversation_id": "a%0Ab"}, "x-conversation-id"),
        (None, {"x_session_id": "%00"}, "x-session-id"),
        (None, {"x_session_id": "%FF"}, "x-session-id"),
    ],
)
def test_a_name_that_none_can_have(body: str | None, headers: dict[str, str], param: str) -> None:
    with pytest.raises(ApiError) as caught:
        asked_for(scope(**headers), body)
    assert (caught.value.status, caught.value.param) == (400, param)


@pytest.mark.parametrize(
    ("name", "value"),
    [("conv_x", "conv_x"), ("my chat/7", "my chat/7"), ("100%", "100%25"), ("café", "caf%C3%A9"), (" a ", "%20a%20")],
)
def test_a_name_as_a_header(name: str, value: str) -> None:
    assert as_header(name) == value


@given(NAMES)
def test_a_name_comes_back_as_it_was(name: str) -> None:
    value = as_header(name)
    assert value.isascii()
    assert value.isprintable()
    assert value == value.strip()
    assert asked_for(scope(x_conversation_id=value), None) == name
