"""Chat runs that waited for their client: taken up, abandoned, raced for."""

from __future__ import annotations

import asyncio

import pytest

from agents.models.port import Message, ModelUnavailable, ToolCall
from graph import events as ev
from graph.errors import OutputsRefused
from graph.journal import Position
from tests.graph.doubles import ROME, Gate, Script, call, delegate, final, say
from tests.graph.house import CLOCK, WEATHER, asking, every_store, house, names, outputs, text_of
from tests.graph.stores import Unsteady

store = every_store


@pytest.mark.parametrize("listed", [True, False])
@pytest.mark.parametrize("conversation", ["talk", None])
async def test_what_the_user_said_behind_outputs_is_known_after_the_next_pause(
    listed: bool, conversation: str | None
) -> None:
    script = Script(supervisor=[call(ROME), call(("clock", {})), say("Noon, and rain, in verse.")])
    async with house(script) as here:
        first = await here.pause(conversation)
        history = [Message("user", "What is the weather?"), asking(first)]
        behind = [*outputs(first, "rain"), Message("user", "In verse, please.")]
        second = await here.ask([*history, *behind] if listed else behind, conversation=conversation, tools=(CLOCK,))
        history += [*behind, asking(second)]
        last = outputs(second, "noon")
        third = await here.ask([*history, *last] if listed else last, conversation=conversation, tools=(CLOCK,))
        assert third.status == "completed"
        assert script.asked[2].talk == [
            ("user", "What is the weather?"),
            ("assistant", ""),
            ("tool", "rain"),
            ("user", "In verse, please."),
            ("assistant", ""),
            ("tool", "noon"),
        ]


async def test_an_unnamed_conversation_is_resumed_by_its_call(store: str) -> None:
    script = Script(supervisor=[call(ROME), say("It rains."), say("Again.")])
    async with house(script, store=store) as here:
        first = await here.pause(conversation=None)
        second = await here.ask(outputs(first, "rain"), tools=(WEATHER,))
        assert (second.id, second.conversation_id, second.status) == (first.id, first.conversation_id, "completed")
        await here.ask("And now?", conversation=f"conv_{first.conversation_id}")
        assert [text for _, text in script.asked[2].talk][-2:] == ["It rains.", "And now?"]


async def test_another_process_takes_the_outputs(store: str) -> None:
    script = Script(supervisor=[call(ROME), say("It rains.")])
    async with house(script, store=store) as here:
        first = await here.pause()
        async with house(script, store=here.storage) as there:
            second = await there.ask(outputs(first, "rain"), conversation="talk", tools=(WEATHER,))
            assert (second.id, second.status) == (first.id, "completed")
        assert (await here.get(first.id)).status == "completed"
        with pytest.raises(OutputsRefused):
            await here.start(outputs(first, "rain"))


async def test_a_forgotten_run_goes_on_from_the_list() -> None:
    script = Script(supervisor=[say("It rains.")])
    async with house(script) as here:
        made = ToolCall("call_elsewhere", "weather", '{"place": "Rome"}')
        listed = [
            Message("user", "Weather?"),
            Message("assistant", "", tool_calls=(made,)),
            Message("tool", "rain", tool_call_id="call_elsewhere"),
        ]
        run = await here.ask(listed, conversation="talk", tools=(WEATHER,))
        assert run.answer
        assert run.answer.text == "It rains."
        assert script.asked[0].talk == [("user", "Weather?"), ("assistant", ""), ("tool", "rain")]
        assert script.asked[0].prompt[2].tool_calls == (made,)
        assert [role for role, _ in await here.log("talk")] == ["user", "assistant", "tool", "assistant"]


async def test_a_fresh_user_turn_abandons_the_run_that_waits(store: str) -> None:
    script = Script(supervisor=[call(ROME), say("As you wish.")])
    async with house(script, store=store) as here:
        first = await here.pause()
        second = await here.ask("Never mind.", conversation="talk", tools=(WEATHER,))
        assert second.id != first.id
        assert script.asked[1].talk == [
            ("user", "What is the weather?"),
            ("assistant", ""),
            ("tool", "(not answered)"),
            ("user", "Never mind."),
        ]
        async with house(store=here.storage) as there:
            assert (await there.get(first.id)).status == "cancelled"
        with pytest.raises(OutputsRefused):
            await here.start(outputs(first, "rain"), conversation="talk")


async def test_a_durable_run_abandons_the_chat_run_that_waits(store: str) -> None:
    script = Script(supervisor=[call(ROME), say("As you wish.")])
    async with house(script, store=store) as here:
        first = await here.pause()
        second = await here.ask("Never mind.", conversation="talk", durable=True, history="append")
        assert second.status == "completed"
        async with house(store=here.storage) as there:
            assert (await there.get(first.id)).status == "cancelled"
        with pytest.raises(OutputsRefused):
            await here.start(outputs(first, "rain"), conversation="talk")
        assert (await here.log("talk"))[-1] == ("assistant", "As you wish.")


