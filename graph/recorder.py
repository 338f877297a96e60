"""How a run's durable events become part of its journal.

A durable run writes each group of events before it is told, with the messages that it completes. A chat run keeps its
journal in memory and writes everything in one commit at its end, or when it pauses for the client.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Protocol

from agents.models.port import Message, ToolCall
from graph import events as ev
from graph import runs
from graph.conversations import Conversations, Head
from graph.history import Match
from graph.ids import new_id
from graph.intake import Intake
from graph.items import Message as MessageItem
from graph.messages import StoredMessage
from graph.run import Run, fold
from graph.runs import Runs
from graph.storage.port import Append, Conflict, Put, Storage, Write
from graph.work import LostRun, Work

_TRIES = 8


@dataclass(frozen=True, slots=True)
class Stores:
    """What a recorder writes to."""

    storage: Storage
    conversations: Conversations
    runs: Runs


class Recorder(Protocol):
    """`record` makes events part of the journal and tells them; `close` does so with the last ones of this leg.

    Both raise `LostRun` when another owner has taken the run, and `StorageError` when the store is away.
    """

    async def record(self, *events: ev.Durable) -> None: ...

    async def close(self, *events: ev.Durable) -> None: ...


class ChatRecorder:
    """Writes a chat run at the end of its leg: messages, head, run and journal together, or nothing."""

    def __init__(self, stores: Stores, work: Work, intake: Intake) -> None:
        self._stores = stores
        self._work = work
        self._intake = intake
        self._stored = replace(intake.run, journal_length=work.first_entry)

    async def record(self, *events: ev.Durable) -> None:
        """That the client is asked is told by `close` alone: the run must be stored by then."""
        self._work.tell([event for event in events if not isinstance(event, ev.ActionRequired)])

    async def close(self, *events: ev.Durable) -> None:
        """A leg that failed or was cut off leaves nothing; one that ended or waits for the client is written first."""
        run = reduce(fold, events, self._work.run)
        if run.status in ("completed", "incomplete", "requires_action"):
            await self._write(run, events)
        self._work.tell(events)

    async def _write(self, run: Run, events: Sequence[ev.Durable]) -> None:
        entries = [*self._work.journal[self._work.first_entry :], *events]
        paused = run.id if run.status == "requires_action" else None
        said = [*received(self._intake, run), *_answered(run, self._work.first_item, waiting=paused is not None)]
        head, match = self._intake.head, self._intake.match
        for _ in range(_TRIES):
            block, _ = await self._stores.conversations.block(head, match, said, paused=paused)
            writes = [*block, *await self._abandoned(head, run)]
            writes += [runs.put(run, self._intake.version), runs.append(self._stored, entries)]
            try:
                return await self._stores.storage.commit(run.tenant, *writes)
            except Conflict as conflict:
                if _concerns(conflict, run):
                    raise LostRun from conflict
                head = await self._again(head)
                match = Match("append", head.count, 0)
        raise LostRun

    async def _again(self, head: Head) -> Head:
        """The conversation as it is now: somebody else's turn came first, and ours goes behind it."""
        if head.alias:
            return await self._stores.conversations.find(head.tenant, head.name)
        return replace(await self._stores.conversations.load(head.tenant, head.id), name=head.name)

    async def _abandoned(self, head: Head, run: Run) -> list[Write]:
        """A run that still waits for its client ends when the conversation goes on without it."""
        if head.paused is None or head.paused == run.id:
            return []
        waiting, version = await self._stores.runs.get(head.tenant, head.paused)
        if waiting.status != "requires_action":
            return []
        cancelled = ev.RunCancelled()
        return [runs.put(fold(waiting, cancelled), version), runs.append(waiting, [cancelled])]


