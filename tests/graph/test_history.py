"""How a request's messages are compared with the stored conversation: each rule, and what counts as the same message."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.models.port import FilePart, ImagePart, Message, TextPart, ToolCall
from graph import history
from graph.attachments import THRESHOLD, reference
from graph.history import START, Match, Unit, chain, compare, match, units


def user(text: str) -> Message:
    return Message("user", text)


def said(text: str) -> Message:
    return Message("assistant", text)


def asks(*ids: str, text: str = "", arguments: str = '{"a":1,"b":2}') -> Message:
    return Message("assistant", text, tool_calls=tuple(ToolCall(id, "look", arguments) for id in ids))


def output(id: str, text: str = "out") -> Message:
    return Message("tool", text, tool_call_id=id)


def talk(words: str) -> list[Message]:
    """A conversation in one line: `u1 a1 u2` are a user's and the assistant's messages of that name."""
    return [user(word) if word[0] == "u" else said(word) for word in words.split()]


def digests(messages: Sequence[Message]) -> list[tuple[str, str]]:
    """What the store knows of these: digest and chain of each unit."""
    found = [unit.digest for unit in units(messages)]
    return list(zip(found, chain(START, found), strict=True))


def decide(stored: Sequence[Message], incoming: Sequence[Message]) -> Match:
    """What the rules say, all of the conversation being known."""
    known, new = digests(stored), units(incoming)
    return match(new, len(known), known[-1][1] if known else START) or compare(new, len(known), known)


IMAGE = "https://example.org/a.png"
BIG = "data:image/png;base64," + "A" * THRESHOLD

SAME: dict[str, tuple[list[Message], list[Message]]] = {
    "itself": (talk("u1 a1"), talk("u1 a1")),
    "line ends": ([user("a\r\nb")], [user("a\nb")]),
    "white space around": ([said("  a b\n")], [said("a b")]),
    "parts of text": ([user("a\nb")], [Message("user", (TextPart("a"), TextPart("b")))]),
    "one part": ([said("a")], [Message("assistant", (TextPart("a"),))]),
    "no content": ([Message("user", "")], [Message("user", ())]),
    "blank parts": ([user("")], [Message("user", (TextPart(" "),))]),
    "system left out": ([Message("system", "s"), *talk("u1")], talk("u1")),
    "an empty assistant": (talk("u1 u2"), [user("u1"), said(" \n"), user("u2")]),
    "an assistant of empty parts": (talk("u1 u2"), [user("u1"), Message("assistant", (TextPart(""),)), user("u2")]),
    "an assistant of no parts": (talk("u1 u2"), [user("u1"), Message("assistant", ()), user("u2")]),
    "names": ([Message("user", "a", name="Bob")], [user("a")]),
    "neighbouring assistants": ([said("I will look."), said("Here.")], [said("I will look.\n\nHere.")]),
    "three in a row": ([said("a"), said("b"), said("c")], [said("a"), said("b\n\nc")]),
    "words and calls": ([said("Wait."), asks("c1")], [asks("c1", text="Wait.")]),
    "null beside calls": ([asks("c1")], [Message("assistant", (), tool_calls=asks("c1").tool_calls)]),
    "key order": ([asks("c1")], [asks("c1", arguments='{ "b": 2, "a": 1 }')]),
    "no arguments": ([asks("c1", arguments="")], [asks("c1", arguments="{}")]),
    "an image's detail": (
        [Message("user", (ImagePart(IMAGE, "low"),))],
        [Message("user", (ImagePart(IMAGE),))],
    ),
    "a big image": (
        [Message("user", (TextPart("see"), ImagePart(BIG)))],
        [Message("user", (TextPart("see"), ImagePart(reference(BIG))))],
    ),
    "a big file": (
        [Message("user", (FilePart("a.pdf", BIG),))],
        [Message("user", (FilePart("a.pdf", reference(BIG)),))],
    ),
}

DIFFERENT: dict[str, tuple[list[Message], list[Message]]] = {
    "words": (talk("u1"), talk("u2")),
    "word borders": ([user("ab")], [user("a b")]),
    "roles": ([user("a")], [said("a")]),
    "order": (talk("u1 u2"), talk("u2 u1")),
    "two users' messages are not one": (talk("u1 u2"), [user("u1 u2")]),
    "outputs of other calls": ([output("c1")], [output("c2")]),
    "outputs": ([output("c1", "a")], [output("c1", "b")]),
    "call ids": ([asks("c1")], [asks("c2")]),
    "call names": (
        [Message("assistant", tool_calls=(ToolCall("c", "f", ""),))],
        [Message("assistant", tool_calls=(ToolCall("c", "g", ""),))],
    ),
    "arguments": ([asks("c1")], [asks("c1", arguments='{"a":1,"b":3}')]),
    "one call more": ([asks("c1")], [asks("c1", "c2")]),
    "images": ([Message("user", (ImagePart(IMAGE),))], [Message("user", (ImagePart(IMAGE + "?"),))]),
    "big images": ([Message("user", (ImagePart(BIG),))], [Message("user", (ImagePart(BIG + "B"),))]),
    "an image or its address": ([Message("user", (ImagePart(IMAGE),))], [user(IMAGE)]),
    "files": ([Message("user", (FilePart("a", file_id="f1"),))], [Message("user", (FilePart("a", file_id="f2"),))]),
}


@pytest.mark.parametrize("name", SAME)
def test_these_are_the_same(name: str) -> None:
    one, other = SAME[name]
    assert digests(one) == digests(other)


@pytest.mark.parametrize("name", DIFFERENT)
def test_these_are_not(name: str) -> None:
    one, other = DIFFERENT[name]
    assert digests(one) != digests(other)


@pytest.mark.parametrize("arguments", ["{", "nonsense", "[1,", "[" * 300 + "]" * 300, "1e999", "9" * 400])
def test_arguments_that_are_no_json_count_as_they_stand(arguments: str) -> None:
    assert digests([asks("c1", arguments=arguments)]) == digests([asks("c1", arguments=arguments)])
    assert digests([asks("c1", arguments=arguments)]) != digests([asks("c1", arguments=arguments + " x")])


def test_a_unit_knows_its_messages() -> None:
    messages = [user("u1"), said("a"), asks("c1"), output("c1"), output("c2"), said("b")]
    found = units(messages)
    assert [len(unit.messages) for unit in found] == [1, 2, 1, 1, 1]
    assert [message for unit in found for message in unit.messages] == messages
    assert [unit.assistant for unit in found] == [False, True, False, False, True]


def test_a_chain_says_all_that_came_before() -> None:
    one, two = digests(talk("u1 a1 u2 a2")), digests(talk("u1 aX u2 a2"))
    assert [a[0] == b[0] for a, b in zip(one, two, strict=True)] == [True, False, True, True]
    assert [a[1] == b[1] for a, b in zip(one, two, strict=True)] == [True, False, False, False]
    assert len({value for _, value in digests([user("x")] * 5)}) == 5


RULES: dict[str, tuple[list[Message], list[Message], Match]] = {
    "the first words": ([], talk("u1"), Match("extend", 0, 1)),
    "a first list with a past": ([], talk("u1 a1 u2"), Match("extend", 0, 3)),
    "nothing at all": ([], [], Match("extend", 0, 0)),
    "resend": (talk("u1 a1"), talk("u1 a1 u2"), Match("extend", 2, 1)),
    "resend, two new turns": (talk("u1 a1"), talk("u1 a1 u2 u3"), Match("extend", 2, 2)),
    "resend from elsewhere": (talk("u1 a1"), talk("u1 a1 u2 a2 u3"), Match("extend", 2, 3)),
    "retry of an unanswered turn": (talk("u1 a1 u2"), talk("u1 a1 u2"), Match("extend", 3, 0)),
    "prefill": (talk("u1 a1"), talk("u1 a1"), Match("extend", 2, 0)),
    "new turn": (talk("u1 a1"), talk("u2"), Match("append", 2, 1)),
    "new turn, twice": (talk("u1 a1"), talk("u2 u3"), Match("append", 2, 2)),
    "new turn in the same words": (talk("u1 a1"), talk("u1"), Match("append", 2, 1)),
    "no new words": (talk("u1 a1"), [], Match("append", 2, 0)),
    "edit of the last turn": (talk("u1 a1 u2 a2"), talk("u1 a1 u9"), Match("branch", 2, 1)),
    "edit of an early turn": (talk("u1 a1 u2 a2 u3 a3"), talk("u1 a1 u9"), Match("branch", 2, 1)),
    "edit of an answer": (talk("u1 a1 u2 a2"), talk("u1 a9 u3"), Match("branch", 1, 2)),
    "edit of the first turn": (talk("u1 a1 u2 a2"), talk("u9 a1 u2 a2 u3"), Match("branch", 0, 5)),
    "edit of the first turn, alone": (talk("u1 a1"), talk("u9"), Match("append", 2, 1)),
    "regenerate": (talk("u1 a1 u2 a2"), talk("u1 a1 u2"), Match("branch", 3, 0)),
    "regenerate the first": (talk("u1 a1"), talk("u1"), Match("append", 2, 1)),
    "back to an earlier answer": (talk("u1 a1 u2 a2"), talk("u1 a1"), Match("branch", 2, 0)),
    "trimmed list": (talk("u1 a1 u2 a2 u3 a3"), talk("u2 a2 u3 a3 u4"), Match("window", 6, 1)),
    "trimmed to an answer": (talk("u1 a1 u2 a2"), talk("a2 u3"), Match("window", 4, 1)),
    "trimmed, nothing new": (talk("u1 a1 u2 a2"), talk("u2 a2"), Match("window", 4, 0)),
    "trimmed and edited": (talk("u1 a1 u2 a2 u3 a3"), talk("u2 a2 u9"), Match("branch", 4, 1)),
    "trimmed and regenerated": (talk("u1 a1 u2 a2 u3 a3"), talk("u2 a2 u3"), Match("branch", 5, 0)),
    "another conversation": (talk("u1 a1 u2 a2"), talk("u7 a7 u8"), Match("branch", 0, 3)),
    "a longer window wins": (talk("ux ay ux ay"), talk("ux ay ux ay"), Match("extend", 4, 0)),
    "window over prefix": (talk("ux ay uz ux ay ux ay"), talk("ux ay ux ay u1"), Match("window", 7, 1)),
    "a prefix as long as the window": (talk("ux ay u1 ux ay"), talk("ux ay u9"), Match("branch", 2, 1)),
    "prefix over window": (talk("u1 a1 u2 a2 u3 u1 a1"), talk("u1 a1 u2 a2 u9"), Match("branch", 4, 1)),
    "the newest of equals": (talk("ux ay u1 a1 ux ay u2 a2"), talk("ay u9"), Match("branch", 6, 1)),
    "outputs": ([user("u1"), asks("c1", "c2")], [output("c1"), output("c2")], Match("outputs", 2, 2)),
    "outputs and words": ([user("u1"), asks("c1")], [output("c1"), user("u2")], Match("outputs", 2, 2)),
    "outputs behind the list": (
        [user("u1"), asks("c1")],
        [user("u1"), asks("c1", arguments='{"b":2, "a":1}'), output("c1")],
        Match("extend", 2, 1),
    ),
    "outputs in a trimmed list": (
        [*talk("u1 a1 u2"), asks("c1")],
        [user("u2"), asks("c1"), output("c1")],
        Match("window", 4, 1),
    ),
    "commentary and answer as one": (
        [user("u1"), said("I look."), said("It is so.")],
        [user("u1"), said("I look.\n\nIt is so."), user("u2")],
        Match("extend", 2, 1),
    ),
    "a past of several assistants": (
        [*talk("u1 a1")],
        [*talk("u1 a1"), said("a1b"), user("u2")],
        Match("branch", 1, 2),
    ),
}


@pytest.mark.parametrize("name", RULES)
def test_every_rule(name: str) -> None:
    stored, incoming, expected = RULES[name]
    assert decide(stored, incoming) == expected


def test_a_full_list_is_everything() -> None:
    for stored, incoming, expected in [
        ("u1 a1 u2 a2", "u9", Match("branch", 0, 1)),
        ("u1 a1 u2 a2", "u1", Match("branch", 1, 0)),
        ("u1 a1 u2 a2", "u1 a1 u9", Match("branch", 2, 1)),
        ("u1 a1 u2 a2", "u2 a2 u3", Match("branch", 0, 3)),
        ("u1 a1 u2 a2", "u2 a2", Match("branch", 0, 2)),
    ]:
        known, new = digests(talk(stored)), units(talk(incoming))
        assert history.replacing(new, len(known), known) == expected


def test_where_the_prompt_comes_from() -> None:
    """What a client sends of its own history is what it wants to be read."""
    kinds = {kind: Match(kind, 1, 1).prompt_is_stored for kind in ("extend", "outputs", "append", "window", "branch")}
    assert kinds == {"extend": False, "outputs": True, "append": True, "window": False, "branch": False}


def test_only_the_newest_may_be_known() -> None:
    """Where the store has told the newest units alone, a trimmed list is recognised, and an edit behind it."""
    stored = talk(" ".join(f"u{n} a{n}" for n in range(20)))
    near = digests(stored)[-8:]
    assert compare(units(talk("u18 a18 u19 a19 u99")), 40, near) == Match("window", 40, 1)
    assert compare(units(talk("u18 a18 u99")), 40, near) == Match("branch", 38, 1)
    assert compare(units([*stored[:37], user("u99")]), 40, near) == Match("branch", 37, 1)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(
    st.lists(st.sampled_from(["ux", "uy", "ax", "ay"]), max_size=10),
    st.lists(st.sampled_from(["ux", "uy", "ax", "ay"]), max_size=10),
)
def test_a_match_never_invents_or_forgets_what_was_sent(left: list[str], right: list[str]) -> None:
    """Whatever the two lists: what is kept and what is new make a conversation that ends as the client's list does."""
    stored, incoming = units(talk(" ".join(left))), units(talk(" ".join(right)))
    found = decide(talk(" ".join(left)), talk(" ".join(right)))
    assert 0 <= found.keep <= len(stored)
    assert 0 <= found.new <= len(incoming)
    kept = [unit.digest for unit in stored[: found.keep]]
    seen = [unit.digest for unit in incoming[: len(incoming) - found.new]]
    assert kept[len(kept) - len(seen) :] == seen
    if found.kind != "branch":
        assert found.keep == len(stored)
    if found.kind == "extend":
        assert kept == seen


class Counted(str):
    """A digest that counts how often it is compared."""

    times = 0
    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        Counted.times += 1
        return str.__eq__(self, other)


@pytest.mark.parametrize("alike", [True, False])
def test_the_work_grows_with_the_lists_and_not_with_their_square(alike: bool) -> None:
    def digest(side: str, number: int) -> Counted:
        return Counted("same" if alike and number % 1999 else f"{side}{number}")

    known = [(digest("s", number), f"c{number}") for number in range(4000)]
    incoming = [Unit((said("x"),), digest("i", number)) for number in range(4000)]
    Counted.times = 0
    compare(incoming, len(known), known)
    assert Counted.times < 10 * (len(known) + len(incoming))
