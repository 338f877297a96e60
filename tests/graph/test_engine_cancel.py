"""Runs that somebody stops: a cancel, the end of their time, the end of the process."""

from __future__ import annotations

import asyncio

import pytest

from agents.models.port import Text
from graph import events as ev
from graph.errors import NotFound, OutputsRefused, RunEnded, ShuttingDown
from graph.intake import Output
from tests.graph.doubles import Gate, Script, call, delegate, final, say
from tests.graph.house import TENANT, WEATHER, every_store, house, names, outputs, text_of
from tests.graph.stores import Unsteady, journal_of

store = every_store


async def test_a_chat_run_is_cancelled_in_the_middle_of_its_answer(store: str) -> None:
    gate = Gate()
    script = Script(supervisor=[say("first"), [[Text("Hel")], gate]])
    async with house(script, store=store) as here:
        await here.ask("One", conversation="talk")
        run = await here.start("Two", conversation="talk", watched=True)
        hearing = asyncio.create_task(here.follow(run.id))
        await gate.reached.wait()
        assert (await here.engine.cancel(TENANT, run.id)).status == "cancelling"
        heard = await hearing
        assert names(heard)[-3:] == ["MessageCompleted", "CancelRequested", "RunCancelled"]
        assert [(e.text, e.status) for e in heard if isinstance(e, ev.MessageCompleted)] == [("Hel", "incomplete")]
        assert script.open == 0
        assert (await here.engine.finished(TENANT, run.id)).status == "cancelled"
        assert [text for _, text in await here.log("talk")] == ["One", "first"]


async def test_a_cancel_before_the_first_step(store: str) -> None:
    async with house(Script(supervisor=[say("never")]), store=store) as here:
        for durable in (False, True):
            run = await here.start("Hi", conversation=f"talk {durable}", durable=durable)
            await here.engine.cancel(TENANT, run.id)
            assert (await here.engine.finished(TENANT, run.id)).status == "cancelled"
            assert [type(e).__name__ for e in await here.follow(run.id)][-1] == "RunCancelled"
        assert here.script.asked == []


async def test_a_cancel_closes_every_parallel_agent(store: str) -> None:
    both = [Gate(), Gate()]
    script = Script(
        supervisor=[delegate(researcher="a", analyst="b")],
        researcher=[[[Text("x")], both[0]]],
        analyst=[[[Text("y")], both[1]]],
    )
    async with house(script, store=store) as here:
        for durable in (False, True):
            script.add(supervisor=[delegate(researcher="a", analyst="b")], researcher=[[both[0]]], analyst=[[both[1]]])
            for gate in both:
                gate.reached.clear()
            run = await here.start("Go", durable=durable)
            for gate in both:
                await gate.reached.wait()
            await here.engine.cancel(TENANT, run.id)
            assert (await here.engine.finished(TENANT, run.id)).status == "cancelled"
            assert script.open == 0


async def test_a_cancel_while_the_final_writer_speaks() -> None:
    gate = Gate()
    script = Script(supervisor=[final()], writer=[[[Text("Once ")], gate]])
    async with house(script) as here:
        run = await here.start("Go", watched=True, conversation="talk")
        await gate.reached.wait()
        await here.engine.cancel(TENANT, run.id)
        heard = await here.follow(run.id)
        assert isinstance(heard[-1], ev.RunCancelled)
        assert await here.log("talk") == []


async def test_a_second_cancel_changes_nothing() -> None:
    gate = Gate()
    async with house(Script(supervisor=[[gate]])) as here:
        run = await here.start("Hi")
        await gate.reached.wait()
        first, second = [await here.engine.cancel(TENANT, run.id) for _ in range(2)]
        assert first.status == second.status == "cancelling"
        assert (await here.engine.finished(TENANT, run.id)).status == "cancelled"
        with pytest.raises(RunEnded):
            await here.engine.cancel(TENANT, run.id)


async def test_a_run_that_has_ended_can_not_be_cancelled(store: str) -> None:
    async with house(Script(supervisor=[say("a"), say("b")]), store=store) as here:
        for durable in (False, True):
            run = await here.ask("Hi", durable=durable)
            with pytest.raises(RunEnded):
                await here.engine.cancel(TENANT, run.id)
            assert (await here.get(run.id)).status == "completed"
        async with house(store=here.storage) as there:
            with pytest.raises(RunEnded):
                await there.engine.cancel(TENANT, run.id)
            with pytest.raises(NotFound):
                await there.engine.cancel(TENANT, "0" * 24)


