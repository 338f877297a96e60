"""What is remembered of a conversation is what is stored, whoever has changed it, and it spares the reading."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import cast

import pytest

from agents.models.port import Message, ToolCall
from graph.conversations import Head
from graph.ids import new_id
from graph.recent import Names, Recent, Tail
from graph.storage import Storage
from tests.graph.conversations.logs import (
    BIG,
    Counting,
    Late,
    Log,
    asks,
    image,
    output,
    said,
    stored,
    talk,
    user,
)

EVERYTHING = 2**30


async def heard(log: Log, name: str, limit: int = EVERYTHING, tenant: str = "t", **fields: str) -> list[Message]:
    """What a turn of that conversation reads of it."""
    head = await log.conversations.find(tenant, name)
    return list((await log.conversations.window(head, limit, **fields)).messages)


async def test_a_conversation_that_goes_on_is_read_once(storage: Storage) -> None:
    counting = Counting(storage)
    log = Log(cast(Storage, counting))
    await log.turn("chat", talk(500))
    await heard(log, "chat", 100)
    counting.messages_read = 0
    counting.calls.clear()
    for turn in range(50):
        before = await heard(log, "chat", 100)
        assert len(before) < 30
        await log.turn("chat", [user(f"new {turn}")], said(f"answer {turn}"), mode="append")
        now = await heard(log, "chat", 100)
        assert now[-2:] == [user(f"new {turn}"), said(f"answer {turn}")]
        assert now[:-2] == before[-len(now) + 2 :]
    assert counting.messages_read == 0
    assert counting.calls.keys() == {"get", "commit"}


async def test_a_conversation_that_began_here_is_not_read_at_all(storage: Storage) -> None:
    counting = Counting(storage)
    log = Log(cast(Storage, counting))
    await heard(log, "another")
    counting.calls.clear()
    await log.turn("chat", [user("one")], said("a"))
    assert await heard(log, "chat") == [user("one"), said("a")]
    assert counting.calls == {"get": 3, "commit": 1}  # no conversation, no name; then the head alone
    await log.turn("long", talk(300))
    assert len(await heard(log, "long", 100)) < 30
    assert counting.messages_read == 0


async def test_a_name_that_was_given_anew_elsewhere_is_looked_up_again(storage: Storage) -> None:
    here, there = Log(storage), Log(storage)
    old = await here.turn("chat", [user("old")], said("a"))
    await there.conversations.forget("t", old.id)
    new = await there.turn("chat", [user("new")], said("b"))
    assert (await here.conversations.find("t", "chat")).id == new.id
    assert await heard(here, "chat") == [user("new"), said("b")]


async def test_a_name_is_remembered_for_its_tenant_alone(log: Log) -> None:
    await log.turn("chat", [user("one")], said("a"))
    assert (await log.conversations.find("u", "chat")).version == 0


def test_the_names_that_were_used_last_are_remembered() -> None:
    names = Names(most=2)
    names.keep("t", "a", "1")
    names.keep("t", "b", "2")
    assert names.get("t", "a") == "1"
    names.keep("t", "c", "3")
    assert [names.get("t", name) for name in "abc"] == ["1", None, "3"]


async def test_a_larger_window_than_the_remembered_one_is_read(log: Log) -> None:
    await log.turn("chat", talk(50))
    assert len(await heard(log, "chat", 20)) < 10
    assert await heard(log, "chat") == talk(50)
    assert len(await heard(log, "chat", 20)) < 10


@pytest.mark.parametrize("limit", [0, 1, 12, 40, EVERYTHING])
@pytest.mark.parametrize("seed", range(6))
async def test_two_processes_hear_the_same_as_one_that_remembers_nothing(
    storage: Storage, seed: int, limit: int
) -> None:
    chance = random.Random(f"{seed} {limit}")
    logs, ids = [Log(storage), Log(storage)], [new_id(), new_id()]
    stale: dict[tuple[str, str], Head] = {}
    for step in range(60):
        log, name, tenant = chance.choice(logs), chance.choice(ids), chance.choice(["t", "u"])
        await change(chance, log, tenant, name, f"{step}", stale)
        for each in logs:
            fresh = Log(storage)
            run = chance.choice([None, "r1"])
            found = await each.conversations.find(tenant, name)
            window = await each.conversations.window(found, limit, without_run=run)
            assert window == await fresh.conversations.window(found, limit, without_run=run)


async def change(
    chance: random.Random, log: Log, tenant: str, name: str, mark: str, stale: dict[tuple[str, str], Head]
) -> None:
    """Something that happens to a conversation; some of it was begun long ago."""
    begun = stale.get((tenant, name))
    stale[tenant, name] = now = await log.conversations.find(tenant, name)
    answers = (said(f"answer {mark}" * chance.randint(0, 3)),)
    match chance.randrange(6):
        case 0:
            await log.conversations.forget(tenant, now.id)
        case 1:
            whole = await heard(log, name, tenant=tenant)
            cut = chance.randint(0, len(whole))
            await log.turn(name, [*whole[:cut], user(f"edited {mark}")], *answers, tenant=tenant, mode="full")
        case 2:
            asked = asks(f"c{mark}")
            await log.turn(name, [user(mark)], asked, tenant=tenant, mode="append", run_id="r1")
            await log.turn(name, [output(f"c{mark}")], *answers, tenant=tenant, mode="append", run_id="r1")
        case 3 if begun is not None and now.version > 0:
            await log.turn(name, [user(f"late {mark}")], *answers, tenant=tenant, mode="append", head=begun)
        case _:
            await log.turn(name, [user(f"question {mark}")], *answers, tenant=tenant, mode="append")


async def test_a_turn_that_was_never_written_is_not_heard(storage: Storage) -> None:
    late, there = Late(storage), Log(storage)
    here = Log(cast(Storage, late))
    await here.turn("chat", [user("one")], said("a1"), mode="append")
    assert await heard(here, "chat") == [user("one"), said("a1")]
    head = await here.conversations.find("t", "chat")

    async def somebody_else() -> None:
        await there.turn("chat", [user("theirs")], said("b"), mode="append")

    late.before_commit = somebody_else
    await here.turn("chat", [user("ours")], said("c"), mode="append", head=head)
    assert [each.text for each in await heard(here, "chat")] == ["one", "a1", "theirs", "b", "ours", "c"]


async def test_a_forgotten_conversation_is_not_remembered(log: Log) -> None:
    id = new_id()
    for tenant in ("t", "u"):
        await log.turn(id, [user(f"secret of {tenant}")], said("a"), tenant=tenant)
        await heard(log, id, tenant=tenant)
    await log.conversations.forget("t", id)
    await log.turn(id, [user("again")], said("b"))
    assert [each.text for each in await heard(log, id)] == ["again", "b"]
    assert [each.text for each in await heard(log, id, tenant="u")] == ["secret of u", "a"]


async def test_big_data_is_remembered_as_its_blob(log: Log) -> None:
    await log.turn("chat", [image(BIG)], said("a"))
    await heard(log, "chat")
    await log.turn("chat", [image(BIG)], said("b"), mode="append")
    assert await heard(log, "chat") == [image(BIG), said("a"), image(BIG), said("b")]


async def test_an_empty_conversation_is_remembered_too(storage: Storage) -> None:
    log = Log(storage)
    await log.turn("chat", [])
    assert await heard(log, "chat") == []
    await log.turn("chat", [])
    await log.turn("chat", [user("one")], mode="append")
    assert await heard(log, "chat") == [user("one")]


def tail(texts: int, length: int) -> Tail:
    return Tail.of([stored(user("x" * length)) for _ in range(texts)], EVERYTHING)


def head(id: str, mark: str = "m") -> Head:
    return Head("t", id, id, mark=mark)


def test_what_was_used_longest_ago_goes_first() -> None:
    recent = Recent(memory=3 * tail(2, 1000).bytes)
    for id in ("a", "b", "c"):
        recent.keep(head(id), tail(2, 1000))
    assert recent.get(head("a"))
    recent.keep(head("d"), tail(2, 1000))
    assert [id for id in "abcd" if recent.get(head(id))] == ["a", "c", "d"]
    recent.keep(head("c"), tail(4, 1000))
    assert [id for id in "abcd" if recent.get(head(id))] == ["c", "d"]
    recent.keep(head("d"), tail(7, 1000))  # more than there is room for
    assert [id for id in "abcd" if recent.get(head(id))] == ["c"]


def test_another_mark_is_another_conversation() -> None:
    recent = Recent()
    recent.keep(head("a", "m1"), tail(1, 1))
    assert recent.get(head("a", "m2")) is None
    assert recent.get(head("a", "m1"))
    recent.keep(head("b", ""), tail(1, 1))  # written by a version that knew no marks
    assert recent.get(head("b", "")) is None


def test_a_tail_that_grows_takes_no_more_room_than_its_window() -> None:
    recent, limit = Recent(memory=10_000), 100
    recent.keep(head("other"), tail(1, 1000))
    recent.keep(head("a", "m0"), Tail.of([stored(user("one"))], limit))
    for turn in range(100):
        new = replace(stored(user("x" * 200)), tokens=50)
        recent.grow(head("a", f"m{turn}"), head("a", f"m{turn + 1}"), [new])
    kept = recent.get(head("a", "m100"))
    assert kept
    assert len(kept.said) == 3
    assert recent.get(head("other"))
    recent.forget("t", "a")
    recent.keep(head("more"), tail(5, 1000))
    assert recent.get(head("other"))


@pytest.mark.parametrize(
    "message",
    [
        Message("user", "x", "n" * 1000),
        Message("assistant", tool_calls=(ToolCall("i" * 1000, "look", "{}"),)),
        Message("assistant", tool_calls=(ToolCall("i", "look" * 250, "{}"),)),
        Message("assistant", tool_calls=(ToolCall("i", "look", "{}"),) * 10),
        Message("tool", "out", tool_call_id="i" * 1000),
    ],
)
def test_whatever_a_client_makes_long_takes_room(message: Message) -> None:
    assert Tail.of([stored(message)], EVERYTHING).bytes > Tail.of([stored(user("x"))], EVERYTHING).bytes + 900
