"""Turns as blocks: what stands behind what, and what leaves the active branch."""

from __future__ import annotations

import asyncio

import pytest

from agents.models.port import Message
from graph import history, messages
from graph.storage import Conflict
from tests.graph.conversations.logs import (
    KINDS,
    TOKENIZER,
    Log,
    asks,
    everything,
    image,
    output,
    said,
    stored,
    talk,
    user,
)


async def test_a_turn_is_one_block(log: Log) -> None:
    head = await log.turn("chat", [Message("system", "s"), user("u1")], said("Wait."), said("a1"), run_id="r")
    assert await log.texts(head.id) == ["u1", "Wait.", "a1"]
    await log.sound(head)
    assert (head.count, head.size) == (2, 3)
    labelled = await log.storage.query("t", "message", label="r", order="asc")
    assert [messages.decode(each).message.text for each in labelled] == ["Wait.", "a1"]


async def test_the_tokens_of_each_message_are_stored(log: Log) -> None:
    head = await log.turn("chat", [user("four four four "), image("https://example.org/a.png")], said("ok"))
    expected = [TOKENIZER.count_message(each.message) for each in await log.active(head.id)]
    assert [each.tokens for each in await log.active(head.id)] == expected
    assert min(expected) > 0


async def test_words_that_follow_words_belong_to_them_whichever_block_they_came_in(log: Log) -> None:
    """A durable run writes its words as they come, a chat client sends them back as one message."""
    head = await log.turn("chat", [user("u1")])
    for text in ("I look.", "I look again.", "It is so."):
        head = await log.turn("chat", [], said(text), mode="append")
        await log.sound(head)
    assert (head.count, head.size) == (2, 4)
    resent = [user("u1"), said("I look.\n\nI look again.\n\nIt is so.")]
    found = await log.conversations.match(head, history.units([*resent, user("u2")]), "auto")
    assert found == history.Match("extend", 2, 1)
    again = [user("u1"), said("I look."), said("I look again.\nIt is so.")]
    assert await log.conversations.match(head, history.units(again), "auto") == history.Match("extend", 2, 0)


async def test_a_prefill_is_gone_on_with(log: Log) -> None:
    await log.turn("chat", talk(1), *[])
    head = await log.turn("chat", talk(1), said("and more"))
    await log.sound(head)
    assert await log.texts(head.id) == ["u0", "a0", "and more"]
    head = await log.turn("chat", [user("u0"), said("a0 and more"), user("u1")], said("a1"))
    assert await log.texts(head.id) == ["u0", "a0", "and more", "u1", "a1"]
    assert await log.branches(head.id) == []


async def test_an_answer_behind_an_earlier_answer(log: Log) -> None:
    """The list ends in an answer that was given before the newest: what followed leaves, and the words join."""
    await log.turn("chat", talk(3))
    head = await log.turn("chat", talk(2), said("a1b"))
    await log.sound(head)
    assert await log.texts(head.id) == ["u0", "a0", "u1", "a1", "a1b"]
    [(info, texts)] = await log.branches(head.id)
    assert (info["message_count"], texts) == (2, ["u2", "a2"])


async def test_an_edit_moves_what_followed_to_a_branch(log: Log) -> None:
    await log.turn("chat", talk(3))
    head = await log.turn("chat", [*talk(1), user("other")], said("answer"))
    await log.sound(head)
    assert await log.texts(head.id) == ["u0", "a0", "other", "answer"]
    [(info, texts)] = await log.branches(head.id)
    parent = (await log.active(head.id))[1]
    assert texts == ["u1", "a1", "u2", "a2"]
    assert info["parent_message_id"] == parent.id
    assert info["message_count"] == 4
    assert info["created_at"] > 1_700_000_000_000


async def test_a_branch_at_the_very_start(log: Log) -> None:
    await log.turn("chat", talk(2))
    head = await log.turn("chat", [user("other"), said("x"), user("y")], said("z"))
    await log.sound(head)
    assert await log.texts(head.id) == ["other", "x", "y", "z"]
    [(info, texts)] = await log.branches(head.id)
    assert (info["parent_message_id"], texts) == (None, ["u0", "a0", "u1", "a1"])


async def test_each_regeneration_leaves_a_branch(log: Log) -> None:
    await log.turn("chat", talk(2))
    for number in range(3):
        head = await log.turn("chat", talk(2)[:-1], said(f"again {number}"))
        await log.sound(head)
    assert await log.texts(head.id) == ["u0", "a0", "u1", "again 2"]
    assert sorted(texts for _, texts in await log.branches(head.id)) == [["a1"], ["again 0"], ["again 1"]]


