"""How a run's leg is carried: by two tasks.

The outer one is never cancelled and writes the end, whatever it is. The inner one works the graph, and is what a
cancel, an expiry or a hand-over stops.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import assert_never

from agents.models.port import Message, Params
from graph import events as ev
from graph.context import Context
from graph.ending import ending
from graph.failure import failed
from graph.intake import Intake
from graph.recorder import Recorder, cut_off
from graph.request import RunRequest
from graph.run import ANSWERED, Run
from graph.spending import PromptSpent
from graph.state import End, Wait, newest_turn, step
from graph.storage.port import StorageError
from graph.team import build_team, run_team
from graph.work import LostRun, Work

_REMEMBERED = 256
_REMEMBERED_HEAVY = 16  # of these: megabytes each, with logprobs or with outputs that a client has brought
_HEAVY = 100_000  # characters


@dataclass(frozen=True, slots=True)
class Leg:
    """What is carried: the work, who writes it down, what its entry agent reads, and the request it began with (chat).
    `siblings` are at work beside it, for the same request: they stand or fall together."""

    work: Work
    recorder: Recorder
    prompt: Sequence[Message]
    intake: Intake | None = None
    siblings: Sequence[Work] = ()


class Carrier:
    """The runs at work in this process or about to be, and the chat runs that have just ended, for who still reads them.

    A run is *expected* from its acceptance on, and *taken* from the moment somebody here sets out to carry it until its
    leg is over. `hand_on` is told of the runs that were given back, by tenant and id, so that others take them. `left` are
    durable runs that name this process as their owner, perhaps, and that it carries no more: the store was away.
    """

    def __init__(
        self,
        context_of: Callable[[Leg], Context],
        over: Callable[[Run], Awaitable[None]],
        hand_on: Callable[[str, str], Awaitable[None]],
    ) -> None:
        """`over` hears of each leg that is over, behind its end."""
        self._context_of = context_of
        self._over = over
        self._hand_on = hand_on
        self._tenants: Counter[str] = Counter()
        self.left: set[tuple[str, str]] = set()
        self._team = build_team()
        self._works: dict[str, Work] = {}
        self._taken: set[str] = set()
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._closing = False
        self._ended: OrderedDict[str, Work] = OrderedDict()
        self._heavy: deque[str] = deque()
        self._owners: set[asyncio.Task[None]] = set()

    @property
    def taken(self) -> int:
        """How many runs are taken."""
        return len(self._taken)

    def taken_by(self, tenant: str) -> int:
        """How many runs of a tenant are carried."""
        return self._tenants[tenant]

    def has_taken(self, run_id: str) -> bool:
        return run_id in self._taken

    def expects(self, run_id: str) -> bool:
        """Whether a run is at work here, or about to be."""
        return run_id in self._works

    def known(self, tenant: str, run_id: str) -> Work | None:
        """The work on a run, also of chat runs that have just ended, and for their own tenant only."""
        work = self._works.get(run_id) or self._ended.get(run_id)
        return work if work is not None and work.run.tenant == tenant else None

    def expect(self, run: Run, journal: Sequence[ev.Durable] = ()) -> Work:
        """A run that will be carried: it can be followed, and stopped, from now on."""
        known = self._works.get(run.id)
        if known is not None and len(known.journal) == len(journal):
            return known
        work = self._works[run.id] = Work(run, journal)
        if known is not None:  # another process has worked on it in the meantime: who follows reads that from the store
            work.stop = known.stop
            known.end()
        if self._closing:
            work.end()
        return work

    def take(self, run_id: str) -> bool:
        """Set out to carry a run; False when somebody here has done so. To be followed by `carry` or `forget`."""
        if run_id in self._taken:
            return False
        self._taken.add(run_id)
        self._quiet.clear()
        return True

    def carry(self, leg: Leg) -> asyncio.Task[None]:
        """Carry a run that was taken; the outer task."""
        self._works[leg.work.run.id] = leg.work
        leg.work.carried = True
        self._tenants[leg.work.run.tenant] += 1
        if self._closing:
            leg.work.request_stop("handover")
        owner = asyncio.create_task(self._own(leg))
        self._owners.add(owner)
        owner.add_done_callback(self._owners.discard)
        return owner

    def leave(self, run_id: str) -> None:
        """A run that others will carry, unless somebody here has taken it already."""
        if run_id not in self._taken:
            self.forget(run_id)

    def forget(self, run_id: str) -> None:
        """A run that is no longer at work here."""
        self._taken.discard(run_id)
        if not self._taken:
            self._quiet.set()
        work = self._works.pop(run_id, None)
        if work is None:
            return
        work.end()
        work.inner = None  # its error would keep all that the work has read
        if (work.run.ended or not work.kept) and not work.run.request.durable:
            heavy = _is_heavy(work)
            work.run = replace(work.run, request=_slim(work.run.request))
            self._remember(work, heavy=heavy)

    def _remember(self, work: Work, *, heavy: bool) -> None:
        self._ended[work.run.id] = work
        if heavy:
            self._heavy.append(work.run.id)
            if len(self._heavy) > _REMEMBERED_HEAVY:
                self._ended.pop(self._heavy.popleft(), None)
        if len(self._ended) > _REMEMBERED:
            self._ended.popitem(last=False)

    def cancel(self, run_id: str) -> None:
        """Stop a run, where it is carried here."""
        if run_id in self._taken and run_id in self._works:
            self._works[run_id].request_stop("cancel")

    async def drain(self, seconds: float) -> None:
        """Hand durable runs over at once, and cut chat runs off when this time is over."""
        self._closing = True
        self._stop(durable_only=True)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._quiet.wait()
        self._stop(durable_only=False)
        await self._quiet.wait()

    def _stop(self, *, durable_only: bool) -> None:
        for run_id, work in list(self._works.items()):
            if run_id not in self._taken:
                self.forget(run_id)
            elif work.run.request.durable or not durable_only:
                work.request_stop("handover")

    async def _own(self, leg: Leg) -> None:
        timer = _expiry(leg.work)
        try:
            await _finish(leg, await self._outcome(leg))
            _share_fate(leg)
        finally:
            timer.cancel()
            self._uncount(leg.work.run.tenant)
            if leg.work.run.request.durable and not leg.work.settled:
                await self._part(leg.work)
            self.forget(leg.work.run.id)
            await self._over(leg.work.run)

    async def _part(self, work: Work) -> None:
        """What becomes of a durable run whose leg is over before its time."""
        tenant, id = work.run.tenant, work.run.id
        if work.stop == "handover":
            await self._hand_on(tenant, id)
        else:
            self.left.add((tenant, id))

    def _uncount(self, tenant: str) -> None:
        self._tenants[tenant] -= 1
        if not self._tenants[tenant]:
            del self._tenants[tenant]

    async def _outcome(self, leg: Leg) -> BaseException | None:
        """Let the inner task work; what it raised, or None."""
        work = leg.work
        if work.stop is not None:
            return None
        work.inner = asyncio.create_task(self._work(leg))
        await asyncio.wait([work.inner])
        return None if work.inner.cancelled() else work.inner.exception()

    async def _work(self, leg: Leg) -> None:
        context = self._context_of(leg)
        if leg.intake is not None:
            await leg.recorder.record(*_opening(leg.intake))
        await run_team(self._team, context, leg.work.run.items)
        if leg.work.kept:  # nothing is written of a request that fails
            for sibling in leg.siblings:
                await sibling.over.wait()


def _slim(request: RunRequest) -> RunRequest:
    """A request whose run has ended, without what may be large: nobody asks for that any more."""
    return replace(request, messages=(), tools=(), params=Params())


def _is_heavy(work: Work) -> bool:
    return bool(work.run.request.params.logprobs) or sum(map(_characters, work.journal)) > _HEAVY


def _characters(event: ev.Durable) -> int:
    match event:
        case ev.MessageCompleted(text=text) | ev.CallCompleted(arguments=text) | ev.CallAnswered(output=text):
            return len(text)
        case _:
            return 0


def _expiry(work: Work) -> asyncio.TimerHandle:
    """Stops the work when its time is over, before its first step where that has come already."""
    left = (work.run.expires_at - ev.now_ms()) / 1000
    if left <= 0:
        work.request_stop("expired")
    return asyncio.get_running_loop().call_later(max(0.0, left), work.request_stop, "expired")


async def _finish(leg: Leg, error: BaseException | None) -> None:
    """Write the end of this leg. What can't be written is not told as an end, but for chat runs: theirs is told alone."""
    if isinstance(error, LostRun | StorageError):
        return leg.recorder.give_up(error)
    try:
        if leg.work.stop == "handover":
            await leg.recorder.hand_over()
        else:
            await leg.recorder.close(lambda: [*cut_off(leg.work), *_last_events(leg.work, error)])
            if leg.intake is None and leg.work.stop == "cancel" and not leg.work.run.ended:
                await leg.recorder.close(lambda: _last_events(leg.work, error))  # came while a pause was written
    except Exception as broken:
        leg.recorder.give_up(broken)


