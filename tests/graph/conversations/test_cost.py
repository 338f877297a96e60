"""What a turn in a long conversation costs."""

from __future__ import annotations

from typing import cast

import pytest

from graph.storage import Storage
from tests.graph.conversations.logs import Counting, Log, said, talk, user


@pytest.fixture
async def long(storage: Storage) -> tuple[Log, Counting]:
    """A conversation of 1000 messages."""
    counting = Counting(storage)
    log = Log(cast(Storage, counting))
    await log.turn("chat", talk(500))
    counting.calls.clear()
    counting.messages_read = 0
    return log, counting


async def test_extending_a_long_conversation_reads_no_messages(long: tuple[Log, Counting]) -> None:
    log, counting = long
    head = await log.turn("chat", [*talk(500), user("new")], said("answer"))
    assert (head.size, counting.messages_read) == (1002, 0)
    assert counting.calls == {"get": 1, "commit": 1}
    await log.turn("chat", [user("newer")], said("answer"))
    assert counting.messages_read == 0
    packed = await log.turn(None, talk(2))
    assert (packed.size, counting.messages_read) == (0, 0)


async def test_regenerating_in_a_long_conversation_reads_few(long: tuple[Log, Counting]) -> None:
    log, counting = long
    head = await log.turn("chat", talk(500)[:-1], said("again"))
    assert head.size == 1000
    assert counting.messages_read <= 40
    counting.messages_read = 0
    head = await log.turn("chat", [*talk(500)[:-4], user("edited")], said("answer"))
    assert head.size == 998
    assert counting.messages_read <= 80
    await log.sound(head)


async def test_a_trimmed_list_reads_as_much_as_it_holds(long: tuple[Log, Counting]) -> None:
    log, counting = long
    head = await log.turn("chat", [*talk(500)[-9:], user("new")], said("answer"))
    assert head.size == 1002
    assert counting.messages_read <= 60
    await log.sound(head)


async def test_a_window_reads_what_it_needs(long: tuple[Log, Counting]) -> None:
    log, counting = long
    head = await log.conversations.find("t", "chat")
    window = await log.conversations.window(head, 100)
    assert 0 < len(window.messages) < 30
    assert len(window.messages) + window.older == 1000
    assert counting.messages_read <= 64
