"""The window: what is left out of a conversation that is too long, and what never is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.models.port import ImagePart, Message, TextPart, ToolCall
from graph.errors import ContextTooLong
from graph.window import NOT_ANSWERED, Window, answer_all, fit

SYSTEM = Message("system", "Be kind.")


def user(text: str) -> Message:
    return Message("user", text)


def said(text: str) -> Message:
    return Message("assistant", text)


def asks(*ids: str) -> Message:
    return Message("assistant", tool_calls=tuple(ToolCall(id, "look", "{}") for id in ids))


def output(id: str, text: str = "out") -> Message:
    return Message("tool", text, tool_call_id=id)


def nothing(id: str) -> Message:
    return Message("tool", NOT_ANSWERED, tool_call_id=id)


def fitted(messages: Sequence[Message], limit: int) -> Window:
    """Each message has one token."""
    return fit(messages, [1] * len(messages), limit)


TALK = [SYSTEM, user("u1"), said("a1"), user("u2"), said("a2"), user("u3")]


@pytest.mark.parametrize(
    ("limit", "left"),
    [(99, TALK), (6, TALK), (5, [TALK[0], *TALK[2:]]), (4, [TALK[0], *TALK[3:]]), (2, [TALK[0], TALK[5]])],
)
def test_the_oldest_messages_are_left_out_first(limit: int, left: list[Message]) -> None:
    assert fitted(TALK, limit) == Window(tuple(left), len(TALK) - len(left))


def test_system_messages_stay_wherever_they_stand() -> None:
    late = Message("system", "Be brief.")
    window = fitted([SYSTEM, user("u1"), late, said("a1"), user("u2")], 3)
    assert window == Window((SYSTEM, late, user("u2")), 2)


def test_the_last_turn_stays_with_all_that_followed_it() -> None:
    turn = [user("u2"), asks("c1"), output("c1")]
    assert fitted([user("u1"), said("a1"), *turn], 3) == Window(tuple(turn), 2)
    prefill = [user("u2"), said("It begins")]
    assert fitted([user("u1"), said("a1"), *prefill], 2) == Window(tuple(prefill), 2)


@pytest.mark.parametrize(
    ("messages", "spent"),
    [([SYSTEM, user("u1")], 2), ([user("u1"), asks("c1"), output("c1")], 3), ([said("a1")], 1), ([SYSTEM], 1)],
)
def test_what_must_stay_and_is_too_much_is_refused(messages: list[Message], spent: int) -> None:
    assert fitted(messages, spent).messages == tuple(messages)
    with pytest.raises(ContextTooLong, match=rf"have {spent} tokens, the maximum is {spent - 1}\.") as refused:
        fitted(messages, spent - 1)
    assert (refused.value.param, refused.value.code) == ("messages", "context_length_exceeded")


def test_a_hole_is_never_made() -> None:
    """A small old message does not stay where a newer one had to go."""
    messages = [user("u1"), said("a1"), user("u2")]
    assert fit(messages, [1, 50, 1], 10) == Window((user("u2"),), 2)


def test_an_empty_conversation_fits() -> None:
    assert fit([], [], 0) == Window(())


def test_outputs_go_with_their_call() -> None:
    messages = [user("u1"), asks("c1", "c2"), output("c1"), output("c2"), said("a1"), user("u2")]
    assert fitted(messages, 5) == Window(tuple(messages[1:]), 1)
    assert fitted(messages, 4) == Window((said("a1"), user("u2")), 4)
    assert fitted(messages, 3) == Window((said("a1"), user("u2")), 4)


def test_outputs_of_the_last_turn_keep_the_call_they_answer() -> None:
    """The user spoke before the outputs came: the call stands before the last turn, and belongs to it."""
    turn = [asks("c1"), user("u2"), output("c1")]
    window = fitted([user("u1"), said("a1"), *turn], 3)
    assert window == Window((asks("c1"), output("c1"), user("u2")), 2)
    with pytest.raises(ContextTooLong):
        fitted(turn, 2)


def test_outputs_stand_directly_behind_their_call() -> None:
    messages = [user("u1"), asks("c1", "c2"), user("u2"), output("c2", "two"), said("a"), output("c1", "one")]
    assert answer_all(messages) == [
        user("u1"),
        asks("c1", "c2"),
        output("c1", "one"),
        output("c2", "two"),
        user("u2"),
        said("a"),
    ]


def test_calls_that_nobody_answered_say_so() -> None:
    messages = [user("u1"), asks("c1", "c2"), output("c2"), user("u2")]
    assert answer_all(messages) == [user("u1"), asks("c1", "c2"), nothing("c1"), output("c2"), user("u2")]
    assert fitted([*messages[:2], user("u2")], 9).left_out == 0


def test_outputs_without_a_call_are_left_out_and_counted() -> None:
    messages = [user("u1"), output("c9"), said("a1"), user("u2")]
    assert answer_all(messages) == [user("u1"), said("a1"), user("u2")]
    assert fitted(messages, 9).left_out == 1


def test_the_same_id_in_two_turns_is_two_calls() -> None:
    """Not every provider makes ids that are unique."""
    first, second = [asks("c"), output("c", "one")], [asks("c"), output("c", "two")]
    assert answer_all([*first, *second]) == [*first, *second]
    assert answer_all([asks("c"), *second]) == [asks("c"), nothing("c"), *second]
    assert answer_all([first[1], *second]) == second
    window = fitted([*first, *second, user("u")], 4)
    assert window == Window((*second, user("u")), 2)


def test_the_same_id_twice_in_one_turn_is_answered_in_order() -> None:
    messages = [asks("", ""), output("", "one"), output("", "two")]
    assert answer_all(messages) == messages


def test_a_call_is_answered_once() -> None:
    assert answer_all([asks("c"), output("c", "one"), output("c", "again")]) == [asks("c"), output("c", "one")]


def test_messages_are_passed_on_as_they_are() -> None:
    parts = Message("user", (TextPart("see"), ImagePart("https://example.org/a.png")), name="Bob")
    assert fitted([parts], 1).messages[0] is parts


IDS = st.sampled_from(["c1", "c2", ""])
MESSAGES = st.one_of(
    st.sampled_from([SYSTEM, user("u"), said("a")]),
    st.lists(IDS, min_size=1, max_size=2).map(lambda ids: asks(*ids)),
    IDS.map(output),
)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.lists(st.tuples(MESSAGES, st.integers(1, 5)), max_size=12), st.integers(0, 40))
def test_any_window_is_a_prompt_that_a_provider_takes(pairs: list[tuple[Message, int]], limit: int) -> None:
    messages = [replace(message) for message, _ in pairs]  # each one an object of its own
    tokens = {id(message): count for message, (_, count) in zip(messages, pairs, strict=True)}
    try:
        window = fit(messages, [count for _, count in pairs], limit)
    except ContextTooLong:
        return
    kept = [message for message in window.messages if id(message) in tokens]
    assert sum(tokens[id(message)] for message in kept) <= limit
    assert window.left_out == len(messages) - len(kept)
    assert [each for each in kept if each.role == "system"] == [each for each in messages if each.role == "system"]
    assert users(messages)[-1:] == users(kept)[-1:]
    answered_at_once(window.messages)


def users(messages: Sequence[Message]) -> list[Message]:
    return [message for message in messages if message.role == "user"]


def answered_at_once(messages: Sequence[Message]) -> None:
    """Each call has its output directly behind it, and there is no output besides."""
    expected: list[str] = []
    for message in messages:
        if message.role == "tool":
            assert message.tool_call_id == expected.pop(0)
        else:
            assert not expected
            expected = [call.id for call in message.tool_calls]
    assert not expected
