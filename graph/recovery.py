"""What keeps every accepted run on its way to an end: runs that nobody carries are taken up, old ones expire."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
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
from graph.storage.port import Document, StorageError
from graph.watch import Watch
from graph.work import LostRun, Work

log = logging.getLogger(__name__)
SWEEP_EVERY = 3.0
STRAYS_EVERY = 10  # sweeps
FORGET_EVERY = 20  # sweeps
WATCH = 10.0
NOBODY = "nobody"
"""An owner that is always dead: to take its runs over counts as an attempt."""
MAX_ATTEMPTS = 3
_EVER = 2**62
_AT_ONCE = 200  # documents
_LOOKED_AT = 20_000  # runs that a sweep for strays looks at: those that expire first

Submit = Callable[[str, str], Awaitable[None]]
Forget = Callable[[], Awaitable[object]]


class Recovery:
    """Sweeps the store for runs that nobody carries, for expired ones, and for whatever else has a time that is over:
    `forgetters` remove it, each its own. Of the processes that share a store one sweeps, until it stops or dies."""

    def __init__(
        self, stores: Stores, lease: Lease, carrier: Carrier, submit: Submit, forgetters: Sequence[Forget]
    ) -> None:
        self._stores = stores
        self._lease = lease
        self._carrier = carrier
        self._submit = submit
        self._forgetters = forgetters
        self._watch: Watch | None = None
        self._sweeping: asyncio.Task[None] | None = None
        self._unreadable: set[str] = set()

    async def start(self, *, alone: bool) -> None:
        """Take up what was left, then sweep in the background. `alone`: no other process can own a run of this store."""
        if alone:
            await self._bury(_EVER)
            await self._take_up()
        else:
            self._watch = Watch(self._stores.storage, self._lease.owner, WATCH)
        self._sweeping = asyncio.create_task(self._sweep())

    async def stop(self) -> None:
        if self._sweeping is not None:
            self._sweeping.cancel()
            await asyncio.wait([self._sweeping])
            if self._watch is not None:
                with suppress(StorageError):
                    await self._watch.leave()

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
            await self._guarded(self._let_go)
            if await self._guarded(self._on_watch):
                await self._guarded(partial(self._sweep_once, rounds))
                if rounds % FORGET_EVERY == 0:
                    for forget in self._forgetters:
                        await self._guarded(forget)
                rounds += 1
            await asyncio.sleep(SWEEP_EVERY * random.uniform(0.8, 1.2))  # noqa: S311 - not all at once, that is all

    async def _let_go(self) -> None:
        """Name nobody as the owner of what was left here, so that whoever has room takes it up."""
        for tenant, id in list(self._carrier.left):
            with suppress(NotFound):
                run, version = await self._stores.runs.get(tenant, id)
                if not (run.ended or run.status == "requires_action" or self._carrier.has_taken(id)):
                    await self._offer_left(run, version)
            self._carrier.left.discard((tenant, id))

    async def _offer_left(self, run: Run, version: int) -> None:
        if run.owner == self._lease.owner:
            await self._stores.storage.commit(run.tenant, runs.put(replace(run, owner=NOBODY), version))
        if run.owner in (None, self._lease.owner):
            await self._submit(run.tenant, run.id)

    async def _on_watch(self) -> bool:
        return self._watch is None or await self._watch.mine()

    async def _guarded(self, sweep: Forget) -> object:
        """Sweep; what goes wrong must not keep the rest waiting."""
        try:
            return await sweep()
        except StorageError as error:
            log.warning("the sweep was interrupted: %s", error)
        except Exception:
            log.exception("the sweep failed")
        return None

    async def _sweep_once(self, rounds: int) -> None:
        async for run in self._due(ev.now_ms()):
            await self.expire(run)
        first = rounds == 0 and self._watch is not None
        if await self._bury(ev.now_ms()) or first or rounds % STRAYS_EVERY == STRAYS_EVERY - 1:
            await self._take_up()

    async def _bury(self, until: int) -> bool:
        """Forget the owners whose lease ends until then; whether there were any."""
        due = await self._stores.storage.due("owner", until, limit=_AT_ONCE)
        dead = [id for _, id in due if id != self._lease.owner]
        for owner in dead:
            await self._lease.bury(owner)
        return bool(dead)

    async def _take_up(self) -> None:
        """Offer every durable run that is on its way and that nobody carries."""
        alive: dict[str, bool] = {}
        async for run in self._due(_EVER):
            if run.ended or run.status == "requires_action" or self._carrier.expects(run.id):
                continue
            if run.owner is not None and run.owner not in alive:
                alive[run.owner] = await self.carried_elsewhere(run)
            if run.owner is None or not alive[run.owner]:
                await self._submit(run.tenant, run.id)

    async def _due(self, until: int) -> AsyncGenerator[Run, None]:
        """The runs that are due until then, a few at a time."""
        due = await self._stores.storage.due("run", until, limit=_LOOKED_AT)
        for some in (due[first : first + _AT_ONCE] for first in range(0, len(due), _AT_ONCE)):
            for tenant, ids in _by_tenant(some):
                for document in await self._stores.storage.get_many(tenant, "run", ids):
                    if run := self._read(tenant, document):
                        yield run

    def _read(self, tenant: str, document: Document) -> Run | None:
        """A stored run. One that can't be read must not keep the others waiting."""
        try:
            return runs.decode(tenant, document)
        except ValueError as error:
            if document.id not in self._unreadable:
                self._unreadable.add(document.id)
                log.error("run %s can't be read and is left alone: %s", document.id, type(error).__name__)
            return None


def _by_tenant(due: Sequence[tuple[str, str]]) -> Iterator[tuple[str, list[str]]]:
    found: dict[str, list[str]] = defaultdict(list)
    for tenant, id in due:
        found[tenant].append(id)
    yield from found.items()
