"""A message as the log keeps it comes back as it was, and costs no more bytes than it must."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.models.port import FilePart, ImagePart, Message, TextPart, ToolCall
from agents.tools.port import Source
from graph import messages
from graph.items import Annotation
from graph.messages import StoredMessage
from graph.storage import Document

MARK = Annotation(4, 11, "【1†ö.md】", Source("ö.md", "a\u2028b", url="https://example.org/ö"))
EXAMPLES = {
    "plain": StoredMessage("m", Message("user", "Hi"), 5),
    "empty": StoredMessage("m", Message("user", ""), 5),
    "named": StoredMessage("m", Message("user", "Hi", name="Bob"), 5, tokens=9, digest="d", chain="c"),
    "answer": StoredMessage(
        "m",
        Message("assistant", "See 【1†ö.md】 😀"),
        1_700_000_000_000,
        run_id="r",
        agent="writer",
        phase="answer",
        status="incomplete",
        annotations=(MARK, MARK),
    ),
    "calls": StoredMessage(
        "m",
        Message("assistant", "", tool_calls=(ToolCall("c1", "f", '{"a":1}'), ToolCall("", "g", "no json"))),
        5,
        hidden=True,
    ),
    "output": StoredMessage("m", Message("tool", "out", tool_call_id="c1"), 5, hidden=True),
    "parts": StoredMessage(
        "m",
        Message(
            "user",
            (
                TextPart("see"),
                ImagePart("https://example.org/a.png", "low"),
                ImagePart("blob:1"),
                FilePart("a.pdf", "data:,x"),
                FilePart(file_id="f"),
            ),
        ),
        5,
    ),
}


def written(stored: StoredMessage) -> Document:
    """The message's document, as a store has it."""
    write = messages.put(stored, "talk", 0)
    return Document(write.id, write.parent, 1, 1, write.body, write.label)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_message_comes_back_as_it_was(name: str) -> None:
    stored = EXAMPLES[name]
    assert messages.decode(written(stored)) == stored
    assert messages.from_dict(messages.to_dict(stored)) == stored


@pytest.mark.parametrize("name", EXAMPLES)
def test_as_plain_values_it_is_what_json_holds(name: str) -> None:
    plain = messages.to_dict(EXAMPLES[name])
    assert orjson.loads(orjson.dumps(plain, option=orjson.OPT_PASSTHROUGH_DATACLASS)) == plain


def test_what_has_its_default_takes_no_room() -> None:
    assert orjson.loads(written(EXAMPLES["plain"]).body) == {"role": "user", "content": "Hi", "at": 5}
    assert "status" in messages.to_dict(EXAMPLES["answer"])


def test_no_parts_are_no_content() -> None:
    stored = messages.decode(written(StoredMessage("m", Message("user", ()), 5)))
    assert stored.message.text == ""


def test_the_last_message_of_a_unit_closes_it() -> None:
    stored = EXAMPLES["plain"].closing("digest", "chain")
    assert (stored.digest, stored.chain, stored.message) == ("digest", "chain", EXAMPLES["plain"].message)
    assert messages.decode(written(stored)) == stored


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
SOME = st.none() | TEXTS.filter(bool)
PARTS = st.one_of(st.builds(TextPart, TEXTS), st.builds(ImagePart, TEXTS, SOME), st.builds(FilePart, SOME, SOME, SOME))
MESSAGES = st.builds(
    Message,
    st.sampled_from(["system", "user", "assistant", "tool"]),
    TEXTS | st.lists(PARTS, min_size=1, max_size=3).map(tuple),
    SOME,
    st.lists(st.builds(ToolCall, TEXTS, TEXTS, TEXTS), max_size=2).map(tuple),
    SOME,
)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(MESSAGES, st.integers(0, 2**50), SOME, st.booleans(), st.integers(0, 10**6))
def test_any_message_comes_back(message: Message, at: int, run_id: str | None, hidden: bool, tokens: int) -> None:
    stored = StoredMessage("m", message, at, run_id=run_id, hidden=hidden, tokens=tokens)
    assert messages.decode(written(stored)) == stored
