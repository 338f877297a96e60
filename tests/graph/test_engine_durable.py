"""Durable runs: written before anybody is told, followed from any position, resumed, and never stuck."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from agents.models.port import ModelUnavailable, Text
from graph import events as ev
from graph import recovery
from graph.errors import NotFound, OutputsRefused, RunEnded
from graph.intake import Output
from graph.journal import Position, advance
from graph.run import Run, fold
from graph.storage.port import StorageUnavailable
from tests.graph.doubles import Gate, Script, call, delegate, final, say
from tests.graph.house import CLOCK, TENANT, WEATHER, House, every_store, house, names, text_of
from tests.graph.stores import Unsteady, journal_of

store = every_store


async def test_a_durable_run_is_written_before_it_is_told(store: str) -> None:
    gate = Gate()
    async with house(Script(supervisor=[[gate, *say("Hello")]]), store=store) as here:
        run = await here.start("Hi", durable=True, conversation="talk", metadata={"a": "b"})
        assert (run.status, run.journal_length) == ("queued", 0)
        async with house(store=here.storage, alone=False) as there:
            stored = await there.get(run.id)
            assert stored.status in ("queued", "in_progress")
            assert stored.metadata == {"a": "b"}
            assert await there.log("talk") == [("user", "Hi")]
        gate.open.set()
        ended = await here.engine.finished(TENANT, run.id)
        assert ended.answer
        assert (ended.status, ended.answer.text, ended.fence, ended.attempts) == ("completed", "Hello", 1, 0)
        assert await here.log("talk") == [("user", "Hi"), ("assistant", "Hello")]
        assert await here.get(run.id) == ended


async def test_an_answer_and_the_end_of_its_run_are_written_together() -> None:
    storage = Unsteady()
    written = storage.hold(journal_of("MessageCompleted", "TurnCompleted", "RunCompleted"))
    async with house(Script(supervisor=[say("Hello")]), store=storage) as here:
        run = await here.start("Hi", durable=True, conversation="talk")
        await written.reached.wait()
        stored, _ = await here.engine.runs.get(TENANT, run.id)
        assert stored.status == "completed"
        assert await here.log("talk") == [("user", "Hi"), ("assistant", "Hello")]
        written.open.set()


async def test_what_was_changed_while_a_run_was_queued_stays_changed(store: str) -> None:
    gate = Gate()
    script = Script(supervisor=[[gate, *say("First.")], say("Second.")])
    async with house(script, store=store, max_concurrent_runs=1) as here:
        await here.start("Hi", durable=True)
        queued = await here.start("Hi", durable=True, metadata={"a": "b"})
        await gate.reached.wait()
        await here.engine.runs.modify(TENANT, queued.id, {"a": "c"})
        gate.open.set()
        ended = await here.engine.finished(TENANT, queued.id)
        assert (ended.status, ended.metadata) == ("completed", {"a": "c"})
        assert await here.get(queued.id) == ended


async def test_the_stored_run_is_what_its_events_fold_to(store: str) -> None:
    script = Script(
        supervisor=[delegate("I ask.", researcher="a", analyst="b"), final()],
        researcher=[call(("search", {"query": "x"})), say("found")],
        analyst=[[ModelUnavailable("away")]],
        writer=[say("The text.")],
    )
    async with house(script, store=store) as here:
        run = await here.start("Go", durable=True)
        heard = await here.follow(run.id)
        folded = run
        for event in heard:
            folded = fold(folded, event)
        stored = await here.get(run.id)
        assert stored.items == folded.items
        assert (stored.status, stored.iterations, stored.agents_used) == (
            "completed",
            2,
            ("researcher", "analyst", "writer"),
        )
        assert stored.usage_by_agent == folded.usage_by_agent
        assert stored.journal_length == len([e for e in heard if fold(run, e) is not run])


async def test_each_step_is_in_the_journal_before_the_next_begins(store: str) -> None:
    gates = [Gate(), Gate()]
    script = Script(
        supervisor=[delegate(researcher="a", analyst="b"), say("Done.")],
        researcher=[[gates[0], *say("found")]],
        analyst=[[gates[1], *say("worked out")]],
    )
    async with house(script, store=store) as here:
        run = await here.start("Go", durable=True)
        hearing = here.engine.follow(TENANT, run.id)
        for gate in gates:
            await gate.reached.wait()
        async with house(store=here.storage, alone=False) as there:
            assert [type(e).__name__ for e in await stored(there, run)][-3:] == [
                "TurnCompleted",
                "AgentStarted",
                "AgentStarted",
            ]
            gates[1].open.set()
            async for batch in hearing:
                if any(isinstance(e, ev.CallAnswered) for e in batch):
                    break
            assert [type(e).__name__ for e in await stored(there, run)][-2:] == ["AgentFinished", "CallAnswered"]
        gates[0].open.set()
        assert (await here.engine.finished(TENANT, run.id)).status == "completed"
        await hearing.aclose()


async def stored(here: House, run: Run) -> Sequence[ev.Event]:
    """The journal so far, as one reads it who does not carry the run."""
    batches = here.engine.follow(TENANT, run.id)
    try:
        return await anext(batches)
    finally:
        await batches.aclose()


async def test_a_stream_can_be_taken_up_again_anywhere(store: str) -> None:
    gate = Gate()
    script = Script(
        supervisor=[delegate("I will ask.", researcher="a"), [[Text("It is ")], gate, *say("blue.")]],
        researcher=[say("blue")],
    )
    async with house(script, store=store) as here:
        run = await here.start("Go", durable=True)
        await gate.reached.wait()
        begun = here.engine.follow(TENANT, run.id)
        places = positions(await anext(begun))  # what has happened so far comes at once
        await begun.aclose()
        live = [asyncio.create_task(here.follow(run.id, place)) for place in places]
        await asyncio.sleep(0)
        gate.open.set()
        whole = await here.follow(run.id)
        assert text_of(whole) == "I will ask.It is blue."
        for at, task in enumerate(live):
            assert_same_from(places[at], whole, await task)
        for place in positions(whole):
            assert_same_from(place, whole, await here.follow(run.id, place))


def positions(heard: Sequence[ev.Event]) -> list[Position]:
    """Every place in a stream, from before its first event on; inside texts too."""
    places = [Position()]
    for event in heard:
        entries, told = places[-1]
        inside = len(event.text) if isinstance(event, ev.TextDelta) else 0
        places += [Position(entries, told + n) for n in range(1, inside)]
        places.append(advance(Position(entries, told), event))
    return places


def assert_same_from(place: Position, whole: Sequence[ev.Event], rest: Sequence[ev.Event]) -> None:
    """Who reads on from a place reads what they had not read."""
    position, text, events = Position(), "", list[ev.Event]()
    for event in whole:
        after = advance(position, event)
        if after > place:
            if isinstance(event, ev.TextDelta):
                text += event.text[max(0, place.told - position.told) if place.entries == position.entries else 0 :]
            events.append(event)
        position = after
    assert text_of(rest) == text, place
    assert durable(rest) == durable(events), place


def durable(heard: Sequence[ev.Event]) -> list[ev.Event]:
    return [e for e in heard if not isinstance(e, ev.MessageStarted | ev.TextDelta | ev.CallStarted | ev.CallDelta)]


async def test_a_live_stream_taken_up_in_the_middle_of_a_text() -> None:
    gate = Gate()
    async with house(Script(supervisor=[[[Text("Hello ")], gate, *say("there")]])) as here:
        run = await here.start("Hi", durable=True)
        await gate.reached.wait()
        tails = [asyncio.create_task(here.follow(run.id, Position(1, told))) for told in range(8)]
        await asyncio.sleep(0)
        gate.open.set()
        expected = ["Hello there"[max(0, told - 1) :] for told in range(8)]
        assert [text_of(await tail) for tail in tails] == expected


async def test_a_follower_in_another_process_reads_the_journal(store: str) -> None:
    gate = Gate()
    script = Script(
        supervisor=[delegate("I ask.", researcher="a"), [gate, *say("It is blue.")]], researcher=[say("blue")]
    )
    async with house(script, store=store, alone=False) as here, house(store=here.storage, alone=False) as there:
        run = await here.start("Go", durable=True)
        await gate.reached.wait()
        hearing = asyncio.create_task(there.follow(run.id))
        middle = asyncio.create_task(there.follow(run.id, Position(6, 5)))
        finishing = asyncio.create_task(there.engine.finished(TENANT, run.id))
        gate.open.set()
        heard = await hearing
        assert durable(heard) == durable(await here.follow(run.id))
        assert text_of(heard) == "I ask.It is blue."
        assert text_of(await middle) == "s blue."
        assert (await finishing).status == "completed"


async def test_the_client_submits_from_inside_its_stream(store: str) -> None:
    script = Script(supervisor=[call(("weather", {})), say("It rains.")])
    async with house(script, store=store) as here:
        run = await here.start("Weather?", durable=True, conversation="talk", tools=(WEATHER,))
        heard: list[ev.Event] = []
        async for batch in here.engine.follow(TENANT, run.id):
            heard += batch
            if isinstance(batch[-1], ev.ActionRequired):
                waiting = await here.get(run.id)
                assert waiting.status == "requires_action"
                await here.engine.resume(TENANT, run.id, [Output(waiting.required[0], "rain")])
        ended = await here.engine.finished(TENANT, run.id)
        assert ended.answer
        assert (ended.status, ended.answer.text) == ("completed", "It rains.")
        assert len(script.asked) == 2
        assert names(heard)[-1] in ("ActionRequired", "RunCompleted")
        assert not any(isinstance(e, ev.RunFailed) for e in heard)


async def test_a_durable_run_waits_and_is_resumed(store: str) -> None:
    script = Script(supervisor=[call(("weather", {}), ("clock", {})), call(("clock", {})), say("Rain at noon.")])
    async with house(script, store=store) as here:
        first = await here.ask("Weather?", durable=True, conversation="talk", tools=(WEATHER, CLOCK))
        assert first.status == "requires_action"
        a, b = first.required
        for wrong in ([], [Output(a, "x")], [Output(a, "x"), Output(a, "y")], [Output(a, "x"), Output("call_9", "y")]):
            with pytest.raises(OutputsRefused):
                await here.engine.resume(TENANT, first.id, wrong)
        before = await here.engine.resume(TENANT, first.id, [Output(b, "ten"), Output(a, "rain")])
        assert before.journal_length == first.journal_length
        second = await here.engine.finished(TENANT, first.id)
        assert second.status == "requires_action"
        assert script.asked[1].talk[-2:] == [("tool", "rain"), ("tool", "ten")]
        await here.engine.resume(TENANT, first.id, [Output(second.required[0], "noon")])
        third = await here.engine.finished(TENANT, first.id)
        assert (third.status, third.fence, third.attempts, third.iterations) == ("completed", 3, 0, 3)
        with pytest.raises(RunEnded):
            await here.engine.resume(TENANT, first.id, [])
        with pytest.raises(NotFound):
            await here.engine.resume("somebody else", first.id, [])
        assert (await here.log("talk"))[-1] == ("assistant", "Rain at noon.")


async def test_of_two_that_submit_at_once_one_is_refused() -> None:
    script = Script(supervisor=[call(("weather", {})), say("It rains.")])
    async with house(script, store=Unsteady()) as here:
        first = await here.ask("Weather?", durable=True, tools=(WEATHER,))
        submits = [here.engine.resume(TENANT, first.id, [Output(first.required[0], f"rain {n}")]) for n in range(3)]
        results = await asyncio.gather(*submits, return_exceptions=True)
        assert sorted(type(each).__name__ for each in results) == ["OutputsRefused", "OutputsRefused", "Run"]
        ended = await here.engine.finished(TENANT, first.id)
        assert (ended.status, ended.fence) == ("completed", 2)
        assert len(script.asked) == 2


async def test_of_two_processes_that_submit_one_is_refused() -> None:
    script = Script(supervisor=[call(("weather", {})), say("It rains.")])
    storage = Unsteady()
    async with house(script, store=storage, alone=False) as here, house(script, store=storage, alone=False) as there:
        first = await here.ask("Weather?", durable=True, tools=(WEATHER,))
        submits = [
            each.engine.resume(TENANT, first.id, [Output(first.required[0], "rain")]) for each in (here, there, here)
        ]
        results = await asyncio.gather(*submits, return_exceptions=True)
        assert sorted(type(each).__name__ for each in results) == ["OutputsRefused", "OutputsRefused", "Run"]
        assert (await here.engine.finished(TENANT, first.id)).status == "completed"
        assert (await there.engine.finished(TENANT, first.id)).status == "completed"


async def test_a_durable_run_that_fails_says_so_in_its_journal(store: str) -> None:
    script = Script(supervisor=[[[Text("Hel")], ModelUnavailable("cut off")], say("Again.")])
    async with house(script, store=store) as here:
        run = await here.ask("Hi", durable=True, conversation="talk")
        assert run.failure
        assert (run.status, run.failure.code) == ("failed", "upstream_error")
        assert await here.get(run.id) == run
        assert names(await here.follow(run.id))[-1] == "RunFailed"
        assert (await here.ask("Hi", conversation="talk")).status == "completed"


async def test_a_durable_run_over_its_time_expires(store: str) -> None:
    script = Script(supervisor=[[Gate()]])
    async with house(script, store=store) as here:
        run = await here.start("Hi", durable=True, timeout=0.02, conversation="talk")
        assert isinstance((await here.follow(run.id))[-1], ev.RunExpired)
        assert script.open == 0
        async with house(Script(supervisor=[say("Next.")]), store=here.storage) as there:
            assert (await there.ask("Next", conversation="talk")).status == "completed"


async def test_a_run_that_waits_expires_when_somebody_looks(monkeypatch: pytest.MonkeyPatch, store: str) -> None:
    script = Script(supervisor=[call(("weather", {})), say("Next.")])
    async with house(script, store=store) as here:
        run = await here.ask("Hi", durable=True, conversation="talk", tools=(WEATHER,))
        monkeypatch.setattr(ev, "now_ms", lambda: run.expires_at + 1)
        assert (await here.get(run.id)).status == "expired"
        with pytest.raises(RunEnded):
            await here.engine.resume(TENANT, run.id, [Output(run.required[0], "rain")])
        assert (await here.ask("Next", conversation="talk", timeout=60)).status == "completed"


async def test_outputs_that_come_too_late_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async with house(Script(supervisor=[call(("weather", {}))])) as here:
        run = await here.ask("Hi", durable=True, tools=(WEATHER,))
        monkeypatch.setattr(ev, "now_ms", lambda: run.expires_at + 1)
        with pytest.raises(RunEnded):
            await here.engine.resume(TENANT, run.id, [Output(run.required[0], "rain")])
        assert (await here.get(run.id)).status == "expired"


async def test_a_store_that_goes_away_in_mid_run_never_tells_an_end_that_is_not_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recovery, "SWEEP_EVERY", 0.01)
    storage = Unsteady()
    gate = Gate()
    script = Script(
        supervisor=[delegate(researcher="a"), say("Done.")], researcher=[[gate, *say("found")], say("found")]
    )
    async with house(script, store=storage) as here:
        run = await here.start("Go", durable=True, conversation="talk")
        hearing = asyncio.create_task(here.follow(run.id))
        await gate.reached.wait()
        storage.away = True
        gate.open.set()
        with pytest.raises(StorageUnavailable):
            await hearing
        storage.away = False
        ended = await here.engine.finished(TENANT, run.id)
        assert (ended.status, ended.fence) == ("completed", 2)
        assert script.agents == ["supervisor", "researcher", "researcher", "supervisor"]


async def test_a_run_that_could_not_be_taken_is_taken_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "SWEEP_EVERY", 0.01)
    storage = Unsteady()
    async with house(Script(supervisor=[say("Hello")]), store=storage) as here:
        storage.refuse(journal_of("RunStarted"))
        run = await here.start("Hi", durable=True)
        assert (await here.engine.finished(TENANT, run.id)).status == "completed"
