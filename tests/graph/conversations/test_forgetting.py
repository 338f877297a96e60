"""What is forgotten, and that nothing of it is left."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest

from graph import conversations
from graph.history import Match
from graph.ids import new_id
from graph.storage import Delete, Put, Storage, StorageUnavailable, open_storage
from tests import backends
from tests.graph.conversations.logs import (
    BIG,
    BIGGER,
    KINDS,
    Clock,
    Late,
    Log,
    asks,
    blob,
    blob_keys,
    everything,
    image,
    output,
    run_writes,
    said,
    talk,
    user,
)
from tests.graph.stores import Unsteady


async def test_forgetting_leaves_nothing(log: Log) -> None:
    other = await log.turn("other", [image(BIG)], said("a"))
    await log.turn("chat", [image(BIG), said("x"), image(BIGGER)], said("a"))
    head = await log.turn("chat", [image(BIG), said("x"), user("edited")], said("a"))
    keys = await blob_keys(log, head.id)
    assert len(keys) == 2
    for run in ("r1", "r2"):
        await log.storage.commit("t", *run_writes(run, head.id))
    await log.storage.commit("t", *run_writes("r9", other.id))
    await log.conversations.forget("t", head.id)
    left = {kind: len(await everything(log.storage, "t", kind)) for kind in KINDS}
    assert left == {"conversation": 1, "message": 2, "branch": 0, "alias": 1, "run": 1}
    assert [await blob(log.storage, key) for key in keys] == [None, None]
    assert await log.storage.read("t", "run/r1") == []
    assert len(await log.storage.read("t", "run/r9")) == 1
    assert (await log.conversations.window(other, 1000)).messages[0] == image(BIG)
    again = await log.conversations.find("t", "chat")
    assert (again.version, again.id == head.id) == (0, False)


async def test_forgetting_what_is_not_there(log: Log) -> None:
    await log.conversations.forget("t", new_id())
    assert await log.conversations.forget_expired() == 0


async def test_a_turn_that_comes_while_it_is_forgotten_leaves_nothing_behind(storage: Storage) -> None:
    late = Late(storage)
    log, slow = Log(storage), Log(cast(Storage, late))
    head = await log.turn("chat", talk(1))

    async def one_more_turn() -> None:
        await log.turn("chat", [image(BIG)], said("late"))

    late.before_commit = one_more_turn
    await slow.conversations.forget("t", head.id)
    assert {kind: len(await everything(storage, "t", kind)) for kind in KINDS} == dict.fromkeys(KINDS, 0)


async def test_what_nobody_named_is_forgotten_when_its_time_is_over(log: Log, clock: Clock) -> None:
    old = [await log.turn(None, [image(BIG)], said("a")) for _ in range(3)]
    named = await log.turn("chat", talk(1))
    kept = await log.turn(None, talk(1))
    await log.conversations.find("t", kept.id)
    clock.hours += 23
    young = await log.turn(None, talk(1), tenant="other")
    assert await log.conversations.forget_expired() == 0
    clock.hours += 1.5
    keys = [key for head in old for key in await blob_keys(log, head.id, head.packed)]
    assert await log.conversations.forget_expired() == 3
    assert {each.id for each in await everything(log.storage, "t", "conversation")} == {named.id, kept.id}
    assert [await blob(log.storage, key) for key in keys] == [None] * 3
    clock.hours += 24
    assert await log.conversations.forget_expired() == 1
    assert (await log.conversations.load("other", young.id)).version == 0
    assert await log.texts(kept.id) == await log.texts(named.id) == ["u0", "a0"]


async def test_a_second_leg_renews_its_time(log: Log, clock: Clock) -> None:
    head = await log.turn(None, [user("u0")], asks("c1"))
    clock.hours += 20
    await log.turn(None, [output("c1")], said("a0"), head=head, mode="append")
    clock.hours += 20
    assert await log.conversations.forget_expired() == 0


async def test_thousands_are_forgotten_in_one_sweep(log: Log, clock: Clock) -> None:
    for _ in range(230):
        await log.turn(None, [user("u")])
    clock.hours += 25
    assert await log.conversations.forget_expired() == 230


@pytest.mark.parametrize("moment", ["before_commit", "after_due"])
async def test_one_that_is_named_in_the_last_moment_stays(storage: Storage, clock: Clock, moment: str) -> None:
    late = Late(storage)
    log, slow = Log(storage), Log(cast(Storage, late))
    head = await log.turn(None, [image(BIG)], said("a"), run_id="r")
    await storage.commit("t", *run_writes("r", head.id))
    clock.hours += 25

    setattr(late, moment, lambda: log.conversations.find("t", head.id))
    assert await slow.conversations.forget_expired() == 0
    again = await log.conversations.find("t", head.id)
    assert (await log.conversations.window(again, 1000)).messages == (image(BIG), said("a"))
    assert len(await storage.read("t", "run/r")) == 1


async def test_without_a_time_nothing_is_forgotten(storage: Storage, clock: Clock) -> None:
    log = Log(storage, ttl_hours=0)
    await log.turn(None, talk(1))
    clock.hours += 10**6
    assert await log.conversations.forget_expired() == 0


@asynccontextmanager
async def lasting(folder: Path, ttl: int) -> AsyncIterator[Storage]:
    """A store whose URL says how long conversations are kept."""
    with backends.empty("redis", folder) as url:
        storage = open_storage(f"{url}&ttl={ttl}", str(folder / "blobs"))
        await storage.open()
        yield storage
        await storage.close()


async def test_a_store_with_a_lifetime_forgets_whole_conversations(tmp_path: Path, clock: Clock) -> None:
    async with lasting(tmp_path, 2 * 3600) as storage:
        log = Log(storage)
        old = await log.turn("old", [image(BIG)], said("a"))
        await storage.commit("t", *run_writes("r", old.id), Put("thread", old.id, b"{}"))
        busy = await log.conversations.find("t", "busy")
        writes, busy = await log.conversations.block(busy, Match("extend", 0, 0), [], active="run")
        await storage.commit("t", *writes)
        going_on = await log.turn("chat", talk(1))
        clock.hours += 1.5
        await log.turn("chat", [*talk(1), user("u1")], said("a1"))
        anonymous = await log.turn(None, talk(1))
        clock.hours += 1
        assert await log.conversations.forget_expired() == 1
        left = await everything(storage, "t", "conversation")
        assert {each.id for each in left} == {busy.id, going_on.id, anonymous.id}
        assert [await everything(storage, "t", kind) for kind in ("thread", "run")] == [[], []]
        assert await storage.read("t", "run/r") == []
        assert await log.texts(going_on.id) == ["u0", "a0", "u1", "a1"]
        clock.hours += 1.5
        assert await log.conversations.forget_expired() == 2


async def test_a_turn_in_the_last_moment_gives_it_more_time(tmp_path: Path, clock: Clock) -> None:
    async with lasting(tmp_path, 3600) as storage:
        late = Late(storage)
        log, slow = Log(storage), Log(cast(Storage, late))
        head = await log.turn("chat", talk(1))
        clock.hours += 1.5

        async def one_more_turn() -> None:
            await log.turn("chat", [*talk(1), user("u1")], said("a1"))

        late.after_due = one_more_turn
        assert await slow.conversations.forget_expired() == 0
        assert await log.texts(head.id) == ["u0", "a0", "u1", "a1"]


async def test_what_a_death_has_left_of_a_conversation_is_swept_and_nothing_of_its_heir(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(conversations, "_AT_ONCE", 2)
    storage = Unsteady()
    await storage.open()
    log = Log(storage)
    await log.turn("chat", [image(BIG)], said("a"))
    head = await log.turn("chat", [image(BIG), said("a"), image(BIGGER)], said("b"))
    keys = await blob_keys(log, head.id)
    for run in ("r1", "r2", "r3"):
        await storage.commit("t", *run_writes(run, head.id))
    storage.refuse(lambda write: isinstance(write, Delete) and write.kind == "message")
    with pytest.raises(StorageUnavailable):
        await log.conversations.forget("t", head.id)
    heir = await log.turn(head.id, talk(1))
    await log.conversations.forget_expired()
    assert await log.texts(heir.id) == ["u0", "a0"]
    left = {kind: len(await everything(storage, "t", kind)) for kind in KINDS}
    assert left == {"conversation": 1, "message": 2, "branch": 0, "alias": 0, "run": 0}
    assert [await blob(storage, key) for key in keys] == [None, None]
    assert await everything(storage, "t", "conversation_remains") == []
