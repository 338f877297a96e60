"""Conversations that nobody named, the data in them, and the window over any of them."""

from __future__ import annotations

import asyncio
from typing import cast

from agents.models.port import FilePart, ImagePart, Message
from graph.attachments import blob_key
from graph.storage import Storage
from tests.graph.conversations.logs import (
    BIG,
    BIGGER,
    Counting,
    Late,
    Log,
    asks,
    blob,
    everything,
    image,
    output,
    said,
    talk,
    user,
)


async def test_a_conversation_that_nobody_named_is_one_document(log: Log) -> None:
    head = await log.turn(None, talk(2), said("a2"), run_id="r", paused="r")
    assert await everything(log.storage, "t", "message") == []
    [document] = await everything(log.storage, "t", "conversation")
    assert document.id == head.id
    loaded = await log.conversations.load("t", head.id)
    assert [each.message.text for each in loaded.packed] == ["u0", "a0", "u1", "a1", "a2"]
    assert all(each.tokens for each in loaded.packed)
    assert (loaded.paused, loaded.anonymous) == ("r", True)


async def test_it_is_unpacked_when_its_id_comes_back(log: Log) -> None:
    before = await log.turn(None, talk(1), said("more"), run_id="r", paused="r")
    ids = [each.id for each in before.packed]
    head = await log.conversations.find("t", f"conv_{before.id}")
    await log.sound(head)
    assert (head.anonymous, head.packed, head.paused, head.created_at) == (False, (), "r", before.created_at)
    assert [each.id for each in await log.active(head.id)] == ids
    assert (head.count, head.size) == (2, 3)
    head = await log.turn(head.id, [*talk(1)[:1], said("a0 more"), user("u1")], said("a1"))
    assert await log.texts(head.id) == ["u0", "a0", "more", "u1", "a1"]


async def test_a_second_leg_of_one_that_nobody_named(log: Log) -> None:
    head = await log.turn(None, [user("u0")], asks("c1"), run_id="r", paused="r")
    again = await log.conversations.load("t", head.id)
    again = await log.turn(None, [output("c1")], said("a0"), head=again, mode="append", run_id="r")
    assert [each.message.role for each in again.packed] == ["user", "assistant", "tool", "assistant"]
    named = await log.conversations.find("t", head.id)
    await log.sound(named)
    assert named.size == 4


async def test_two_who_unpack_at_once(log: Log) -> None:
    head = await log.turn(None, talk(2))
    heads = await asyncio.gather(*(log.conversations.find("t", head.id) for _ in range(5)))
    assert {(each.count, each.version) for each in heads} == {(4, heads[0].version)}
    await log.sound(heads[0])


async def test_unpacking_while_a_turn_is_added(storage: Storage) -> None:
    """The one who unpacks loses against a second leg, reads again, and finds both."""
    late = Late(storage)
    log, slow = Log(storage), Log(cast(Storage, late))
    head = await log.turn(None, [user("u0")], asks("c1"))

    async def second_leg() -> None:
        await log.turn(None, [output("c1")], said("a0"), head=head, mode="append")

    late.before_commit = second_leg
    found = await slow.conversations.find("t", head.id)
    await log.sound(found)
    assert [each.message.role for each in await log.active(head.id)] == ["user", "assistant", "tool", "assistant"]


async def test_messages_are_found_by_id_wherever_they_stand(log: Log) -> None:
    packed = await log.turn(None, talk(1))
    ids = [each.id for each in packed.packed]
    found = await log.conversations.stored("t", packed.id, ids)
    assert [found[id].message.text for id in ids] == ["u0", "a0"]
    await log.conversations.find("t", packed.id)
    assert list(await log.conversations.stored("t", packed.id, ids)) == ids
    await log.turn(packed.id, [user("other"), said("x"), user("y")], said("z"))
    found = await log.conversations.stored("t", packed.id, [*ids, "nobody"])
    assert sorted(found) == sorted(ids)


async def test_big_data_is_stored_once(storage: Storage) -> None:
    counting = Counting(storage)
    log = Log(cast(Storage, counting))
    head = await log.turn("chat", [image(BIG)], said("a1"))
    [question, _] = await log.active(head.id)
    assert isinstance(question.message.content, tuple)
    [_, part] = question.message.content
    assert isinstance(part, ImagePart)
    assert len(part.url) < 100
    key = blob_key(head.id, part.url.removeprefix("blob:"))
    assert await blob(storage, key) == BIG.encode()
    await log.turn("chat", [image(BIG), said("a1"), user("u2")], said("a2"))
    assert counting.calls["put_blob"] == 1
    window = await log.conversations.window(await log.conversations.find("t", "chat"), 1000)
    assert window.messages[0] == image(BIG)


async def test_files_and_small_images_too(log: Log) -> None:
    file = Message("user", (FilePart("a.pdf", BIG), ImagePart("data:,small", "low"), ImagePart(BIGGER)))
    head = await log.turn("chat", [file], said("a1"))
    window = await log.conversations.window(head, 1000)
    assert window.messages[0] == file


async def test_data_in_a_conversation_that_nobody_named(log: Log) -> None:
    packed = await log.turn(None, [image(BIG)], said("a1"))
    assert len((await everything(log.storage, "t", "conversation"))[0].body) < 2000
    window = await log.conversations.window(packed, 1000)
    assert window.messages == (image(BIG), said("a1"))
    head = await log.turn(packed.id, [image(BIG), said("a1"), user("u2")], said("a2"))
    await log.sound(head)
    assert len(await log.texts(head.id)) == 4
    assert (await log.conversations.window(head, 1000)).messages[0] == image(BIG)


async def test_an_address_that_only_looks_like_ours_is_the_clients(log: Log) -> None:
    head = await log.turn("chat", [image("blob:https://example.org/1"), image("blob:" + "0" * 32)], said("a1"))
    window = await log.conversations.window(head, 1000)
    assert window.messages[:2] == (image("blob:https://example.org/1"), image("blob:" + "0" * 32))


async def test_the_window_is_the_newest_and_says_what_it_left(log: Log) -> None:
    head = await log.turn("chat", talk(50))
    everything = await log.conversations.window(head, 10**6)
    assert (list(everything.messages), everything.older) == (talk(50), 0)
    part = await log.conversations.window(head, sum(everything.tokens[-10:]))
    assert (list(part.messages), part.older) == (talk(50)[-11:], 89)
    assert part.tokens == everything.tokens[-11:]
    assert (await log.conversations.window(await log.conversations.find("t", "new"), 10)).messages == ()


async def test_the_window_without_what_a_run_has_said(log: Log) -> None:
    await log.turn("chat", [user("u0")], said("a0"), run_id="r0")
    head = await log.turn("chat", [user("u1")], said("Wait."), asks("c1"), run_id="r1")
    window = await log.conversations.window(head, 1000, without_run="r1")
    assert window.messages == (user("u0"), said("a0"), user("u1"))
    packed = await log.turn(None, [user("u1")], asks("c1"), run_id="r2")
    window = await log.conversations.window(packed, 1000, without_run="r2")
    assert (window.messages, window.older) == ((user("u1"),), 0)