async def test_a_second_leg_that_fails_leaves_the_run_waiting(store: str) -> None:
    script = Script(supervisor=[call(ROME), [ModelUnavailable("away")], say("It rains.")])
    async with house(script, store=store) as here:
        first = await here.pause()
        before = await here.log("talk")
        failed = await here.ask(outputs(first, "rain"), conversation="talk", tools=(WEATHER,))
        assert failed.status == "failed"
        assert await here.log("talk") == before
        retried = await here.ask(outputs(first, "rain"), conversation="talk", tools=(WEATHER,))
        assert (retried.id, retried.status) == (first.id, "completed")
        assert [role for role, _ in await here.log("talk")] == ["user", "assistant", "tool", "assistant"]


async def test_of_two_that_bring_the_same_outputs_one_is_refused() -> None:
    gate = Gate()
    script = Script(supervisor=[call(ROME), [gate, *say("It rains.")]])
    async with house(script, store=Unsteady()) as here:
        first = await here.pause()
        racing = [asyncio.create_task(here.start(outputs(first, "rain"), tools=(WEATHER,))) for _ in range(2)]
        results = await asyncio.gather(*racing, return_exceptions=True)
        assert sorted(type(each).__name__ for each in results) == ["OutputsRefused", "Run"]
        gate.open.set()
        assert (await here.engine.finished("acme", first.id)).status == "completed"
        assert len(script.asked) == 2


async def test_of_two_processes_with_the_same_outputs_one_wins(store: str) -> None:
    gate = Gate()
    script = Script(supervisor=[call(ROME), [gate, *say("It rains.")], [gate, *say("It snows.")]])
    async with house(script, store=store) as here, house(script, store=here.storage) as there:
        first = await here.pause()
        await here.start(outputs(first, "rain"), conversation="talk", tools=(WEATHER,))
        await there.start(outputs(first, "snow"), conversation="talk", tools=(WEATHER,))
        gate.open.set()
        ends = [await each.engine.finished("acme", first.id) for each in (here, there)]
        assert sorted(end.status for end in ends) == ["completed", "failed"]
        [lost] = [end.failure for end in ends if end.failure]
        assert lost.code == "conversation_busy"
        assert len(await here.log("talk")) == 4


async def test_a_later_leg_has_its_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    script = Script(supervisor=[call(ROME), say("It rains.")])
    async with house(script) as here:
        first = await here.pause()
        later = first.expires_at + 60_000
        monkeypatch.setattr(ev, "now_ms", lambda: later)
        second = await here.ask(outputs(first, "rain"), conversation="talk", tools=(WEATHER,))
        assert second.status == "completed"


async def test_naming_the_conversation_when_its_run_is_resumed_keeps_it() -> None:
    script = Script(supervisor=[call(ROME), say("It rains.")])
    async with house(script) as here:
        first = await here.pause(conversation=None)
        [(_, anonymous)] = await here.storage.due("conversation", 2**62)
        assert anonymous == first.conversation_id
        await here.ask(outputs(first, "rain"), conversation=f"conv_{first.conversation_id}", tools=(WEATHER,))
        assert await here.storage.due("conversation", 2**62) == []
        assert len(await here.log(first.conversation_id)) == 4


async def test_chat_can_not_answer_for_a_durable_run() -> None:
    script = Script(supervisor=[call(ROME), say("It rains.")])
    async with house(script) as here:
        first = await here.pause(durable=True)
        with pytest.raises(OutputsRefused):
            await here.start(outputs(first, "rain"), conversation="talk")
        assert (await here.get(first.id)).status == "requires_action"


async def test_a_final_writer_after_outputs() -> None:
    script = Script(supervisor=[call(ROME), final()], writer=[say("A poem of rain.")])
    async with house(script) as here:
        first = await here.pause()
        heard = await here.hear(outputs(first, "rain"), conversation="talk", tools=(WEATHER,))
        assert text_of(heard) == "A poem of rain."
        assert "rain" in script.asked[-1].text


async def test_later_legs_begin_where_the_run_stands() -> None:
    script = Script(
        supervisor=[delegate("I ask.", researcher="r"), call(ROME), say("It rains.")], researcher=[say("x")]
    )
    async with house(script) as here:
        first = await here.pause()
        leg = await here.start(outputs(first, "rain"), tools=(WEATHER,), watched=True)
        assert leg.journal_length == first.journal_length
        assert len(leg.items) == len(first.items)
        heard = await here.follow(leg.id, Position(leg.journal_length))
        assert names(heard)[0] == "RunStarted"
        assert [e.fence for e in heard if isinstance(e, ev.RunStarted)] == [2]
        everything = await here.follow(leg.id)
        assert [e.fence for e in everything if isinstance(e, ev.RunStarted)] == [1, 2]
        assert everything[-1] == heard[-1]
