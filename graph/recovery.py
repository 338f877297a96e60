"""What keeps every accepted run on its way to an end: runs of dead owners are taken over, old ones expire."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from graph import events as ev
from graph import runs
from graph.errors import NotFound, RunEnded
from graph.lease import Lease
from graph.recorder import DurableRecorder, Stores
from graph.run import Run
from graph.storage.port import StorageError
from graph.work import LostRun, Work

log = logging.getLogger(__name__)
SWEEP_EVERY = 3.0
FORGET_EVERY = 60.0
MAX_ATTEMPTS = 3
_EVER = 2**62

Submit = Callable[[str, str], Awaitable[None]]


class Recovery:
    """Sweeps the store for runs that nobody carries, for expired ones, and for conversations whose time is over."""

    def __init__(self, stores: Stores, lease: Lease) -> None:
        self._stores = stores
        self._lease = lease
        self._submit: Submit | None = None
        self._sweeping: asyncio.Task[None] | None = None

    async def start(self, submit: Submit, *, alone: bool) -> None:
        """Hand over what was left, then sweep in the background. `alone`: no other process can own a run of this store."""
        self._submit = submit
        if alone:
            for _, owner in await self._stores.storage.due("owner", _EVER):
                await self._lease.bury(owner)
        await self._take_over()
        self._sweeping = asyncio.create_task(self._sweep())

    async def stop(self) -> None:
        if self._sweeping is not None:
            self._sweeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sweeping

    def attempt(self, run: Run, journal: Sequence[ev.Durable]) -> int:
        """The number of the attempt when this run is taken now. Only the takeover from a dead owner counts, and only as
        long as there was no progress between two of them."""
        if run.owner is None or run.status == "requires_action":
            return run.attempts
        progress = not journal or not isinstance(journal[-1], ev.RunStarted)
        return 1 if progress else run.attempts + 1

    async def carried_elsewhere(self, run: Run) -> bool:
        """Whether a living owner carries this run."""
        return run.owner is not None and run.owner != self._lease.owner and await self._lease.is_alive(run.owner)

    async def expire(self, run: Run) -> bool:
        """End a durable run whose time is over and that nobody carries; whether it was so."""
        if run.ended or not run.request.durable or run.expires_at > ev.now_ms():
            return False
        if run.status != "requires_action" and await self.carried_elsewhere(run):
            return False
        return await self._end(run, ev.RunExpired())

    async def cancel(self, run: Run) -> Run:
        """Cancel a run that is not at work here. Raises `RunEnded`."""
        if run.ended:
            raise RunEnded(f"Cannot cancel run with status '{run.status}'.")
        if run.status != "requires_action" and await self.carried_elsewhere(run):
            return await self._request_cancel(run)
        if not await self._end(run, ev.CancelRequested(), ev.RunCancelled()):
            return await self.cancel((await self._stores.runs.load(run.tenant, run.id))[0])
        return (await self._stores.runs.load(run.tenant, run.id))[0]

    async def _request_cancel(self, run: Run) -> Run:
        stored, version = await self._stores.runs.get(run.tenant, run.id)
        asked = replace(stored, cancel_requested_at=ev.now_ms())
        await self._stores.storage.commit(run.tenant, runs.put(asked, version))
        return replace(run, status="cancelling", cancel_requested_at=asked.cancel_requested_at)

    async def _end(self, run: Run, *events: ev.Durable) -> bool:
        """Write the end of a run that nobody carries; False when somebody else was first."""
        stored, journal, version = await self._stores.runs.load(run.tenant, run.id)
        if stored.ended:
            return False
        head = await self._stores.conversations.load(run.tenant, run.conversation_id)
        try:
            await DurableRecorder(self._stores, Work(stored, journal), version, head).record(*events)
        except LostRun:
            return False
        return True

    async def _sweep(self) -> None:
        rounds = 0
        while True:
            try:
                await self._expire_due()
                if await self._dead_owners():
                    await self._take_over()
                if rounds % round(FORGET_EVERY / SWEEP_EVERY) == 0:
                    await self._stores.conversations.forget_expired()
            except StorageError as error:
                log.warning("the sweep was interrupted: %s", error)
            rounds += 1
            await asyncio.sleep(SWEEP_EVERY)

    async def _expire_due(self) -> None:
        for tenant, id in await self._stores.storage.due("run", ev.now_ms()):
            run, _ = await self._stores.runs.get(tenant, id)
            await self.expire(run)

    async def _dead_owners(self) -> bool:
        dead = [id for _, id in await self._stores.storage.due("owner", ev.now_ms()) if id != self._lease.owner]
        for owner in dead:
            await self._lease.bury(owner)
        return bool(dead)

    async def _take_over(self) -> None:
        """Submit every durable run that is on its way and that no living owner carries."""
        assert self._submit is not None
        for tenant, id in await self._stores.storage.due("run", _EVER, limit=100_000):
            with contextlib.suppress(NotFound):
                run, _ = await self._stores.runs.get(tenant, id)
                mine = run.owner == self._lease.owner
                if not (run.ended or run.status == "requires_action" or mine or await self.carried_elsewhere(run)):
                    await self._submit(tenant, id)
