"""A run that one process carries, followed in another one: live, in order, nothing twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from agents.models.port import Text
from graph import broadcast, channel, lease, mirror, recovery
from graph import events as ev
from graph.channel import Channel, Said, decode, encode, forget_channels
from graph.errors import ShuttingDown
from graph.intake import Output
from graph.journal import Position
from graph.storage.port import Append, Storage, Write
from tests.graph.doubles import Gate, Script, call, delegate, final, say
from tests.graph.house import TENANT, WEATHER, House, every_store, house, names, text_of
from tests.graph.stores import Unsteady

store = every_store
EVER = 2**62


class Reader:
    """Somebody who follows a run, and what was heard so far."""

    def __init__(self, where: House, run_id: str, after: Position | None = None) -> None:
        self.heard: list[ev.Event] = []
        self._more = asyncio.Event()
        self._task = asyncio.create_task(self._read(where, run_id, after))

    async def until(self, text: str) -> None:
        """Wait until this was said."""
        async with asyncio.timeout(30):
            while text not in text_of(self.heard) and not self._task.done():
                self._more.clear()
                await self._more.wait()
        assert text in text_of(self.heard), names(self.heard)

    async def over(self) -> list[ev.Event]:
        """Everything, when there is nothing more."""
        async with asyncio.timeout(30):
            await self._task
        return self.heard

    async def leave(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _read(self, where: House, run_id: str, after: Position | None) -> None:
        try:
            async for batch in where.engine.follow(TENANT, run_id, after):
                self.heard += batch
                self._more.set()
        finally:
            self._more.set()


@asynccontextmanager
async def two(script: Script, store: str | Storage = "memory://") -> AsyncIterator[tuple[House, House]]:
    """Two processes over one store. The first one's models play the script."""
    async with house(script, store=store, alone=False) as here, house(store=here.storage, alone=False) as there:
        yield here, there


def merged(heard: list[ev.Event]) -> list[ev.Event]:
    """With the deltas of one part as one."""
    return list(decode(encode(Said(tuple(heard)))).events)


def of_channels(write: Write) -> bool:
    return isinstance(write, Append) and write.log.startswith("channel/")


async def test_deltas_are_heard_while_they_are_told_elsewhere(store: str) -> None:
    one, two_ = Gate(), Gate()
    script = Script(supervisor=[[[Text("Hello ")], one, [Text("dear ")], two_, *say("you")]])
    async with two(script, store) as (here, there):
        run = await here.start("Hi", durable=True)
        await one.reached.wait()
        reader = Reader(there, run.id)
        await reader.until("Hello ")
        one.open.set()
        await reader.until("Hello dear ")
        assert not any(isinstance(event, ev.MessageCompleted) for event in reader.heard)
        two_.open.set()
        heard = await reader.over()
        assert text_of(heard) == "Hello dear you"
        assert merged(heard) == merged(await here.follow(run.id))
        assert await here.storage.due(channel.KIND, EVER) == [], "nothing is left of the channel"


async def test_every_place_of_a_stream_can_be_taken_up_elsewhere(store: str) -> None:
    gate = Gate()
    script = Script(
        supervisor=[delegate("I ask.", researcher="a"), [[Text("It is ")], gate, *say("blue.")]],
        researcher=[say("blue")],
    )
    async with two(script, store) as (here, there):
        run = await here.start("Go", durable=True)
        await gate.reached.wait()
        length = len(await here.engine.journal(TENANT, run.id))
        places = [Position(length, told) for told in range(8)] + [Position(n, 0) for n in range(length)]
        readers = [Reader(there, run.id, place) for place in places]
        local = [Reader(here, run.id, place) for place in places]
        await readers[0].until("It is ")
        gate.open.set()
        for far, near in zip(readers, local, strict=True):
            assert merged(await far.over()) == merged(await near.over())


