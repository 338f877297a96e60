"""What happens to durable runs when their process dies, hangs, or comes back."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, aclosing

import orjson
import pytest

from agents.models.port import Text, Usage
from graph import events as ev
from graph import lease, listing, recovery, runs
from graph.assistants import Assistant, Assistants
from graph.errors import RunEnded
from graph.intake import Output
from graph.journal import Position
from graph.run import Run
from graph.storage.port import Append, Delete, Document, Put, Storage, StorageUnavailable, Write
from graph.watch import Watch
from tests.graph.doubles import Gate, Script, call, delegate, final, say
from tests.graph.house import TENANT, WEATHER, House, every_store, house, names, text_of
from tests.graph.stores import Unsteady

store = every_store


async def test_only_the_agent_that_was_at_work_is_asked_again(store: str) -> None:
    hanging = Gate()
    script = Script(
        supervisor=[delegate("I ask both.", researcher="a", analyst="b")],
        researcher=[say("found")],
        analyst=[[[Text("half")], hanging]],
    )
    async with house(script, store=store) as dead:
        run = await dead.start("Go", durable=True, conversation="talk")
        await hanging.reached.wait()
        await until(dead, run, ev.CallAnswered)
        after = Script(supervisor=[say("Done.")], analyst=[say("worked out")])
        async with house(after, store=dead.storage) as here:
            ended = await here.engine.finished(TENANT, run.id)
            assert ended.answer
            assert (ended.status, ended.answer.text) == ("completed", "Done.")
            assert (ended.fence, ended.attempts) == (2, 1)
            assert after.agents == ["analyst", "supervisor"]
            assert after.asked[-1].talk == [
                ("user", "Go"),
                ("assistant", "I ask both."),
                ("tool", "found"),
                ("tool", "worked out"),
            ]
            assert [text for _, text in await here.log("talk")] == ["Go", "I ask both.", "Done."]
            assert ended.agents_used == ("researcher", "analyst")


async def until(here: House, run: Run, kind: type[ev.Durable]) -> None:
    """Wait until that has happened in a run."""
    async with aclosing(here.engine.follow(TENANT, run.id)) as batches:
        async for batch in batches:
            if any(isinstance(event, kind) for event in batch):
                return


async def test_a_turn_that_was_not_written_is_asked_again(store: str) -> None:
    hanging = Gate()
    async with house(Script(supervisor=[[[Text("Half an ans")], hanging]]), store=store) as dead:
        run = await dead.start("Go", durable=True, conversation="talk")
        await hanging.reached.wait()
        async with house(Script(supervisor=[say("A whole answer.")]), store=dead.storage) as here:
            heard = await here.follow(run.id)
            assert names(heard)[-1] == "RunCompleted"
            assert text_of(heard) == "A whole answer."
            assert await here.log("talk") == [("user", "Go"), ("assistant", "A whole answer.")]


async def test_a_final_writer_writes_again(store: str) -> None:
    hanging = Gate()
    async with house(Script(supervisor=[final()], writer=[[[Text("Once ")], hanging]]), store=store) as dead:
        run = await dead.start("Go", durable=True, conversation="talk")
        await hanging.reached.wait()
        after = Script(writer=[say("Once upon a time.")])
        async with house(after, store=dead.storage) as here:
            ended = await here.engine.finished(TENANT, run.id)
            assert ended.answer
            assert (ended.answer.agent, ended.answer.text) == ("writer", "Once upon a time.")
            assert after.agents == ["writer"]


async def test_a_run_whose_last_turn_was_written_ends_as_it_would_have(store: str) -> None:
    """The owner died between the last turn and the end."""
    hanging = Gate()
    async with house(Script(supervisor=[[hanging, *say("cut", finish="length")]]), store=store) as dead:
        run = await dead.start("Go", durable=True, conversation="talk")
        await hanging.reached.wait()
        message = ev.MessageCompleted("m" * 24, "supervisor", "", "incomplete", "answer")
        turn = ev.TurnCompleted("supervisor", message.message_id, (), "length", "m", Usage(1, 1))
        await dead.storage.commit(TENANT, runs.append(run.id, 1, [message, turn]))
        async with house(Script(), store=dead.storage) as here:
            ended = await here.engine.finished(TENANT, run.id)
            assert (ended.status, ended.incomplete_reason) == ("incomplete", "max_completion_tokens")
            assert here.script.asked == []


async def test_a_zombie_goes_silent_at_its_next_write(store: str) -> None:
    hanging = Gate()
    zombie_script = Script(supervisor=[[hanging, *say("Of the zombie.")]])
    async with house(zombie_script, store=store) as zombie:
        run = await zombie.start("Go", durable=True, conversation="talk")
        hearing = asyncio.create_task(zombie.follow(run.id))
        await hanging.reached.wait()
        async with house(Script(supervisor=[say("Of the heir.")]), store=zombie.storage) as heir:
            assert (await heir.engine.finished(TENANT, run.id)).status == "completed"
            hanging.open.set()
            ended = await zombie.engine.finished(TENANT, run.id)
            assert ended.answer
            assert (ended.status, ended.answer.text, ended.fence) == ("completed", "Of the heir.", 2)
            assert await heir.log("talk") == [("user", "Go"), ("assistant", "Of the heir.")]
            heard = await hearing
            told = [e for e in heard if isinstance(e, ev.MessageCompleted)]
            assert [e.text for e in told] == ["Of the heir."]
            assert [e.fence for e in heard if isinstance(e, ev.RunStarted)] == [1, 2]


async def test_a_zombie_that_is_cancelled_does_not_end_the_run_of_its_heir() -> None:
    gates = [Gate(), Gate()]
    async with house(Script(supervisor=[[gates[0]]])) as zombie:
        run = await zombie.start("Go", durable=True)
        await gates[0].reached.wait()
        async with house(Script(supervisor=[[gates[1], *say("Done.")]]), store=zombie.storage) as heir:
            await gates[1].reached.wait()
            await zombie.engine.cancel(TENANT, run.id)
            gates[1].open.set()
            assert (await heir.engine.finished(TENANT, run.id)).status == "completed"
            assert (await zombie.engine.finished(TENANT, run.id)).status == "completed"


async def test_of_two_that_claim_a_run_at_once_one_wins() -> None:
    storage, hanging = Unsteady(), Gate()
    async with house(Script(supervisor=[[hanging]]), store=storage) as dead:
        run = await dead.start("Go", durable=True)
        await hanging.reached.wait()
        await dead.storage.commit("", Put("owner", await owner_of(storage, run), orjson.dumps({"until": 0}), due=0))
        script = Script(supervisor=[say("Done."), say("Twice.")])
        async with AsyncExitStack() as stack:
            heirs = [stack.enter_async_context(house(script, store=storage, alone=False)) for _ in range(3)]
            ends = [await each.engine.finished(TENANT, run.id) for each in await asyncio.gather(*heirs)]
            assert {end.status for end in ends} == {"completed"}
            assert {end.fence for end in ends} == {2}
            assert len(script.asked) == 1


async def owner_of(storage: Storage, run: Run) -> str:
    document = await storage.get(TENANT, "run", run.id)
    assert document
    owner: str = orjson.loads(document.body)["owner"]
    return owner


async def test_three_takeovers_without_progress_are_a_failure(store: str) -> None:
    gates = [Gate() for _ in range(4)]
    async with house(Script(supervisor=[[gates[0]]]), store=store) as first:
        run = await first.start("Go", durable=True, conversation="talk")
        await gates[0].reached.wait()
        async with house(Script(supervisor=[[gates[1]]]), store=first.storage) as second:
            await gates[1].reached.wait()
            assert (await second.get(run.id)).attempts == 1
            async with house(Script(supervisor=[[gates[2]]]), store=first.storage) as third:
                await gates[2].reached.wait()
                assert (await third.get(run.id)).attempts == 2
                async with house(store=first.storage) as fourth:
                    ended = await fourth.engine.finished(TENANT, run.id)
                    assert ended.failure
                    assert (ended.status, ended.failure.code, ended.fence) == ("failed", "server_error", 4)
                    fourth.script.add(supervisor=[say("Next.")])
                    assert (await fourth.ask("Next", conversation="talk")).status == "completed"


async def test_progress_between_takeovers_counts_from_one_again(store: str) -> None:
    gates = [Gate() for _ in range(3)]
    script = Script(supervisor=[[gates[0]]])
    async with house(script, store=store) as first:
        run = await first.start("Go", durable=True)
        await gates[0].reached.wait()
        progressing = Script(supervisor=[delegate(researcher="a")], researcher=[[gates[1]]])
        async with house(progressing, store=first.storage):
            await gates[1].reached.wait()
            async with house(Script(researcher=[[gates[2]]]), store=first.storage) as third:
                await gates[2].reached.wait()
                assert ((await third.get(run.id)).attempts, (await third.get(run.id)).fence) == (1, 3)
                async with house(Script(researcher=[say("x")], supervisor=[say("Done.")]), store=first.storage) as last:
                    assert (await last.engine.finished(TENANT, run.id)).attempts == 2


async def test_queued_runs_start_after_a_restart(store: str) -> None:
    gate = Gate()
    async with house(Script(supervisor=[[gate]]), store=store, max_concurrent_runs=1) as dead:
        ids = [(await dead.start("Go", durable=True, conversation=f"talk {n}")).id for n in range(3)]
        await gate.reached.wait()
        script = Script(supervisor=[say("a"), say("b"), say("c")])
        async with house(script, store=dead.storage, max_concurrent_runs=1) as here:
            ends = [await here.engine.finished(TENANT, id) for id in ids]
            assert [end.status for end in ends] == ["completed"] * 3
            assert [end.attempts for end in ends] == [1, 0, 0]


async def test_a_run_that_waits_for_its_client_waits_on(store: str) -> None:
    async with house(Script(supervisor=[call(("weather", {}))]), store=store) as dead:
        run = await dead.ask("Weather?", durable=True, conversation="talk", tools=(WEATHER,))
        async with house(Script(supervisor=[say("It rains.")]), store=dead.storage) as here:
            assert (await here.get(run.id)).status == "requires_action"
            assert [type(e).__name__ for e in await here.follow(run.id)][-1] == "ActionRequired"
            await here.engine.resume(TENANT, run.id, [Output(run.required[0], "rain")])
            ended = await here.engine.finished(TENANT, run.id)
            assert (ended.status, ended.attempts, ended.fence) == ("completed", 0, 2)
            assert here.script.asked[0].talk == [("user", "Weather?"), ("assistant", ""), ("tool", "rain")]


async def test_a_run_whose_time_passed_while_nobody_was_there_is_expired(
    store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate()
    script = Script(supervisor=[[gate], call(("weather", {}))])
    async with house(script, store=store) as dead:
        running = await dead.start("Go", durable=True, conversation="a")
        await gate.reached.wait()
        waiting = await dead.ask("Go", durable=True, conversation="b", tools=(WEATHER,))
        monkeypatch.setattr(ev, "now_ms", lambda: waiting.expires_at + 1)
        async with house(Script(supervisor=[say("x"), say("y")]), store=dead.storage) as here:
            for run in (running, waiting):
                assert (await here.engine.finished(TENANT, run.id)).status == "expired"
                with pytest.raises(RunEnded):
                    await here.engine.cancel(TENANT, run.id)
            assert here.script.asked == []
            assert (await here.ask("Next", conversation="a", timeout=60)).status == "completed"
        monkeypatch.undo()


async def test_the_sweep_expires_what_waits(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "SWEEP_EVERY", 0.005)
    async with house(Script(supervisor=[call(("weather", {}))]), store=store) as here:
        run = await here.ask("Go", durable=True, tools=(WEATHER,))
        assert run.status == "requires_action"
        monkeypatch.setattr(ev, "now_ms", lambda: run.expires_at + 1)
        assert await here.storage.wait(TENANT, runs.log_of(run.id), run.journal_length, 60)
        document = await here.storage.get(TENANT, "run", run.id)
        assert document
        assert document.label == "expired"


async def test_the_sweep_takes_over_from_an_owner_whose_lease_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "SWEEP_EVERY", 3600)
    monkeypatch.setattr(recovery, "WATCH", 0.1)
    monkeypatch.setattr(lease, "RENEW_EVERY", 3600)
    monkeypatch.setattr(lease, "DEAD_AFTER", 0.2)
    hanging, storage = Gate(), Unsteady()
    async with house(Script(supervisor=[[hanging]]), store=storage, alone=False) as dead:
        run = await dead.start("Go", durable=True)
        await hanging.reached.wait()
        await dead.engine._recovery.stop()  # who is dead sweeps nothing
        monkeypatch.setattr(recovery, "SWEEP_EVERY", 0.005)
        monkeypatch.setattr(lease, "DEAD_AFTER", 3600)
        async with house(Script(supervisor=[say("Done.")]), store=storage, alone=False) as here:
            ended = await here.engine.finished(TENANT, run.id)
            assert (ended.status, ended.fence, ended.attempts) == ("completed", 2, 1)


async def test_of_those_that_share_a_store_one_keeps_watch_until_it_leaves() -> None:
    storage = Unsteady()
    await storage.open()
    one, other = Watch(storage, "one", 3600), Watch(storage, "other", 3600)
    assert await one.mine()
    assert not await other.mine()
    assert await one.mine()
    await other.leave()
    assert not await other.mine()
    await one.leave()
    assert await other.mine()
    assert await Watch(storage, "other", -1).mine()  # it is over as soon as it has begun
    assert await one.mine()


async def test_a_living_owner_keeps_its_runs() -> None:
    gate, storage = Gate(), Unsteady()
    async with house(Script(supervisor=[[gate, *say("Done.")]]), store=storage, alone=False) as here:
        run = await here.start("Go", durable=True)
        await gate.reached.wait()
        async with house(store=storage, alone=False) as there:
            assert (await there.get(run.id)).status == "in_progress"
            gate.open.set()
            ended = await there.engine.finished(TENANT, run.id)
            assert (ended.status, ended.fence) == ("completed", 1)


async def test_one_run_that_can_not_be_read_does_not_keep_the_others_waiting(caplog: pytest.LogCaptureFixture) -> None:
    storage = Unsteady()
    await storage.open()
    await storage.commit(TENANT, Put("run", "x" * 24, b'{"id": 1}', due=1), Append(runs.log_of("x" * 24), (b"{}",)))
    gate = Gate()
    async with house(Script(supervisor=[[gate]]), store=storage) as dead:
        run = await dead.start("Go", durable=True)
        await gate.reached.wait()
        async with house(Script(supervisor=[say("Done.")]), store=storage) as here:
            assert (await here.engine.finished(TENANT, run.id)).status == "completed"
    assert "can't be read" in caplog.text


async def test_a_store_that_is_away_does_not_end_the_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "SWEEP_EVERY", 0.005)
    storage, gate = Unsteady(), Gate()
    async with house(Script(supervisor=[[gate], say("Done.")]), store=storage) as here:
        run = await here.start("Go", durable=True)
        await gate.reached.wait()
        storage.away = True
        gate.open.set()  # the end of this turn can't be written
        with pytest.raises(StorageUnavailable):
            await here.follow(run.id)
        storage.away = False
        here.script.add(supervisor=[say("Done.")])
        assert (await here.engine.finished(TENANT, run.id)).status == "completed"


class Unread(Unsteady):
    """A store that is away when a run is read for the first time."""

    def __init__(self) -> None:
        super().__init__()
        self.run_id, self.asked = "", asyncio.Event()

    async def get(self, tenant: str, kind: str, id: str) -> Document | None:
        if id == self.run_id and not self.asked.is_set():
            self.asked.set()
            raise StorageUnavailable("the store is away")
        return await super().get(tenant, kind, id)


async def test_a_run_that_could_not_be_read_when_it_was_handed_out_is_handed_out_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Soon, and not when somebody looks for strays."""
    monkeypatch.setattr(recovery, "SWEEP_EVERY", 0.005)
    monkeypatch.setattr(recovery, "STRAYS_EVERY", 10**9)
    storage, gate = Unread(), Gate()
    async with house(Script(supervisor=[[gate]]), store=storage, alone=False, max_concurrent_runs=1) as full:
        await full.start("Go", durable=True, conversation="one")
        await gate.reached.wait()
        run = await full.start("Go", durable=True, conversation="another")
        storage.run_id = run.id
        async with house(Script(supervisor=[say("Done.")] * 2), store=storage) as here, asyncio.timeout(5):
            await storage.asked.wait()
            assert (await here.engine.finished(TENANT, run.id)).status == "completed"