async def test_a_run_that_waits_for_its_client_is_cancelled_at_once(store: str) -> None:
    script = Script(supervisor=[call(("weather", {})), call(("weather", {})), say("Next."), say("Next.")])
    async with house(script, store=store) as here:
        for durable in (False, True):
            talk = f"talk {durable}"
            run = await here.ask("Weather?", conversation=talk, durable=durable, tools=(WEATHER,))
            assert run.status == "requires_action"
            cancelled = await here.engine.cancel(TENANT, run.id)
            assert (cancelled.status, cancelled.required) == ("cancelled", ())
            assert (await here.get(run.id)).status == "cancelled"
            if durable:
                with pytest.raises(RunEnded):
                    await here.engine.resume(TENANT, run.id, [Output("x", "y")])
        for durable in (False, True):
            assert (await here.ask("Go on", conversation=f"talk {durable}")).status == "completed"


async def test_a_durable_run_keeps_what_it_had_said_when_it_is_cancelled(store: str) -> None:
    gate = Gate()
    script = Script(supervisor=[delegate("I ask.", researcher="a")], researcher=[[gate]])
    async with house(script, store=store) as here:
        run = await here.start("Go", durable=True, conversation="talk")
        await gate.reached.wait()
        await here.engine.cancel(TENANT, run.id)
        assert (await here.engine.finished(TENANT, run.id)).status == "cancelled"
        assert await here.log("talk") == [("user", "Go"), ("assistant", "I ask.")]


async def test_a_queued_run_is_cancelled_without_a_step() -> None:
    gate = Gate()
    script = Script(supervisor=[[gate, *say("one")], say("never")])
    async with house(script, max_concurrent_runs=1) as here:
        first = await here.start("One", durable=True, conversation="a")
        await gate.reached.wait()
        second = await here.start("Two", durable=True, conversation="b")
        hearing = asyncio.create_task(here.follow(second.id))
        assert (await here.engine.cancel(TENANT, second.id)).status == "cancelled"
        assert names(await hearing)[-1] == "RunCancelled"
        assert (await here.get(second.id)).status == "cancelled"
        gate.open.set()
        assert (await here.engine.finished(TENANT, first.id)).status == "completed"
        assert len(script.asked) == 1


async def test_a_cancel_while_a_step_is_being_written_loses_nothing() -> None:
    storage = Unsteady()
    script = Script(supervisor=[delegate("I ask.", researcher="a")], researcher=[say("found")])
    async with house(script, store=storage) as here:
        gate = storage.hold(journal_of("TurnCompleted"))
        run = await here.start("Go", durable=True, conversation="talk")
        await gate.reached.wait()
        await here.engine.cancel(TENANT, run.id)
        for _ in range(20):  # the run's end is on its way, and has to wait for this write
            await asyncio.sleep(0)
        gate.open.set()
        run = await here.engine.finished(TENANT, run.id)
        assert run.status == "cancelled"
        assert (await here.get(run.id)).status == "cancelled"
        assert [type(item).__name__ for item in run.items] == ["Message", "Call", "Turn"]
        assert await here.log("talk") == [("user", "Go"), ("assistant", "I ask.")]


async def test_a_cancel_that_was_accepted_outlives_its_process() -> None:
    storage, gate = Unsteady(), Gate()
    script = Script(supervisor=[[[Text("Hel")], gate], say("never")])
    async with house(script, store=storage) as here:
        run = await here.start("Hi", durable=True)
        await gate.reached.wait()
        storage.refuse(journal_of("RunCancelled"))  # the process dies before it can write this
        assert (await here.engine.cancel(TENANT, run.id)).status == "cancelling"
    async with house(script, store=storage) as there:
        assert (await there.engine.finished(TENANT, run.id)).status == "cancelled"
        assert len(script.asked) == 1


async def test_a_cancel_while_outputs_are_being_taken() -> None:
    storage = Unsteady()
    script = Script(supervisor=[call(("weather", {})), say("never")])
    async with house(script, store=storage) as here:
        run = await here.pause(durable=True)
        gate = storage.hold(journal_of("CallAnswered"))
        resuming = asyncio.create_task(here.engine.resume(TENANT, run.id, [Output(run.required[0], "sun")]))
        await gate.reached.wait()
        async with asyncio.timeout(10):
            assert (await here.engine.cancel(TENANT, run.id)).status == "cancelling"
        gate.open.set()
        await resuming
        assert (await here.engine.finished(TENANT, run.id)).status == "cancelled"
        assert len(script.asked) == 1


async def test_a_cancel_while_a_pause_is_being_written() -> None:
    storage = Unsteady()
    script = Script(supervisor=[call(("weather", {})), say("never")])
    async with house(script, store=storage) as here:
        gate = storage.hold(journal_of("ActionRequired"))
        run = await here.start("Weather?", durable=True, tools=(WEATHER,))
        await gate.reached.wait()
        await here.engine.cancel(TENANT, run.id)
        gate.open.set()
        assert (await here.engine.finished(TENANT, run.id)).status == "cancelled"
        assert (await here.get(run.id)).status == "cancelled"