async def test_many_readers_share_a_channel() -> None:
    gate, storage = Gate(), Unsteady()
    async with two(Script(supervisor=[[[Text("Hel")], gate, *say("lo")]]), storage) as (here, there):
        run = await here.start("Hi", durable=True)
        await gate.reached.wait()
        readers = [Reader(there, run.id) for _ in range(5)]
        for reader in readers:
            await reader.until("Hel")
        assert len(await storage.due(channel.KIND, EVER)) == 1
        await readers[0].leave()
        gate.open.set()
        for reader in readers[1:]:
            assert text_of(await reader.over()) == "Hello"


async def test_the_writers_text_and_calls_of_the_client_are_told_live() -> None:
    gate, asked = Gate(), Gate()
    script = Script(
        supervisor=[final(), [*call(("weather", {"place": "Rome"}), words="Let me see.")[:2], asked, *say()]],
        writer=[[[Text("Roses ")], gate, *say("are red")]],
    )
    async with two(script, Unsteady()) as (here, there):
        run = await here.start("Write", durable=True, tools=(WEATHER,))
        near, far = Reader(here, run.id), Reader(there, run.id)
        await far.until("Roses ")
        gate.open.set()
        assert merged(await far.over()) == merged(await near.over())
        run = await here.start("Weather?", durable=True, tools=(WEATHER,))
        near, far = Reader(here, run.id), Reader(there, run.id)
        await far.until("Let me see.")
        asked.open.set()
        assert merged(await far.over()) == merged(await near.over())
        assert isinstance(far.heard[-1], ev.ActionRequired)


async def test_who_follows_a_run_that_waits_for_its_start_hears_its_first_word() -> None:
    busy, gate = Gate(), Gate()
    script = Script(supervisor=[[busy, *say("First.")], [[Text("Hel")], gate, *say("lo")]])
    one_at_a_time = house(script, store=(storage := Unsteady()), alone=False, max_concurrent_runs=1)
    async with one_at_a_time as here, house(store=storage, alone=False) as there:
        await here.start("First", durable=True)
        await busy.reached.wait()
        run = await here.start("Second", durable=True)
        reader = Reader(there, run.id)
        await asyncio.sleep(0)
        busy.open.set()
        await reader.until("Hel")
        gate.open.set()
        assert text_of(await reader.over()) == "Hello"


async def test_nothing_is_written_where_nobody_follows_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    gate, storage = Gate(), Unsteady()
    commits = count(monkeypatch, storage)
    async with two(Script(supervisor=[[[Text("Hel")], gate, *say("lo")]]), storage) as (here, _):
        run = await here.start("Hi", durable=True)
        reader = Reader(here, run.id)
        gate.open.set()
        await reader.over()
        assert not any(map(of_channels, commits))
        assert not any(isinstance(write, Append) and write.log.startswith("owner/") for write in commits)


async def test_deltas_travel_in_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broadcast, "WINDOW", 3600)  # what follows the first one waits for the end of the text
    gate, storage = Gate(), Unsteady()
    commits = count(monkeypatch, storage)
    words = [f"{n} " for n in range(50)]
    async with two(Script(supervisor=[[[Text("Hello ")], gate, *say(*words)]]), storage) as (here, there):
        run = await here.start("Hi", durable=True)
        await gate.reached.wait()
        reader = Reader(there, run.id)
        await reader.until("Hello ")
        gate.open.set()
        assert text_of(await reader.over()) == "Hello " + "".join(words)
        assert len([write for write in commits if of_channels(write)]) <= 4


async def test_an_answer_of_the_store_that_is_lost_doubles_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broadcast, "AGAIN", 0.001)
    gate, storage = Gate(), Unsteady()
    async with two(Script(supervisor=[[[Text("Hel")], gate, *say("lo")]]), storage) as (here, there):
        run = await here.start("Hi", durable=True)
        await gate.reached.wait()
        storage.lose(of_channels)
        reader = Reader(there, run.id)
        await reader.until("Hel")
        storage.lose(of_channels)
        storage.refuse(of_channels)
        gate.open.set()
        assert text_of(await reader.over()) == "Hello"
        assert merged(reader.heard) == merged(await here.follow(run.id))


