"""How a run's durable events become part of its journal: the port that the carrier writes through, and what both its kinds
share.

A commit whose answer was lost is found again by the journal: it holds our own entries, or it does not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, assert_never

from graph import events as ev
from graph import runs
from graph.conversations import Conversations, Head
from graph.errors import NotFound
from graph.run import fold
from graph.runs import Runs
from graph.storage.port import Append, Put, Storage, Write
from graph.work import Work


@dataclass(frozen=True, slots=True)
class Stores:
    """What a recorder writes to."""

    storage: Storage
    conversations: Conversations
    runs: Runs


Last = Callable[[], Sequence[ev.Durable]]


class Recorder(Protocol):
    """`record` makes events part of the journal and tells them; `close` does so with the last ones of this leg, which it
    asks for when nothing else is being written.

    Both raise `LostRun` when another owner has taken the run, and `StorageError` when the store is away. So does
    `hand_over`, the end of a leg that the process can't wait for. `give_up` is what remains to do after an error.
    """

    async def record(self, *events: ev.Durable) -> None: ...

    async def close(self, last: Last) -> None: ...

    async def hand_over(self) -> None: ...

    def give_up(self, error: Exception) -> None: ...


async def abandoned(stores: Stores, head: Head, run_id: str) -> list[Write]:
    """The end of a chat run that waits for its client, when its conversation goes on without it."""
    if head.paused is None or head.paused == run_id:
        return []
    try:
        waiting, version = await stores.runs.get(head.tenant, head.paused)
    except NotFound:
        return []
    if waiting.status != "requires_action":
        return []
    cancelled = ev.RunCancelled()
    entries = runs.append(waiting.id, waiting.journal_length, [cancelled])
    return [runs.put(fold(waiting, cancelled), version), entries]


async def stands(storage: Storage, tenant: str, write: Append | Put) -> bool:
    """Whether a write is in the store: these entries, or just this document."""
    match write:
        case Append(log, entries, after):
            stored = await storage.read(tenant, log, after=after or 0, limit=len(entries))
            return tuple(body for _, body in stored) == entries
        case Put(kind, id, body):
            document = await storage.get(tenant, kind, id)
            return document is not None and document.body == body
        case _:
            assert_never(write)


def cut_off(work: Work) -> list[ev.Durable]:
    """What closes the parts that were told half, before a terminal event."""
    closing: list[ev.Durable] = []
    for part in work.open_parts:
        text = "".join(part.text)
        match part.start:
            case ev.MessageStarted(id, agent, refusal):
                closing.append(ev.MessageCompleted(id, agent, text, "incomplete", "answer", refusal=refusal))
            case ev.CallStarted(id, name, kind):
                closing.append(ev.CallCompleted(id, name, text, kind))
    return closing
