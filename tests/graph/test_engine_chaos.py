"""Clients, cancels and a store that fails at random: every accepted run ends once, and what it said is stored once."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from contextlib import AsyncExitStack, suppress

import pytest

from agents.models.port import ModelUnavailable
from graph import events as ev
from graph import recovery
from graph.errors import RunEnded, RunError
from graph.intake import Output
from graph.messages import decode
from graph.run import TERMINAL, Run
from graph.runs import Runs
from graph.storage.port import Conflict, StorageError, StorageUnavailable, Write
from tests.graph.doubles import ROME, Asked, Reply, Script, call, delegate, final, say
from tests.graph.house import CLOCK, TENANT, WEATHER, House, house, outputs
from tests.graph.stores import Unsteady

TERMINAL_EVENTS = (ev.RunCompleted, ev.RunIncomplete, ev.RunFailed, ev.RunCancelled, ev.RunExpired)


class Chaotic(Unsteady):
    """Fails a part of its commits: before they are written, or after."""

    def __init__(self, chance: random.Random, rate: float) -> None:
        super().__init__()
        self._chance = chance
        self.rate = rate

    async def commit(self, tenant: str, *writes: Write) -> None:
        lot = self._chance.random()
        if lot < self.rate:
            raise StorageUnavailable("not written")
        await super().commit(tenant, *writes)
        if lot < 2 * self.rate:
            raise StorageUnavailable("written")
        if lot < 2.5 * self.rate:
            raise Conflict(self._chance.choice(writes))


class Moody(Script):
    """Models that do anything."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self._chance = chance

    def next(self, asked: Asked) -> Reply:
        if self._chance.random() < 0.1:
            return [ModelUnavailable("a bad day")]
        if asked.agent != "supervisor":
            return say("found ", "it")
        answer, several, asking = say("the ", "answer"), delegate("I ask.", researcher="a", analyst="b"), call(ROME)
        return self._chance.choice(
            [answer, several, asking, final(), call(ROME, ("transfer_to_analyst", {"task": "x"}))]
        )


async def converse(chance: random.Random, houses: list[House], talk: str, accepted: list[Run]) -> None:
    """A client that asks, answers and cancels, and tries again what has failed."""
    for number in range(4):
        here, durable = chance.choice(houses), chance.random() < 0.7
        try:
            run = await here.start(
                f"question {number}", durable=durable, conversation=talk, tools=(WEATHER, CLOCK), history="append"
            )
        except (StorageError, RunError):
            continue
        accepted += [run] if durable else []
        for _ in range(8):
            try:
                await go_on(chance, chance.choice(houses) if durable else here, run, talk)
            except (StorageError, RunError):
                await asyncio.sleep(0)


async def go_on(chance: random.Random, here: House, run: Run, talk: str) -> None:
    if chance.random() < 0.2:
        await here.engine.cancel(TENANT, run.id)
    run = await here.engine.finished(TENANT, run.id)
    if run.status == "requires_action" and run.request.durable:
        await here.engine.resume(TENANT, run.id, [Output(call_id, "rain") for call_id in run.required])
    elif run.status == "requires_action":
        await here.start(outputs(run, *["rain"] * len(run.required)), conversation=talk, tools=(WEATHER, CLOCK))


async def ended(here: House, run: Run) -> Run:
    """The run at its end; one that waits for its client is cancelled."""
    run = await here.engine.finished(TENANT, run.id)
    if run.status == "requires_action":
        with suppress(RunEnded):
            await here.engine.cancel(TENANT, run.id)
        return await ended(here, run)
    return run


async def check(here: House, run: Run) -> None:
    stored, journal, _ = await Runs(here.storage, here.conversations).load(TENANT, run.id)
    assert stored.status in TERMINAL
    assert [isinstance(event, TERMINAL_EVENTS) for event in journal] == [False] * (len(journal) - 1) + [True]
    fences = [event.fence for event in journal if isinstance(event, ev.RunStarted)]
    assert fences == sorted(set(fences))
    answers = Counter(event.call_id for event in journal if isinstance(event, ev.CallAnswered))
    assert set(answers.values()) <= {1}
    documents = await here.storage.query(TENANT, "message", parent=run.conversation_id, label=run.id)
    shown = [document.id for document in documents if not decode(document).hidden]
    assert sorted(shown) == sorted(message.id for message in stored.messages)


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("seed", range(5))
async def test_every_accepted_run_ends_once(seed: int, processes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "SWEEP_EVERY", 0.002)
    monkeypatch.setattr(recovery, "STRAYS_EVERY", 2)
    chance, accepted = random.Random(seed), list[Run]()
    storage = Chaotic(chance, 0)
    async with AsyncExitStack() as stack:
        houses = [
            await stack.enter_async_context(
                house(Moody(chance), store=storage, alone=processes == 1, max_iterations=4, max_concurrent_runs=3)
            )
            for _ in range(processes)
        ]
        storage.rate = chance.choice([0.02, 0.1])
        await asyncio.gather(*(converse(chance, houses, f"talk {n}", accepted) for n in range(3)))
        storage.rate = 0
        assert accepted
        for run in accepted:
            assert (await ended(chance.choice(houses), run)).ended
            await check(houses[0], run)