async def test_the_journal_may_know_more_than_the_owner_has_told() -> None:
    """The owner's commit stands, and its answer is on its way: who comes now hears what was told before and after."""
    asked, storage = Gate(), Unsteady()
    script = Script(
        supervisor=[delegate("I ask.", researcher="a"), [[Text("It ")], asked, *say("is blue.")]], researcher=[say("b")]
    )
    async with two(script, storage) as (here, there):
        held = storage.hold(lambda write: isinstance(write, Append) and b"TurnCompleted" in b"".join(write.entries))
        run = await here.start("Go", durable=True)
        await held.reached.wait()
        reader = Reader(there, run.id)
        await reader.until("I ask.")
        held.open.set()
        await reader.until("It ")
        asked.open.set()
        assert merged(await reader.over()) == merged(await here.follow(run.id))


async def test_a_reader_goes_on_with_who_takes_the_run_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "SWEEP_EVERY", 0.01)
    monkeypatch.setattr(mirror, "TICK", 0.01)
    monkeypatch.setattr(lease, "RENEW_EVERY", 3600)
    monkeypatch.setattr(lease, "DEAD_AFTER", 0.3)
    hanging, gate, storage = Gate(), Gate(), Unsteady()
    async with house(Script(supervisor=[[[Text("Half")], hanging]]), store=storage, alone=False) as dead:
        run = await dead.start("Go", durable=True)
        await hanging.reached.wait()
        await dead.engine._recovery.stop()  # who is dead sweeps nothing
        monkeypatch.setattr(lease, "DEAD_AFTER", 3600)
        async with house(store=storage, alone=False) as there:
            await there.engine._recovery.stop()  # this one follows, and takes nothing up
            reader = Reader(there, run.id)
            await reader.until("Half")
            script = Script(supervisor=[[[Text("Whole ")], gate, *say("text")]])
            async with house(script, store=storage, alone=False) as heir:
                await reader.until("Whole ")
                gate.open.set()
                heard = await reader.over()
                assert text_of(heard) == "HalfWhole text"
                assert [event.fence for event in heard if isinstance(event, ev.RunStarted)] == [1, 2]
                assert heard[-1] == (await heir.engine.journal(TENANT, run.id))[-1]


async def test_a_reader_goes_on_with_who_is_handed_the_run() -> None:
    hanging, gate, storage = Gate(), Gate(), Unsteady()
    async with house(store=storage, alone=False) as there:
        await there.engine._recovery.stop()  # this one follows, and takes nothing up
        async with house(Script(supervisor=[[[Text("Half")], hanging]]), store=storage, alone=False) as leaving:
            run = await leaving.start("Go", durable=True)
            await hanging.reached.wait()
            reader = Reader(there, run.id)
            await reader.until("Half")
        script = Script(supervisor=[[[Text("Whole ")], gate, *say("text")]])
        async with house(script, store=storage, alone=False):
            await reader.until("Whole ")
            gate.open.set()
            assert text_of(await reader.over()) == "HalfWhole text"


async def test_a_reader_goes_on_when_the_run_is_taken_up_beside_it(store: str) -> None:
    script = Script(supervisor=[call(("weather", {})), say("It rains.")])
    async with house(script, store=store, alone=False) as here, house(script, store=here.storage, alone=False) as there:
        run = await here.start("Weather?", durable=True, tools=(WEATHER,))
        first = await Reader(there, run.id).over()
        asked = first[-1]
        assert isinstance(asked, ev.ActionRequired)
        before = await there.engine.resume(TENANT, run.id, [Output(asked.call_ids[0], "rain")])
        after = Position(before.journal_length)
        near, far = Reader(there, run.id, after), Reader(here, run.id, after)
        assert merged(await near.over()) == merged(await far.over())
        assert text_of(near.heard) == "It rains."


