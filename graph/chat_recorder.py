"""Chat runs keep their journal in memory, and write everything in one commit: at their end, or at a pause for the client."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce

from graph import events as ev
from graph import runs
from graph.conversations import Head
from graph.errors import ConversationBusy
from graph.failure import failed
from graph.history import Match
from graph.intake import Intake
from graph.messages import StoredMessage
from graph.recorder import Last, Stores, abandoned, cut_off, stands
from graph.run import ANSWERED, Run, fold
from graph.said import answered, received
from graph.storage.port import TRIES, Append, Conflict, Drop, Put, StorageError, Write
from graph.work import LostRun, Work

PAUSE_MS = 24 * 3_600_000
"""How long a chat run waits for its client. The outputs are answered later too, where the client sends its whole list."""

_ENDS = (ev.ActionRequired, ev.RunCompleted, ev.RunIncomplete)


class ChatRecorder:
    """Writes a chat run at the end of its leg: messages, head, run and journal together, or nothing. Nothing at all of one
    that is not kept."""

    def __init__(self, stores: Stores, work: Work, intake: Intake) -> None:
        self._stores = stores
        self._work = work
        self._intake = intake

    async def record(self, *events: ev.Durable) -> None:
        """How the leg ends is told by `close` alone: the run must be stored by then."""
        self._work.tell([event for event in events if not isinstance(event, _ENDS)])

    async def close(self, last: Last) -> None:
        """A leg that failed or was cut off leaves nothing; one that ended or waits for the client is written first."""
        events = last()
        run = reduce(fold, events, self._work.run)
        if run.status == "requires_action":
            run = replace(run, expires_at=ev.now_ms() + PAUSE_MS)
        if run.status in ANSWERED and self._work.kept:
            await self._write(run, events)
        self._work.tell(events)

    async def hand_over(self) -> None:
        """Nobody else can go on with it: it fails, and the client may try again elsewhere."""
        why = "The server is shutting down. Nothing was stored; try again."
        self._work.tell([*cut_off(self._work), ev.RunFailed("shutting_down", why)])

    def give_up(self, error: Exception) -> None:
        """Nothing was written, and the client hears why."""
        self._work.tell([*cut_off(self._work), failed(self._work.run.id, error)])

    async def _write(self, run: Run, events: Sequence[ev.Durable]) -> None:
        said, paused = self._said(run), run.id if run.status == "requires_action" else None
        head, match = self._intake.head, self._intake.match
        for _ in range(TRIES):
            block, _ = await self._stores.conversations.block(head, match, said, paused=paused)
            *own, last = self._own(run, events)
            writes = [*block, *await abandoned(self._stores, head, run.id), *own]
            conflict = await self._commit(run.tenant, writes, last)
            if conflict is None:
                return
            head, match = await self._behind(head, run, conflict)
            run = self._moved(run, head)
        raise ConversationBusy("The conversation is being changed by too many requests at once. Try again.")

    def _own(self, run: Run, events: Sequence[ev.Durable]) -> tuple[*tuple[Write, ...], Put | Append]:
        """The writes of the run itself. Its journal is a log while it waits, and goes into its document at its end; the
        last write holds it, and is nobody else's."""
        first, version = self._work.first_entry, self._intake.version
        if not run.ended:
            return runs.put(run, version), runs.append(run.id, first, [*self._work.journal[first:], *events])
        whole = runs.put(replace(run, journal=(*self._work.journal, *events)), version)
        return (Drop(runs.log_of(run.id)), whole) if first else (whole,)

    async def _commit(self, tenant: str, writes: Sequence[Write], last: Put | Append) -> Conflict | None:
        """Write, and return what was in the way; None where it is written, though the answer may have been lost."""
        try:
            await self._stores.storage.commit(tenant, *writes, last)
        except StorageError as error:
            if await stands(self._stores.storage, tenant, last):
                return None
            if isinstance(error, Conflict):
                return error
            raise
        return None

    def _said(self, run: Run) -> list[StoredMessage]:
        """The block of this leg: what the request brought, and what was answered."""
        waiting = run.status == "requires_action"
        return [*received(self._intake, run), *answered(run, self._work.first_item, waiting=waiting)]

    async def _behind(self, head: Head, run: Run, conflict: Conflict) -> tuple[Head, Match]:
        """The conversation as it is now: somebody else's turn came first, and ours goes behind it. Raises `LostRun` when
        it was this run's own, `ConversationBusy` when it was a durable run, which nobody may speak into."""
        if _concerns(conflict, run):
            raise LostRun from conflict
        now = await self._again(head)
        if now.active not in (None, head.active):
            raise ConversationBusy(
                f"Another run has begun in conversation {head.name!r}. Nothing was stored; try again."
            )
        return now, Match("append", now.count, 0)

    async def _again(self, head: Head) -> Head:
        if head.alias:
            return await self._stores.conversations.find(head.tenant, head.name)
        return replace(await self._stores.conversations.load(head.tenant, head.id), name=head.name)

    def _moved(self, run: Run, head: Head) -> Run:
        """The run in the conversation that its name turned out to stand for."""
        if head.id == run.conversation_id:
            return run
        self._work.run = replace(self._work.run, conversation_id=head.id)
        return replace(run, conversation_id=head.id)


def _concerns(conflict: Conflict, run: Run) -> bool:
    """Whether a conflict is about this run itself, and not about its conversation."""
    match conflict.write:
        case Put("run", id):
            return id == run.id
        case Append(log):
            return log == runs.log_of(run.id)
        case _:
            return False
