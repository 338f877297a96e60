"""A block: what a turn adds to a conversation's log, as writes that stand or fall together.

Messages close units (`graph.history`): the last message of each has the unit's digest, and the chain value over all
units up to it. What leaves the active branch moves to a side branch, where it can still be read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from graph import history, messages
from graph.events import now_ms
from graph.history import Unit
from graph.ids import new_id
from graph.messages import StoredMessage
from graph.storage.port import Document, Put, Write

Kept = tuple[Document, StoredMessage]


@dataclass(frozen=True, slots=True)
class End:
    """What a block is put behind: units up to this `chain`, the last of them the assistant's or not (`spoken`).

    `reopened` is one more unit, which the block goes on with. `dropped` leaves the active branch, behind message `last`.
    """

    chain: str
    spoken: bool
    last: str | None = None
    reopened: Sequence[Kept] = ()
    dropped: Sequence[Kept] = ()


def end_before(beyond: Sequence[Kept], last: StoredMessage | None) -> End:
    """The end at message `last`; what stands beyond it leaves."""
    if last is None:
        return End(history.START, False, dropped=beyond)
    return End(last.chain or history.START, last.message.role == "assistant", last.id, dropped=beyond)


def end_within(beyond: Sequence[Kept], last: StoredMessage | None) -> End:
    """The end behind the first unit beyond message `last`, which is reopened where it is the assistant's."""
    size = next((index for index, (_, stored) in enumerate(beyond, 1) if stored.chain is not None), 0)
    if size == 0:  # removed since its head was read: the commit will be refused
        return end_before(beyond, last)
    _, newest = beyond[size - 1]
    if newest.message.role != "assistant":
        return end_before(beyond[size:], newest)
    return End(end_before((), last).chain, True, newest.id, beyond[:size], beyond[size:])


def joins(said: Sequence[StoredMessage]) -> bool:
    """Whether a block begins in the middle of what an assistant says: neighbouring assistant messages are one unit."""
    first = (unit for each in said for unit in history.units([each.message]))
    return next((unit.assistant for unit in first), False)


def close(said: Sequence[StoredMessage], chain: str) -> tuple[list[StoredMessage], list[Unit], str]:
    """The messages with digest and chain on the last of each unit; the units; the chain after them.

    What belongs to no unit (system messages, empty ones) is kept without either.
    """
    units = history.units(each.message for each in said)
    waiting = deque((message, unit) for unit in units for message in unit.messages)
    closed: list[StoredMessage] = []
    for each in said:
        stored = each
        if waiting and waiting[0][0] is each.message:
            _, unit = waiting.popleft()
            if not waiting or waiting[0][1] is not unit:
                [chain] = history.chain(chain, [unit.digest])
                stored = each.closing(unit.digest, chain)
        closed.append(stored)
    return closed, units, chain


def message_writes(conversation_id: str, end: End, closed: Sequence[StoredMessage]) -> list[Write]:
    """The writes of a block's messages, and of those that it changes in the unit that it goes on with."""
    before = {stored.id: (stored, document.version) for document, stored in end.reopened}
    writes: list[Write] = []
    for each in closed:
        known, version = before.get(each.id, (None, 0))
        if known != each:
            writes.append(messages.put(each, conversation_id, version))
    return writes


def branch_writes(conversation_id: str, end: End) -> list[Write]:
    """The writes that move what leaves the active branch to a side branch."""
    if not end.dropped:
        return []
    branch = new_id()
    side = f"{conversation_id}/{branch}"
    info = {"created_at": now_ms(), "parent_message_id": end.last, "message_count": len(end.dropped)}
    moved: list[Write] = [
        Put("message", each.id, each.body, parent=side, label=each.label, expect=each.version)
        for each, _ in end.dropped
    ]
    return [*moved, Put("branch", branch, orjson.dumps(info), parent=conversation_id, expect=0)]