async def test_a_cancel_that_reached_only_the_store_is_kept_by_the_next_owner() -> None:
    hanging, storage = Gate(), Unsteady()
    async with house(Script(supervisor=[[hanging]]), store=storage, alone=False) as dead:
        run = await dead.start("Go", durable=True)
        await hanging.reached.wait()
        document = await storage.get(TENANT, "run", run.id)
        assert document
        body = {**orjson.loads(document.body), "cancel_requested_at": 1}
        await storage.commit(TENANT, Put("run", run.id, orjson.dumps(body), document.parent, due=run.expires_at))
        async with house(store=storage) as here:
            assert (await here.engine.finished(TENANT, run.id)).status == "cancelled"
            assert here.script.asked == []


async def test_a_prompt_that_no_longer_fits_fails_the_run() -> None:
    gate = Gate()
    async with house(Script(supervisor=[[gate]])) as dead:
        run = await dead.start("word " * 50, durable=True)
        await gate.reached.wait()
        async with house(store=dead.storage, max_context_tokens=20) as here:
            ended = await here.engine.finished(TENANT, run.id)
            assert ended.failure
            assert (ended.status, ended.failure.code) == ("failed", "invalid_prompt")


async def test_a_follower_of_a_dead_run_goes_on_with_its_heir(store: str) -> None:
    hanging = Gate()
    script = Script(supervisor=[delegate("I ask.", researcher="a")], researcher=[[hanging]])
    async with house(script, store=store) as dead:
        run = await dead.start("Go", durable=True)
        await hanging.reached.wait()
        seen = await dead.get(run.id)
        after = Script(researcher=[say("x")], supervisor=[say("Done.")])
        async with house(after, store=dead.storage) as here:
            heard = await here.follow(run.id, Position(seen.journal_length))
            assert text_of(heard) == "Done."
            assert names(heard)[0] == "RunStarted"


async def test_the_places_of_what_was_deleted_are_forgotten(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with house(store=store) as first:
        assistants = Assistants(first.storage)
        made = [Assistant(f"made{number}", 0, {}) for number in range(2)]
        for each in made:
            await assistants.create(TENANT, each)
        long_ago = ev.now_ms() - 3_600_001
        monkeypatch.setattr(listing, "now_ms", lambda: long_ago)
        await assistants.delete(TENANT, made[0].id)
        monkeypatch.undo()
        await assistants.delete(TENANT, made[1].id)
        forgotten, commit = asyncio.Event(), first.storage.commit

        async def watched(tenant: str, *writes: Write) -> None:
            await commit(tenant, *writes)
            if Delete("place", f"assistant/{made[0].id}") in writes:
                forgotten.set()

        monkeypatch.setattr(first.storage, "commit", watched)
        async with house(store=first.storage):
            async with asyncio.timeout(10):
                await forgotten.wait()
        assert await assistants.all(TENANT).position(made[0].id) is None
        assert await assistants.all(TENANT).position(made[1].id) is not None
