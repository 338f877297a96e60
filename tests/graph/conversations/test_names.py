"""What a conversation is called: ids, prefixes, aliases, tenants."""

from __future__ import annotations

import pytest

from graph.conversations import Head
from graph.ids import new_id
from tests.graph.conversations.logs import Log, everything, said, user


async def test_one_conversation_has_three_names(log: Log) -> None:
    id = new_id()
    await log.turn(id, [user("u0")], said("ok"))
    for number, name in enumerate((f"thread_{id}", f"conv_{id}", id), 1):
        head = await log.conversations.find("t", name)
        assert (head.id, head.count, head.name, head.alias) == (id, 2 * number, name, False)
        await log.turn(name, [user(f"u{number}")], said("ok"))
    assert await log.texts(id) == ["u0", "ok", "u1", "ok", "u2", "ok", "u3", "ok"]


@pytest.mark.parametrize("name", ["my chat/7", "чат №7 😀", "thread_short", "conv_", " ", "a" * 500, "x_" + "0" * 24])
async def test_any_other_name_is_an_alias(log: Log, name: str) -> None:
    head = await log.turn(name, [user("u1")], said("a1"))
    assert head.id != name
    assert len(head.id) == 24
    again = await log.conversations.find("t", name)
    assert (again.id, again.name, again.count, again.alias) == (head.id, name, 2, False)
    assert (await log.conversations.find("t", f"thread_{head.id}")).count == 2
    await log.turn(name, [user("u2")], said("a2"))
    assert await log.texts(head.id) == ["u1", "a1", "u2", "a2"]


async def test_imported_ids_stay_as_they_are(log: Log) -> None:
    """A thread that came with an id of its own, shorter than ours."""
    head = Head("t", "abc123", "thread_abc123")
    await log.turn("thread_abc123", [user("u1")], said("a1"), head=head)
    for name in ("thread_abc123", "conv_abc123", "abc123"):
        assert (await log.conversations.find("t", name)).id == "abc123"


async def test_two_who_use_a_new_name_at_once_get_one_conversation(log: Log) -> None:
    first, second = [await log.conversations.find("t", "my chat") for _ in range(2)]
    assert first.id != second.id
    await log.turn("my chat", [user("u1")], said("a1"), head=first)
    after = await log.turn("my chat", [user("u2")], said("a2"), head=second)
    assert after.id == first.id
    assert await log.texts(first.id) == ["u1", "a1", "u2", "a2"]
    assert await everything(log.storage, "t", "message", second.id) == []
    await log.sound(await log.conversations.load("t", first.id))


@pytest.mark.parametrize("name", [None, ""])
async def test_without_a_name_it_is_a_new_one_each_time(log: Log, name: str | None) -> None:
    one, two = [await log.turn(name, [user("u1")], said("a1")) for _ in range(2)]
    assert one.id != two.id
    assert one.anonymous
    assert one.name == f"conv_{one.id}"


async def test_tenants_never_meet(log: Log) -> None:
    heads = {tenant: await log.turn("chat", [user(tenant)], said("a"), tenant=tenant) for tenant in ("t", "other")}
    assert heads["t"].id != heads["other"].id
    assert await log.texts(heads["t"].id) == ["t", "a"]
    foreign = await log.conversations.find("other", heads["t"].id)
    assert (foreign.version, foreign.count) == (0, 0)
    await log.turn(heads["t"].id, [user("mine")], said("a"), tenant="other")
    assert await log.texts(heads["t"].id) == ["t", "a"]
    await log.conversations.forget("other", heads["t"].id)
    assert await log.texts(heads["t"].id) == ["t", "a"]