async def test_a_run_that_is_followed_and_cancelled_from_elsewhere() -> None:
    gate, storage = Gate(), Unsteady()
    script = Script(supervisor=[[[Text("Hel")], gate]])
    async with two(script, storage) as (here, there):
        run = await here.start("Hi", durable=True)
        reader = Reader(there, run.id)
        await reader.until("Hel")
        assert (await there.engine.cancel(TENANT, run.id)).status == "cancelling"
        heard = await reader.over()
        assert names(heard)[-3:] == ["MessageCompleted", "CancelRequested", "RunCancelled"]
        assert (await there.engine.finished(TENANT, run.id)).status == "cancelled"
        assert script.open == 0


async def test_a_process_that_stops_tells_its_readers_no_more() -> None:
    gate, storage = Gate(), Unsteady()
    async with two(Script(supervisor=[[[Text("Hel")], gate, *say("lo")]]), storage) as (here, there):
        run = await here.start("Hi", durable=True)
        reader = Reader(there, run.id)
        await reader.until("Hel")
        await there.engine.drain(0)
        assert text_of(await reader.over()) == "Hel"
        with pytest.raises(ShuttingDown):
            await Reader(there, run.id).over()
        gate.open.set()
        assert (await here.engine.finished(TENANT, run.id)).status == "completed"


async def test_who_leaves_is_told_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    gate, storage = Gate(), Unsteady()
    commits = count(monkeypatch, storage)
    async with two(Script(supervisor=[[[Text("Hel")], gate, *say("lo")]]), storage) as (here, there):
        run = await here.start("Hi", durable=True)
        reader = Reader(there, run.id)
        await reader.until("Hel")
        await reader.leave()
        await asyncio.wait(list(here.engine._broadcasts._speaking.values()))
        said = len([write for write in commits if of_channels(write)])
        gate.open.set()
        await here.engine.finished(TENANT, run.id)
        assert len([write for write in commits if of_channels(write)]) == said


async def test_an_owner_stops_when_a_listener_has_died(monkeypatch: pytest.MonkeyPatch) -> None:
    gate, storage = Gate(), Unsteady()
    async with two(Script(supervisor=[[[Text("Hel")], gate, *say("lo")]]), storage) as (here, there):
        run = await here.start("Hi", durable=True)
        reader = Reader(there, run.id)
        await reader.until("Hel")
        [(_, id)] = await storage.due(channel.KIND, EVER)
        later = ev.now_ms() + int((channel.INTEREST + 1) * 1000)
        monkeypatch.setattr(ev, "now_ms", lambda: later)
        spoken = len(await storage.read(TENANT, f"channel/{id}"))
        gate.open.set()
        await here.engine.finished(TENANT, run.id)
        assert len(await storage.read(TENANT, f"channel/{id}")) == spoken
        await forget_channels(storage)
        assert await storage.due(channel.KIND, EVER) != [], "it may be left for a while"
        monkeypatch.setattr(ev, "now_ms", lambda: later + 301_000)
        await forget_channels(storage)
        assert await storage.due(channel.KIND, EVER) == []
        assert await storage.read(TENANT, f"channel/{id}") == []
        await reader.leave()


async def test_a_listener_is_told_at_once_that_a_run_is_carried_here_no_more() -> None:
    storage = Unsteady()
    async with two(Script(supervisor=[say("Hello")]), storage) as (here, _):
        run = await here.ask("Hi", durable=True)
        ear = Channel(storage, TENANT)
        await ear.listen(300)
        await lease.Lease(storage).notify(here.engine.lease.owner, lease.Follow(TENANT, run.id, ear.id))
        [said] = await ear.hear(30)
        assert said.over


def count(monkeypatch: pytest.MonkeyPatch, storage: Unsteady) -> list[Write]:
    """Everything that is written from now on."""
    writes: list[Write] = []
    commit = storage.commit

    async def counted(tenant: str, *each: Write) -> None:
        writes.extend(each)
        await commit(tenant, *each)

    monkeypatch.setattr(storage, "commit", counted)
    return writes