def _share_fate(leg: Leg) -> None:
    """A run that has ended without an answer takes its siblings with it."""
    if leg.siblings and leg.work.run.status not in ANSWERED:
        for sibling in leg.siblings:
            sibling.fall_with(leg.work.journal[-1])


def _last_events(work: Work, error: BaseException | None) -> list[ev.Durable]:
    """What is left to say; nothing where the last turn's commit has said it."""
    if work.run.ended:
        return []
    match work.stop:
        case "cancel":
            return [ev.CancelRequested(), ev.RunCancelled()]
        case "expired":
            return [ev.RunExpired()]
        case "sibling":
            assert work.fate is not None
            return [work.fate]
        case "handover" | None:
            return _natural_end(work, error)
        case _:
            assert_never(work.stop)


def _natural_end(work: Work, error: BaseException | None) -> list[ev.Durable]:
    """How a leg ends that nobody stopped."""
    if isinstance(error, PromptSpent):
        return [ev.RunIncomplete("max_prompt_tokens")]
    if error is not None:
        return [failed(work.run.id, error)]
    match step(work.run.items):
        case Wait() if work.run.status == "requires_action":
            return []
        case Wait(calls):
            return [ev.ActionRequired(tuple(call.id for call in calls))]
        case End():
            return [ending(newest_turn(work.run.items))]
        case move:
            return [failed(work.run.id, RuntimeError(f"the graph ended before {move}"))]


def _opening(intake: Intake) -> list[ev.Durable]:
    """How a chat leg begins: its owner, then the outputs that it was given."""
    answers = [ev.CallAnswered(each.call_id, each.text, "ok", "client") for each in intake.outputs]
    return [ev.RunStarted(intake.run.fence + 1, 0), *answers]
