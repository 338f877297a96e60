"""One request, several runs side by side: the first joins the conversation, and they stand or fall together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from agents.models.port import Message, ModelRateLimited, ModelUnavailable, Text, Usage
from graph.errors import InvalidRequest, NotFound, OutputsRefused, Overloaded
from graph.journal import Position
from graph.run import Run
from graph.storage.port import Put
from tests.graph.doubles import OSLO, ROME, Gate, Reply, Script, call, delegate, final, say
from tests.graph.house import TENANT, WEATHER, House, asking, every_store, house, outputs, request, text_of
from tests.graph.stores import Unsteady

store = every_store


async def start(here: House, said: str | Sequence[Message], count: int, **fields: Any) -> tuple[Run, ...]:
    return await here.engine.start_many(request(said, **fields), count)


async def finished(here: House, runs: Sequence[Run]) -> list[Run]:
    return await asyncio.gather(*(here.engine.finished(TENANT, run.id) for run in runs))


async def ask(here: House, said: str | Sequence[Message], count: int, **fields: Any) -> list[Run]:
    return await finished(here, await start(here, said, count, **fields))


def texts(runs: Sequence[Run]) -> list[str]:
    return [run.answer.text if run.answer else "" for run in runs]


async def test_they_work_at_the_same_time_and_the_first_joins_the_conversation(store: str) -> None:
    together = asyncio.Barrier(3)
    script = Script(supervisor=[[together, *say(text)] for text in ("one", "two", "three")] + [say("Yes.")])
    async with house(script, store=store) as here:
        runs = await ask(here, "Count", 3, conversation="talk")
        assert sorted(texts(runs)) == ["one", "three", "two"]
        assert {run.status for run in runs} == {"completed"}
        assert len({run.id for run in runs}) == 3
        assert len({run.conversation_id for run in runs}) == 1
        assert await here.log("talk") == [("user", "Count"), ("assistant", texts(runs)[0])]
        kept, *others = runs
        assert await here.storage.get(TENANT, "run", kept.id)
        assert not await here.storage.get_many(TENANT, "run", [run.id for run in others])
        await here.ask("Sure?", conversation="talk")
        assert script.asked[-1].talk[1:] == [("assistant", texts(runs)[0]), ("user", "Sure?")]


async def test_the_first_waits_for_the_others_before_it_is_written() -> None:
    gate = Gate()
    script = Script(supervisor=[say("one"), [gate, *say("two")]])
    async with house(script) as here:
        first, second = await start(here, "Count", 2, conversation="talk")
        await gate.reached.wait()
        for _ in range(20):
            await asyncio.sleep(0)
        assert (await here.get(first.id)).status == "in_progress"
        assert await here.log("talk") == []
        gate.open.set()
        assert texts(await finished(here, (first, second))) == ["one", "two"]
        assert await here.log("talk") == [("user", "Count"), ("assistant", "one")]


async def test_each_has_a_team_of_its_own() -> None:
    both = asyncio.Barrier(2)
    script = Script(
        supervisor=[[both, *delegate(researcher="a")], [both, *final()], say("Done.")],
        researcher=[say("found")],
        writer=[say("A text.")],
    )
    async with house(script) as here:
        first, second = await ask(here, "Go", 2)
        assert texts([first, second]) == ["Done.", "A text."]
        assert (first.agents_used, second.agents_used) == (("researcher",), ("writer",))
        assert second.usage_by_agent == {"supervisor": Usage(10, 5), "writer": Usage(10, 5)}


async def test_limits_hold_for_each() -> None:
    script = Script(supervisor=[say("one STOP two"), say("never stops")])
    async with house(script) as here:
        runs = await ask(here, "Go", 2, stop=("STOP",))
        assert texts(runs) == ["one ", "never stops"]


@pytest.mark.parametrize(("seed", "sent"), [(7, [7, 8, 9]), (2**63 - 1, [2**63 - 1, 2**63 - 2, 2**63 - 3])])
async def test_a_seed_is_another_one_for_each(seed: int, sent: list[int]) -> None:
    script = Script(supervisor=[say("a"), say("b"), say("c")])
    async with house(script) as here:
        await ask(here, "Go", 3, seed=seed)
        assert sorted(each.params.seed or 0 for each in script.asked) == sorted(sent)


@pytest.mark.parametrize("failing", [0, 1, 2])
async def test_one_that_fails_ends_all_for_the_same_reason(store: str, failing: int) -> None:
    gates = [Gate(), Gate(), Gate()]
    replies: list[Reply] = [[[Text("half")], gate, *say("rest")] for gate in gates]
    replies[failing] = [gates[failing], ModelRateLimited("Too fast.", retry_after=7)]
    script = Script(supervisor=replies)
    async with house(script, store=store) as here:
        runs = await start(here, "Go", 3, conversation="talk", watched=True)
        for gate in gates:
            await gate.reached.wait()
        gates[failing].open.set()
        ended = await finished(here, runs)
        assert {run.status for run in ended} == {"failed"}
        assert {run.failure and run.failure.code for run in ended} == {"rate_limit_exceeded"}
        assert script.open == 0
        assert await here.log("talk") == []
        with pytest.raises(NotFound):
            await here.engine.resume(TENANT, runs[0].id, [])


async def test_one_that_fails_late_leaves_nothing_of_the_first() -> None:
    gate = Gate()
    script = Script(supervisor=[say("one"), [gate, ModelUnavailable("It is away.")], say("Yes.")])
    async with house(script) as here:
        runs = await start(here, "Go", 2, conversation="talk")
        await gate.reached.wait()
        gate.open.set()
        assert [run.status for run in await finished(here, runs)] == ["failed", "failed"]
        assert await here.log("talk") == []


async def test_a_first_that_can_not_be_written_fails_alone_but_nothing_is_left() -> None:
    stored = Unsteady()
    script = Script(supervisor=[say("one"), say("two")])
    async with house(script, store=stored) as here:
        stored.refuse(lambda write: isinstance(write, Put) and write.kind == "run")
        first, second = await ask(here, "Go", 2, conversation="talk")
        assert (first.status, first.failure and first.failure.code) == ("failed", "storage_unavailable")
        assert second.status == "completed"
        assert await here.log("talk") == []


@pytest.mark.parametrize("cancelled", [0, 1])
async def test_who_cancels_one_cancels_all(cancelled: int) -> None:
    gates = [Gate(), Gate(), Gate()]
    script = Script(supervisor=[[gate, *say("never")] for gate in gates])
    async with house(script) as here:
        runs = await start(here, "Go", 3, conversation="talk")
        for gate in gates:
            await gate.reached.wait()
        await here.engine.cancel(TENANT, runs[cancelled].id)
        assert [run.status for run in await finished(here, runs)] == ["cancelled"] * 3
        assert script.open == 0
        assert await here.log("talk") == []


async def test_one_that_waits_for_the_others_can_be_cancelled() -> None:
    gate = Gate()
    script = Script(supervisor=[say("one"), [gate, *say("never")]])
    async with house(script) as here:
        runs = await start(here, "Go", 2, conversation="talk")
        await gate.reached.wait()
        await here.engine.cancel(TENANT, runs[0].id)
        assert [run.status for run in await finished(here, runs)] == ["cancelled", "cancelled"]
        assert await here.log("talk") == []


async def test_their_time_is_over_for_all() -> None:
    script = Script(supervisor=[say("one"), [Gate(), *say("never")]])
    async with house(script) as here:
        runs = await ask(here, "Go", 2, conversation="talk", timeout=0.05)
        assert [run.status for run in runs] == ["expired", "expired"]
        assert await here.log("talk") == []


async def test_a_server_that_shuts_down_ends_all() -> None:
    gate = Gate()
    script = Script(supervisor=[say("one"), [gate, *say("never")]])
    async with house(script) as here:
        runs = await start(here, "Go", 2)
        await gate.reached.wait()
        await here.engine.drain(0)
        ended = await finished(here, runs)
        assert {run.failure and run.failure.code for run in ended} == {"shutting_down"}


async def test_all_start_or_none() -> None:
    gate = Gate()
    script = Script(supervisor=[[gate, *say("one")], say("two"), say("three"), say("four")])
    async with house(script, max_concurrent_runs=3) as here:
        busy = await here.start("Hi")
        await gate.reached.wait()
        with pytest.raises(Overloaded):
            await start(here, "Go", 3)
        assert (here.engine.running, len(script.asked)) == (1, 1)
        gate.open.set()
        await finished(here, [busy])
        assert len(await ask(here, "Go", 3)) == 3
        assert here.engine.running == 0


async def test_more_than_ever_fit_are_no_use_to_try_again() -> None:
    async with house(max_concurrent_runs=3) as here:
        with pytest.raises(InvalidRequest) as refused:
            await start(here, "Go", 4)
        assert (refused.value.param, refused.value.code) == ("n", "integer_above_max_value")


async def test_calls_of_each_have_ids_of_their_own_and_the_first_is_resumed() -> None:
    script = Script(supervisor=[call(ROME), call(OSLO), say("Sunny.")])
    async with house(script) as here:
        first, second = await ask(here, "Weather?", 2, conversation="talk", tools=(WEATHER,))
        assert [run.status for run in (first, second)] == ["requires_action"] * 2
        assert first.required != second.required
        done = await here.ask(outputs(first, "sun"), conversation="talk")
        assert (done.id, texts([done])) == (first.id, ["Sunny."])
        assert await here.log("talk") == [
            ("user", "Weather?"),
            ("assistant", ' weather({"place":"Rome"})'),
            ("tool", "sun"),
            ("assistant", "Sunny."),
        ]


async def test_calls_of_another_one_are_answered_by_the_clients_list(store: str) -> None:
    script = Script(supervisor=[call(ROME), call(OSLO), say("Snow.")])
    async with house(script, store=store) as here:
        first, second = await ask(here, "Weather?", 2, conversation="talk", tools=(WEATHER,))
        with pytest.raises(OutputsRefused):
            await here.ask(outputs(second, "snow"), conversation="talk")
        sent = [Message("user", "Weather?"), asking(second), *outputs(second, "snow")]
        done = await here.ask(sent, conversation="talk", tools=(WEATHER,))
        assert texts([done]) == ["Snow."]
        assert script.asked[-1].talk == [("user", "Weather?"), ("assistant", ""), ("tool", "snow")]
        assert await here.log("talk") == [
            ("user", "Weather?"),
            ("assistant", ' weather({"place":"Oslo"})'),
            ("tool", "snow"),
            ("assistant", "Snow."),
        ]
        assert (await here.get(first.id)).status == "cancelled"


async def test_words_of_another_one_become_the_branch() -> None:
    script = Script(supervisor=[say("one"), say("two"), say("three")])
    async with house(script) as here:
        await ask(here, "Count", 2, conversation="talk")
        await here.ask(
            [Message("user", "Count"), Message("assistant", "two"), Message("user", "Go on")], conversation="talk"
        )
        assert [text for _, text in await here.log("talk")] == ["Count", "two", "Go on", "three"]


async def test_outputs_may_be_answered_many_times_too() -> None:
    script = Script(supervisor=[call(ROME), say("Sunny."), call(OSLO), say("And Oslo?")])
    async with house(script) as here:
        waiting = await here.pause()
        runs = await ask(here, outputs(waiting, "sun"), 3, conversation="talk")
        assert [run.status for run in runs] == ["completed", "requires_action", "completed"]
        assert texts(runs) == ["Sunny.", "", "And Oslo?"]
        assert runs[0].id == waiting.id
        assert [asked.talk[-1] for asked in script.asked[1:]] == [("tool", "sun")] * 3
        assert not set(runs[1].required) & set(waiting.required)
        assert [run.usage_total for run in runs] == [Usage(20, 10), Usage(10, 5), Usage(10, 5)], "once what was spent"
        assert [text for _, text in await here.log("talk")][-1] == "Sunny."


async def test_outputs_that_failed_to_be_answered_may_be_sent_again() -> None:
    script = Script(supervisor=[call(ROME), say("Sunny."), [ModelUnavailable("It is away.")], say("Yes."), say("Sun.")])
    async with house(script) as here:
        waiting = await here.pause()
        runs = await ask(here, outputs(waiting, "sun"), 2, conversation="talk")
        assert [run.status for run in runs] == ["failed", "failed"]
        assert texts(await ask(here, outputs(waiting, "sun"), 2, conversation="talk")) == ["Yes.", "Sun."]


async def test_each_can_be_followed() -> None:
    script = Script(supervisor=[say("one ", "two"), say("three ", "four")])
    async with house(script) as here:
        runs = await start(here, "Go", 2, watched=True)
        heard = await asyncio.gather(*(here.follow(run.id, Position(run.journal_length)) for run in runs))
        assert list(map(text_of, heard)) == ["one two", "three four"]