async def test_a_unit_of_several_messages_leaves_as_one(log: Log) -> None:
    await log.turn("chat", [user("u0")], said("I look."), said("a0"))
    head = await log.turn("chat", [user("u0"), said("other"), user("u1")], said("a1"))
    await log.sound(head)
    assert await log.texts(head.id) == ["u0", "other", "u1", "a1"]
    [(_, texts)] = await log.branches(head.id)
    assert texts == ["I look.", "a0"]


async def test_messages_that_say_nothing_are_kept_all_the_same(log: Log) -> None:
    """Assistants' threads hold system messages and empty ones; no list that a chat client sends is the worse for it."""
    head = await log.conversations.find("t", "chat")
    block = [
        stored(each) for each in (Message("system", "s"), user("u1"), said(""), said("a1"), Message("system", "z"))
    ]
    writes, head = await log.conversations.block(head, history.Match("extend", 0, 0), block)
    await log.storage.commit("t", *writes)
    await log.sound(head)
    assert await log.texts(head.id) == ["s", "u1", "", "a1", "z"]
    head = await log.turn("chat", [user("u1"), said("a1"), user("u2")], said("a2"))
    await log.sound(head)
    assert head.count == 4


async def test_calls_and_outputs_are_part_of_it(log: Log) -> None:
    head = await log.turn("chat", [user("u1")], said("Wait."), asks("c1"), paused="r1")
    assert head.paused == "r1"
    resent = [user("u1"), asks("c1", text="Wait.")]
    head = await log.turn("chat", [*resent, output("c1")], said("a1"))
    await log.sound(head)
    assert head.paused is None
    assert [each.message.role for each in await log.active(head.id)] == [
        "user",
        "assistant",
        "assistant",
        "tool",
        "assistant",
    ]
    alone = await log.conversations.match(head, history.units([output("c2")]), "auto")
    assert alone.kind == "outputs"


async def test_six_turns_at_once_stay_whole_and_in_the_order_of_their_commits(log: Log) -> None:
    await log.turn("chat", talk(1))
    turns = [log.turn("chat", [user(f"question {n}")], said(f"answer {n}")) for n in range(6)]
    heads = await asyncio.gather(*turns)
    last = max(heads, key=lambda head: head.version)
    await log.sound(last)
    texts = await log.texts(last.id)
    assert texts[:2] == ["u0", "a0"]
    pairs = list(zip(texts[2::2], texts[3::2], strict=True))
    assert sorted(pairs) == [(f"question {n}", f"answer {n}") for n in range(6)]


async def test_a_turn_on_an_old_head_is_refused_whole(log: Log) -> None:
    head = await log.turn("chat", talk(1))
    writes, _ = await log.conversations.block(head, history.Match("append", 2, 1), [stored(user("late"))])
    await log.turn("chat", [user("u1")], said("a1"))
    with pytest.raises(Conflict):
        await log.storage.commit("t", *writes)
    assert await log.texts(head.id) == ["u0", "a0", "u1", "a1"]


@pytest.mark.parametrize("keep", [1, 2, 4])
async def test_a_turn_in_a_conversation_that_was_forgotten_meanwhile_is_refused(log: Log, keep: int) -> None:
    head = await log.turn("chat", talk(2))
    await log.conversations.forget("t", head.id)
    for words in (user("late"), said("late")):
        writes, _ = await log.conversations.block(head, history.Match("branch", keep, 1), [stored(words)])
        with pytest.raises(Conflict):
            await log.storage.commit("t", *writes)
    assert {kind: len(await everything(log.storage, "t", kind)) for kind in KINDS} == dict.fromkeys(KINDS, 0)


async def test_a_client_says_that_its_list_is_everything(log: Log) -> None:
    await log.turn("chat", talk(2))
    head = await log.turn("chat", [user("u9")], said("a9"), mode="full")
    await log.sound(head)
    assert await log.texts(head.id) == ["u9", "a9"]
    head = await log.turn("chat", [user("u9")], said("a10"), mode="full")
    assert await log.texts(head.id) == ["u9", "a10"]
    await log.turn("chat", [user("u9"), said("a10"), user("u11")], said("a11"), mode="full")
    head = await log.turn("chat", [said("a10"), user("u11"), said("a11"), user("u12")], said("a12"), mode="full")
    await log.sound(head)
    assert await log.texts(head.id) == ["a10", "u11", "a11", "u12", "a12"]
    assert sorted(texts for _, texts in await log.branches(head.id)) == [
        ["a9"],
        ["u0", "a0", "u1", "a1"],
        ["u9", "a10", "u11", "a11"],
    ]


async def test_a_client_says_that_its_list_is_new(log: Log) -> None:
    await log.turn("chat", talk(1))
    head = await log.turn("chat", talk(1), said("a1"), mode="append")
    assert await log.texts(head.id) == ["u0", "a0", "u0", "a0", "a1"]
    await log.sound(head)