class DurableRecorder:
    """Writes a durable run as it goes. The journal's expected length is the fence: who lost the run can't write."""

    def __init__(self, stores: Stores, work: Work, version: int, head: Head) -> None:
        self._stores = stores
        self._work = work
        self._version = version
        self._head = head
        self._lock = asyncio.Lock()

    async def record(self, *events: ev.Durable) -> None:
        async with self._lock:
            await self._write(events)
            self._work.tell(events)

    async def close(self, *events: ev.Durable) -> None:
        await self.record(*events)

    async def hand_over(self) -> None:
        """Give the run back without an end: whoever takes it next goes on from its journal."""
        async with self._lock:
            free = runs.put(replace(self._work.run, owner=None), self._version)
            await self._stores.storage.commit(self._work.run.tenant, free)

    async def _write(self, events: Sequence[ev.Durable]) -> None:
        entries = runs.append(self._work.run, events)
        for _ in range(_TRIES):
            before = self._work.run
            run = reduce(fold, events, before)
            block, head = await self._block(run, events[-1].at, len(before.messages))
            moved = run.status != before.status or run.fence != before.fence
            status = [runs.put(run, self._version)] if moved else []
            try:
                await self._stores.storage.commit(run.tenant, entries, *block, *status)
            except Conflict as conflict:
                if await self._stands(entries, conflict):
                    return
            else:
                self._head, self._version = head, self._version + len(status)
                return
        raise LostRun

    async def _block(self, run: Run, at: int, known: int) -> tuple[list[Write], Head]:
        """The messages that are new, and at the end the conversation's release."""
        said = [_spoken(run.id, item, at) for item in run.messages[known:]]
        if not said and not run.ended:
            return [], self._head
        match = Match("append", self._head.count, 0)
        active = None if run.ended else run.id
        return await self._stores.conversations.block(self._head, match, said, active=active)

    async def _stands(self, entries: Append, conflict: Conflict) -> bool:
        """Whether our entries are written all the same: a commit whose answer was lost. Where they are another owner's,
        the run is lost; where the conflict is about something else, that is read again for the next try."""
        run = self._work.run
        if isinstance(conflict.write, Append):
            stored = await self._stores.storage.read(run.tenant, entries.log, after=entries.after or 0)
            if tuple(body for _, body in stored) != entries.entries:
                raise LostRun from conflict
        await self._refresh(run)
        return isinstance(conflict.write, Append)

    async def _refresh(self, run: Run) -> None:
        """Read again what others may change beside the journal: the run's document and the conversation's head."""
        stored, self._version = await self._stores.runs.get(run.tenant, run.id)
        self._work.run = replace(run, metadata=stored.metadata, cancel_requested_at=stored.cancel_requested_at)
        self._head = await self._stores.conversations.load(run.tenant, run.conversation_id)


def _concerns(conflict: Conflict, run: Run) -> bool:
    """Whether a conflict is about this run itself, and not about its conversation."""
    match conflict.write:
        case Put("run", id):
            return id == run.id
        case Append(log):
            return log == runs.log_of(run.id)
        case _:
            return False


def cut_off(work: Work) -> list[ev.Durable]:
    """What closes the parts that were told half, before a terminal event."""
    closing: list[ev.Durable] = []
    for part in work.open_parts:
        text = "".join(part.text)
        match part.start:
            case ev.MessageStarted(id, agent):
                closing.append(ev.MessageCompleted(id, agent, text, "incomplete", "answer"))
            case ev.CallStarted(id, name, kind):
                closing.append(ev.CallCompleted(id, name, text, kind))
    return closing


def received(intake: Intake, run: Run) -> list[StoredMessage]:
    """The request's own messages, as they are stored. Calls and outputs are hidden from lists of messages."""
    now = run.created_at if intake.version == 0 else ev.now_ms()
    return [
        StoredMessage(new_id(), message, now, hidden=message.role == "tool" or bool(message.tool_calls))
        for message in intake.tail
    ]


def _answered(run: Run, first_item: int, *, waiting: bool) -> list[StoredMessage]:
    """What this leg has said: its texts, and the calls that the client has to answer."""
    now = ev.now_ms()
    said = [_spoken(run.id, item, now) for item in run.items[first_item:] if isinstance(item, MessageItem)]
    if waiting:
        calls = tuple(ToolCall(call.id, call.name, call.arguments) for call in run.open_calls)
        said.append(
            StoredMessage(new_id(), Message("assistant", "", tool_calls=calls), now, run_id=run.id, hidden=True)
        )
    return said


def _spoken(run_id: str, item: MessageItem, at: int) -> StoredMessage:
    return StoredMessage(
        item.id,
        Message("assistant", item.text),
        at,
        run_id=run_id,
        agent=item.agent,
        phase=item.phase,
        status=item.status,
        annotations=item.annotations,
    )
