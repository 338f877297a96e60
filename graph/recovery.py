"""What keeps every accepted run on its way to an end: runs that nobody carries are taken up, old ones expire."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial

from graph import events as ev
from graph import runs
from graph.carrier import Carrier
from graph.durable_recorder import DurableRecorder
from graph.errors import NotFound, RunEnded
from graph.lease import Cancel, Lease
from graph.recorder import Stores
from graph.run import Run
from graph.storage.port import StorageError
from graph.work import LostRun, Work

log = logging.getLogger(__name__)
SWEEP_EVERY = 3.0
STRAYS_EVERY = 10  # sweeps
FORGET_EVERY = 20  # sweeps
MAX_ATTEMPTS = 3
_EVER = 2**62
_ALL = 100_000

Submit = Callable[[str, str], Awaitable[None]]
Forget = Callable[[], Awaitable[object]]


class Recovery:
    """Sweeps the store for runs that nobody carries, for expired ones, and for whatever else has a time that is over:
    `forgetters` remove it, each its own."""

    def __init__(
        self, stores: Stores, lease: Lease, carrier: Carrier, submit: Submit, forgetters: Sequence[Forget]
    ) -> None:
        self._stores = stores
        self._lease = lease
        self._carrier = carrier
        self._submit = submit
        self._forgetters = forgetters
        self._sweeping: asyncio.Task[None] | None = None
        self._unreadable: set[str] = set()

    async def start(self, *, alone: bool) -> None:
        """Take up what was left, then sweep in the background. `alone`: no other process can own a run of this store."""
        if alone:
            await self._bury(_EVER)
        await self._take_up()
        self._sweeping = asyncio.create_task(self._sweep())

    async def stop(self) -> None:
        if self._sweeping is not None:
            self._sweeping.cancel()
            await asyncio.wait([self._sweeping])

    def attempt(self, run: Run, journal: Sequence[ev.Durable]) -> int:
        """The number of the attempt when this run is taken now. Only the takeover from a dead owner counts, and only as
        long as there was no progress between two of them."""
        if run.owner is None or run.status == "requires_action":
            return run.attempts
        progress = not journal or not isinstance(journal[-1], ev.RunStarted)
        return 1 if progress else run.attempts + 1

    async def carried_elsewhere(self, run: Run) -> bool:
        """Whether another living owner carries this run."""
        if run.owner is None or run.owner == self._lease.owner or run.status == "requires_action":
            return False
        return await self._lease.is_alive(run.owner)

    async def expire(self, run: Run) -> bool:
        """End a run whose time is over and that nobody carries; whether it was so."""
        if not runs.expires(run) or run.expires_at > ev.now_ms():
            return False
        if self._carrier.has_taken(run.id) or await self.carried_elsewhere(run):
            return False
        return await self._end(run, ev.RunExpired())

    async def cancel(self, run: Run) -> Run:
        """Cancel a run that is not at work here. Raises `RunEnded`."""
        while not run.ended:
            if await self.carried_elsewhere(run):
                return await self._request_cancel(run)
            ended = await self._end(run, ev.CancelRequested(), ev.RunCancelled())
            run, _, _ = await self._stores.runs.load(run.tenant, run.id)
            if ended:
                return run
        raise RunEnded(f"Cannot cancel run with status '{run.status}'.")

    async def _request_cancel(self, run: Run) -> Run:
        """Leave word for the run's owner, and wake it."""
        assert run.owner is not None
        asked = await self._stores.runs.request_cancel(run.tenant, run.id)
        if asked.ended or asked.status == "requires_action":  # it has just moved on: look again
            return await self.cancel((await self._stores.runs.load(run.tenant, run.id))[0])
        await self._lease.notify(run.owner, Cancel(run.id))
        return replace(run, cancel_requested_at=asked.cancel_requested_at, status="cancelling")

    async def _end(self, run: Run, *events: ev.Durable) -> bool:
        """Write the end of a run that nobody carries; False when somebody else was first."""
        if not self._carrier.take(run.id):
            return False
        try:
            return await self._write_end(run, *events)
        except LostRun:
            return False
        finally:
            self._carrier.forget(run.id)

    async def _write_end(self, run: Run, *events: ev.Durable) -> bool:
        stored, journal, version = await self._stores.runs.load(run.tenant, run.id)
        if stored.ended:
            return False
        head = await self._stores.conversations.load(run.tenant, run.conversation_id)
        await DurableRecorder(self._stores, Work(stored, journal), version, head).record(*events)
        return True

    async def _sweep(self) -> None:
        rounds = 0
        while True:
            await self._guarded(partial(self._sweep_once, rounds))
            if rounds % FORGET_EVERY == 0:
                for forget in self._forgetters:
                    await self._guarded(forget)
            rounds += 1
            await asyncio.sleep(SWEEP_EVERY)

    async def _guarded(self, sweep: Forget) -> None:
        """Sweep; what goes wrong must not keep the rest waiting."""
        try:
            await sweep()
        except StorageError as error:
            log.warning("the sweep was interrupted: %s", error)
        except Exception:
            log.exception("the sweep failed")

    async def _sweep_once(self, rounds: int) -> None:
        for tenant, id in await self._stores.storage.due("run", ev.now_ms(), limit=_ALL):
            await self._with(tenant, id, self.expire)
        if await self._bury(ev.now_ms()) or rounds % STRAYS_EVERY == STRAYS_EVERY - 1:
            await self._take_up()

    async def _bury(self, until: int) -> bool:
        """Forget the owners whose lease ends until then; whether there were any."""
        dead = [id for _, id in await self._stores.storage.due("owner", until, limit=_ALL) if id != self._lease.owner]
        for owner in dead:
            await self._lease.bury(owner)
        return bool(dead)

    async def _take_up(self) -> None:
        """Submit every durable run that is on its way and that nobody carries."""
        for tenant, id in await self._stores.storage.due("run", _EVER, limit=_ALL):
            if not self._carrier.expects(id):
                await self._with(tenant, id, self._take_up_stray)

    async def _take_up_stray(self, run: Run) -> None:
        if not (run.ended or run.status == "requires_action" or await self.carried_elsewhere(run)):
            await self._submit(run.tenant, run.id)

    async def _with(self, tenant: str, id: str, action: Callable[[Run], Awaitable[object]]) -> None:
        """Act on a stored run. One that is gone, or can't be read, must not keep the others waiting."""
        try:
            run, _ = await self._stores.runs.get(tenant, id)
            await action(run)
        except NotFound:
            pass  # deleted since it was listed
        except ValueError as error:
            if id not in self._unreadable:
                self._unreadable.add(id)
                log.error("run %s can't be read and is left alone: %s", id, type(error).__name__)