async def test_outputs_that_are_being_taken_are_refused_at_once() -> None:
    storage, speaking = Unsteady(), Gate()
    script = Script(supervisor=[call(("weather", {})), [speaking, *say("Sunny.")]])
    async with house(script, store=storage) as here:
        run = await here.pause(durable=True)
        given = [Output(run.required[0], "sun")]
        gate = storage.hold(journal_of("CallAnswered"))
        resuming = asyncio.create_task(here.engine.resume(TENANT, run.id, given))
        await gate.reached.wait()
        again = asyncio.create_task(here.engine.resume(TENANT, run.id, given))
        await asyncio.sleep(0)
        gate.open.set()
        await resuming
        async with asyncio.timeout(10):
            with pytest.raises(OutputsRefused):
                await again
            await speaking.reached.wait()
        speaking.open.set()
        assert (await here.engine.finished(TENANT, run.id)).status == "completed"


async def test_a_run_in_another_process_is_cancelled_there(store: str) -> None:
    gate = Gate()
    script = Script(supervisor=[[[Text("Hel")], gate]])
    async with house(script, store=store, alone=False) as here, house(store=here.storage, alone=False) as there:
        run = await here.start("Hi", durable=True)
        await gate.reached.wait()
        assert (await there.engine.cancel(TENANT, run.id)).status == "cancelling"
        assert (await here.engine.finished(TENANT, run.id)).status == "cancelled"
        assert (await there.engine.finished(TENANT, run.id)).status == "cancelled"
        assert script.open == 0


async def test_the_end_of_a_drain_cuts_chat_runs_that_are_still_at_work(store: str) -> None:
    gate = Gate()
    script = Script(supervisor=[[[Text("Hel")], gate]])
    async with house(script, store=store) as here:
        run = await here.start("Hi", conversation="talk", watched=True)
        await gate.reached.wait()
        await here.engine.drain(0)
        heard = await here.follow(run.id)
        assert isinstance(heard[-1], ev.RunFailed)
        assert heard[-1].code == "shutting_down"
        assert await here.log("talk") == []


async def test_a_drain_lets_chat_runs_end(store: str) -> None:
    gate = Gate()
    script = Script(supervisor=[[[Text("Hel")], gate, *say("lo")]])
    async with house(script, store=store) as here:
        run = await here.start("Hi", conversation="talk", watched=True)
        await gate.reached.wait()
        draining = asyncio.create_task(here.engine.drain(600))
        await asyncio.sleep(0)
        for durable in (False, True):
            with pytest.raises(ShuttingDown):
                await here.start("Me too", durable=durable)
        gate.open.set()
        await draining
        assert text_of(await here.follow(run.id)) == "Hello"
        assert await here.log("talk") == [("user", "Hi"), ("assistant", "Hello")]


async def test_a_drain_hands_durable_runs_over_without_an_attempt(store: str) -> None:
    gate = Gate()
    script = Script(
        supervisor=[delegate(researcher="a", analyst="b"), say("Done.")],
        researcher=[say("found")],
        analyst=[[gate], say("worked out")],
    )
    async with house(script, store=store, max_concurrent_runs=1) as here:
        run = await here.start("Go", durable=True, conversation="a")
        waiting = await here.start("Go", durable=True, conversation="b")
        hearing = [asyncio.create_task(here.follow(each.id)) for each in (run, waiting)]
        await gate.reached.wait()
        script.add(supervisor=[say("Second.")])
        await here.engine.drain(600)
        await here.engine.close()
        told = [await each for each in hearing]
        assert not any(isinstance(e, ev.RunFailed | ev.RunCompleted) for heard in told for e in heard)
        assert script.open == 0
        async with house(script, store=here.storage) as there:
            ended = await there.engine.finished(TENANT, run.id)
            assert (ended.status, ended.fence, ended.attempts) == ("completed", 2, 0)
            assert (await there.engine.finished(TENANT, waiting.id)).status == "completed"
            assert len(script.asked_of("researcher")) == 1
            assert len(script.asked_of("analyst")) == 2


async def test_a_hand_over_does_not_take_the_run_from_its_next_owner() -> None:
    gate = Gate()
    script = Script(supervisor=[[gate], [gate, *say("Done.")]])
    async with house(script) as here:
        run = await here.start("Go", durable=True)
        await gate.reached.wait()
        gate.reached.clear()
        async with house(script, store=here.storage) as there:  # alone: whoever owned it is dead
            await gate.reached.wait()
            owner = (await there.get(run.id)).owner
            await here.engine.drain(0)
            assert (await there.get(run.id)).owner == owner
            gate.open.set()
            assert (await there.engine.finished(TENANT, run.id)).status == "completed"


async def test_outputs_for_a_chat_run_after_a_restart() -> None:
    script = Script(supervisor=[call(("weather", {})), say("It rains.")])
    async with house(script) as here:
        first = await here.ask("Weather?", tools=(WEATHER,))
        await here.engine.drain(0)
        async with house(script, store=here.storage) as there:
            assert (await there.ask(outputs(first, "rain"), tools=(WEATHER,))).status == "completed"
