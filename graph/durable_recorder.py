"""Durable runs write each group of events before it is told, with the messages that it completes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import reduce

from graph import events as ev
from graph import runs
from graph.conversations import Head
from graph.history import Match
from graph.recorder import Last, Stores, stands
from graph.run import Run, fold
from graph.said import asked, outputs, spoken
from graph.storage.port import TRIES, Append, Conflict, StorageError, Write
from graph.work import LostRun, Work

log = logging.getLogger(__name__)


class DurableRecorder:
    """Writes a durable run as it goes. The journal's expected length is the fence: who lost the run can't write."""

    def __init__(self, stores: Stores, work: Work, version: int, head: Head) -> None:
        self._stores = stores
        self._work = work
        self._version = version
        self._head = head
        self._lock = asyncio.Lock()

    async def record(self, *events: ev.Durable) -> None:
        """Once begun, a write is seen through: no cancel may come between a commit and our knowing of it."""
        await asyncio.shield(asyncio.ensure_future(self.close(lambda: events)))

    async def close(self, last: Last) -> None:
        async with self._lock:
            if events := last():
                await self._write(events)
                self._work.tell(events)

    async def hand_over(self) -> None:
        """Give the run back without an end: whoever takes it next goes on from its journal."""
        async with self._lock:
            for _ in range(TRIES):
                free = runs.put(replace(self._work.run, owner=None), self._version)
                try:
                    return await self._stores.storage.commit(self._work.run.tenant, free)
                except Conflict as conflict:
                    if (await self._refresh()).fence != self._work.run.fence:
                        raise LostRun from conflict
        raise LostRun

    def give_up(self, error: Exception) -> None:
        """Whatever is written is true, and nothing else is told: the run goes on elsewhere, or is swept up later."""
        if isinstance(error, StorageError):
            log.warning("run %s is left until the store is back: %s", self._work.run.id, error)
        elif not isinstance(error, LostRun):
            log.error("run %s could not be carried on", self._work.run.id, exc_info=error)

    async def _write(self, events: Sequence[ev.Durable]) -> None:
        entries = runs.append(self._work.run.id, self._work.run.journal_length, events)
        for _ in range(TRIES):
            before = self._work.run
            run = reduce(fold, events, before)
            block, head = await self._block(run, events, len(before.messages))
            moved = run.status != before.status or run.fence != before.fence
            status = [runs.put(run, self._version)] if moved else []
            try:
                await self._stores.storage.commit(run.tenant, entries, *block, *status)
            except StorageError as error:
                if await self._found(entries, error):
                    return
            else:
                self._head, self._version = head, self._version + len(status)
                return
        raise LostRun

    async def _block(self, run: Run, events: Sequence[ev.Durable], known: int) -> tuple[list[Write], Head]:
        """The messages that are new, what the client is asked and has answered, and at the end the conversation's
        release."""
        began = self._work.journal[-1].at if self._work.journal else run.created_at
        said = [*outputs(run, events), *(spoken(run, item, began, events[-1].at) for item in run.messages[known:])]
        if isinstance(events[-1], ev.ActionRequired):
            said.append(asked(run, events[-1].at))
        if not said and not run.ended:
            return [], self._head
        head = self._head
        over = run.id if run.ended else None
        active, paused = (None if each == over else each for each in (head.active, head.paused))
        match = Match("append", head.count, 0)
        return await self._stores.conversations.block(head, match, said, paused=paused, active=active)

    async def _found(self, entries: Append, error: StorageError) -> bool:
        """Whether our entries are written all the same. Where they are another owner's, the run is lost; where the
        conflict is about something else, that is read again for the next try; any other error is raised."""
        run = self._work.run
        found = await stands(self._stores.storage, run.tenant, entries)
        if not found and not isinstance(error, Conflict):
            raise error
        if not found and isinstance(error, Conflict) and isinstance(error.write, Append):
            raise LostRun from error
        stored = await self._refresh()
        if found and stored.owner != run.owner:  # who took it at the same moment wrote the same
            raise LostRun from error
        return found

    async def _refresh(self) -> Run:
        """Read again what others may change beside the journal: the run's document and the conversation's head."""
        run = self._work.run
        stored, self._version = await self._stores.runs.get(run.tenant, run.id)
        self._work.run = replace(run, metadata=stored.metadata, cancel_requested_at=stored.cancel_requested_at)
        self._head = await self._stores.conversations.load(run.tenant, run.conversation_id)
        if stored.cancel_requested_at is not None:
            self._work.request_stop("cancel")
        return stored
