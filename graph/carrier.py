"""How a run's leg is carried: by two tasks.

The outer one is never cancelled and writes the end, whatever it is. The inner one works the graph, and is what a
cancel, an expiry or a hand-over stops.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import assert_never

from agents.models.port import Message
from graph import events as ev
from graph.context import Context
from graph.failure import failed
from graph.intake import Intake
from graph.items import Turn
from graph.recorder import ChatRecorder, DurableRecorder, Recorder, cut_off
from graph.state import End, Wait, newest_turn, step
from graph.team import build_team, run_team
from graph.work import LostRun, Work

_REMEMBERED = 256

MakeContext = Callable[[Work, Recorder, Sequence[Message], Intake | None], Context]


class Carrier:
    """The runs at work in this process, and a few chat runs that have just ended, for those who still read them."""

    def __init__(self, make_context: MakeContext) -> None:
        self._make_context = make_context
        self._team = build_team()
        self._works: dict[str, Work] = {}
        self._ended: OrderedDict[str, Work] = OrderedDict()
        self._owners: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._works)

    def __contains__(self, run_id: str) -> bool:
        return run_id in self._works

    def at_work(self, run_id: str) -> Work | None:
        """The work on a run, where it is carried or about to be."""
        return self._works.get(run_id)

    def known(self, tenant: str, run_id: str) -> Work | None:
        """The same, also for chat runs that have just ended, and for their own tenant only."""
        work = self._works.get(run_id) or self._ended.get(run_id)
        return work if work is not None and work.run.tenant == tenant else None

    def expect(self, work: Work) -> Work:
        """A run that will be carried: it can be followed from now on. Returns the work there was before, if any."""
        return self._works.setdefault(work.run.id, work)

    def carry(
        self, work: Work, recorder: Recorder, prompt: Sequence[Message], intake: Intake | None = None
    ) -> asyncio.Task[None]:
        """Start to carry; the outer task."""
        self._works[work.run.id] = work
        context = self._make_context(work, recorder, prompt, intake)
        owner = asyncio.create_task(self._own(work, recorder, context, intake))
        self._owners.add(owner)
        owner.add_done_callback(self._owners.discard)
        return owner

    def forget(self, run_id: str) -> None:
        """A run that is no longer at work."""
        work = self._works.pop(run_id, None)
        if work is None:
            return
        work.end()
        if not work.run.request.durable:
            self._ended[run_id] = work
            if len(self._ended) > _REMEMBERED:
                self._ended.popitem(last=False)

    async def drain(self, seconds: float) -> None:
        """Hand durable runs over at once, and chat runs when this time is over."""
        for work in list(self._works.values()):
            if work.run.request.durable:
                work.request_stop("handover")
        if self._owners:
            await asyncio.wait(self._owners, timeout=seconds)
        for work in list(self._works.values()):
            work.request_stop("handover")
        if self._owners:
            await asyncio.wait(self._owners)

    async def _own(self, work: Work, recorder: Recorder, context: Context, intake: Intake | None) -> None:
        left = (work.run.expires_at - ev.now_ms()) / 1000
        timer = asyncio.get_running_loop().call_later(max(0.0, left), work.request_stop, "expired")
        try:
            error = await self._outcome(work, recorder, context, intake)
            await _finish(work, recorder, error)
        finally:
            timer.cancel()
            self.forget(work.run.id)

    async def _outcome(
        self, work: Work, recorder: Recorder, context: Context, intake: Intake | None
    ) -> BaseException | None:
        """Let the inner task work; what it raised, or None."""
        if work.stop is not None:
            return None
        work.inner = asyncio.create_task(self._work(work, recorder, context, intake))
        await asyncio.wait([work.inner])
        return None if work.inner.cancelled() else work.inner.exception()

    async def _work(self, work: Work, recorder: Recorder, context: Context, intake: Intake | None) -> None:
        if intake is not None:
            await recorder.record(*_opening(intake))
        await run_team(self._team, context, work.run.items)


async def _finish(work: Work, recorder: Recorder, error: BaseException | None) -> None:
    """Write the end of this leg. A durable run that was handed over or lost goes on elsewhere."""
    if isinstance(recorder, DurableRecorder):
        if work.stop == "handover":
            return await recorder.hand_over()
        if isinstance(error, LostRun):
            return None
    try:
        await recorder.close(*cut_off(work), *_last_events(work, error))
    except LostRun as lost:
        if isinstance(recorder, ChatRecorder):
            work.tell([*cut_off(work), failed(work.run.id, lost)])
    except Exception as broken:
        work.tell([*cut_off(work), failed(work.run.id, broken)])
    return None


def _last_events(work: Work, error: BaseException | None) -> list[ev.Durable]:
    match work.stop:
        case "cancel":
            return [ev.CancelRequested(), ev.RunCancelled()]
        case "expired":
            return [ev.RunExpired()]
        case "handover":
            return [ev.RunFailed("shutting_down", "The server is shutting down. Nothing was stored; try again.")]
        case None:
            return _natural_end(work, error)
        case _:
            assert_never(work.stop)


def _natural_end(work: Work, error: BaseException | None) -> list[ev.Durable]:
    """How a leg ends that nobody stopped."""
    if error is not None:
        return [failed(work.run.id, error)]
    match step(work.run.items):
        case Wait() if work.run.status == "requires_action":
            return []
        case Wait(calls):
            return [ev.ActionRequired(tuple(call.id for call in calls))]
        case End():
            return [_ending(newest_turn(work.run.items))]
        case move:
            return [failed(work.run.id, RuntimeError(f"the graph ended before {move}"))]


def _ending(turn: Turn | None) -> ev.Durable:
    match turn.finish if turn else "stop":
        case "length":
            return ev.RunIncomplete("max_completion_tokens")
        case "content_filter":
            return ev.RunIncomplete("content_filter")
        case _:
            return ev.RunCompleted()


def _opening(intake: Intake) -> list[ev.Durable]:
    """How a chat leg begins: its owner, then the outputs that it was given."""
    answers = [ev.CallAnswered(each.call_id, each.text, "ok", "client") for each in intake.outputs]
    return [ev.RunStarted(intake.run.fence + 1, 0), *answers]
