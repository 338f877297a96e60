"""Tools of the client: it is asked, and the run waits for exactly its answers."""

from __future__ import annotations

import pytest

from agents.models.port import Message, Usage
from graph import events as ev
from graph.errors import OutputsRefused
from graph.run import Run
from tests.graph.doubles import OSLO, ROME, Script, call, say, tool
from tests.graph.house import CLOCK, WEATHER, asking, every_store, house, names, outputs, text_of

store = every_store


async def test_the_client_is_asked_and_answers_by_the_call_alone(store: str) -> None:
    script = Script(supervisor=[call(ROME), say("It rains.")])
    async with house(script, store=store) as here:
        first = await here.pause()
        assert first.required == tuple(c.id for c in first.open_calls)
        assert [(c.name, c.arguments, c.kind) for c in first.open_calls] == [("weather", '{"place":"Rome"}', "client")]
        assert all(len(id) <= 40 for id in first.required)
        second = await here.ask(outputs(first, "rain"), conversation="talk", tools=(WEATHER,))
        assert second.id == first.id
        assert second.answer
        assert (second.status, second.answer.text, second.iterations) == ("completed", "It rains.", 2)
        assert second.usage_total == Usage(20, 10)
        assert script.asked[1].talk == [("user", "What is the weather?"), ("assistant", ""), ("tool", "rain")]
        assert await here.log("talk") == [
            ("user", "What is the weather?"),
            ("assistant", ' weather({"place":"Rome"})'),
            ("tool", "rain"),
            ("assistant", "It rains."),
        ]


async def test_the_pause_as_it_is_streamed(store: str) -> None:
    script = Script(supervisor=[call(ROME, words="Let me look."), say("It rains.")])
    async with house(script, store=store) as here:
        heard = await here.hear("Weather?", conversation="talk", tools=(WEATHER,))
        assert names(heard) == [
            "RunStarted",
            "MessageStarted",
            "TextDelta",
            "CallStarted",
            "CallDelta",
            "MessageCompleted",
            "CallCompleted",
            "TurnCompleted",
            "ActionRequired",
        ]
        run = await here.get(next(e.call_id for e in heard if isinstance(e, ev.CallStarted)).split("_")[1])
        assert run.status == "requires_action"
        second = await here.hear(outputs(run, "rain"), tools=(WEATHER,))
        assert names(second)[:2] == ["RunStarted", "CallAnswered"]
        assert text_of(second) == "It rains."


async def test_the_run_is_stored_before_its_client_hears_of_the_calls(store: str) -> None:
    script = Script(supervisor=[call(ROME), say("It rains.")])
    async with house(script, store=store) as here:
        run = await here.start("Weather?", watched=True, tools=(WEATHER,))
        second: Run | None = None
        async for batch in here.engine.follow("acme", run.id):
            if any(isinstance(event, ev.ActionRequired) for event in batch):
                waiting = await here.get(run.id)
                second = await here.ask(outputs(waiting, "rain"), tools=(WEATHER,))
        assert second
        assert second.status == "completed"


async def test_several_calls_at_once_are_answered_together(store: str) -> None:
    script = Script(supervisor=[call(ROME, OSLO), say("Both.")])
    async with house(script, store=store) as here:
        first = await here.pause()
        assert len(first.required) == 2
        for few in (outputs(first, "rain", "snow")[:1], outputs(first, "rain", "snow")[1:]):
            with pytest.raises(OutputsRefused):
                await here.start(few, conversation="talk", tools=(WEATHER,))
        doubled = [*outputs(first, "rain", "snow"), outputs(first, "rain", "snow")[0]]
        with pytest.raises(OutputsRefused):
            await here.start(doubled, conversation="talk", tools=(WEATHER,))
        assert (await here.get(first.id)).status == "requires_action"
        second = await here.ask(outputs(first, "rain", "snow")[::-1], conversation="talk", tools=(WEATHER,))
        assert second.status == "completed"
        assert script.asked[1].talk[-2:] == [("tool", "rain"), ("tool", "snow")]


async def test_outputs_that_nobody_waits_for_are_refused() -> None:
    script = Script(supervisor=[call(ROME), say("It rains.")])
    async with house(script) as here:
        first = await here.pause()
        for foreign in ("call_1", "", f"call_{'x' * 24}_1_1", first.required[0][:-1] + "9"):
            with pytest.raises(OutputsRefused):
                await here.start([Message("tool", "rain", tool_call_id=foreign)], conversation="talk")
        await here.ask(outputs(first, "rain"))
        with pytest.raises(OutputsRefused):
            await here.start(outputs(first, "rain"))
        assert len(script.asked) == 2


async def test_the_whole_list_with_the_outputs_takes_the_run_up(store: str) -> None:
    script = Script(supervisor=[call(ROME, words="I look."), say("It rains.")])
    async with house(script, store=store) as here:
        first = await here.ask("Weather?", conversation="talk", tools=(WEATHER,))
        said = Message("assistant", "I look.", tool_calls=asking(first).tool_calls)
        second = await here.ask(
            [Message("user", "Weather?"), said, *outputs(first, "rain")], conversation="talk", tools=(WEATHER,)
        )
        assert (second.id, second.status) == (first.id, "completed")
        assert script.asked[1].talk == [("user", "Weather?"), ("assistant", "I look."), ("tool", "rain")]
        assert [role for role, _ in await here.log("talk")] == ["user", "assistant", "assistant", "tool", "assistant"]


async def test_a_list_that_answers_a_part_of_its_calls_is_refused() -> None:
    script = Script(supervisor=[call(ROME, OSLO)])
    async with house(script) as here:
        first = await here.pause(conversation=None)
        listed = [Message("user", "Weather?"), asking(first), outputs(first, "rain", "snow")[0]]
        with pytest.raises(OutputsRefused, match="had no response"):
            await here.start(listed, tools=(WEATHER,))
        strange = [Message("user", "Weather?"), Message("assistant", "Hm"), *outputs(first, "rain", "snow")]
        with pytest.raises(OutputsRefused, match="no assistant message has made") as refused:
            await here.start([Message("system", "Hm."), *strange], tools=(WEATHER,))
        assert refused.value.param == "messages[3].tool_call_id"


async def test_a_run_pauses_a_second_time(store: str) -> None:
    script = Script(supervisor=[call(ROME), call(OSLO, ("clock", {})), say("Done.")])
    async with house(script, store=store) as here:
        first = await here.pause()
        second = await here.ask(outputs(first, "rain"), conversation="talk", tools=(WEATHER, CLOCK))
        assert second.status == "requires_action"
        assert len(second.required) == 2
        assert not set(first.required) & set(second.required)
        third = await here.ask(outputs(second, "snow", "noon"), conversation="talk", tools=(WEATHER, CLOCK))
        assert third.status == "completed"
        assert third.iterations == 3
        assert [text for role, text in script.asked[2].talk if role == "tool"] == ["rain", "snow", "noon"]
        roles = [role for role, _ in await here.log("talk")]
        assert roles == ["user", "assistant", "tool", "assistant", "tool", "tool", "assistant"]


async def test_what_can_be_answered_inside_is_answered_first() -> None:
    script = Script(
        supervisor=[
            call(ROME, ("transfer_to_researcher", {"task": "find"}), ("run_code", {"x": 1})),
            say("All of it."),
        ],
        researcher=[say("found")],
    )
    async with house(script, server_tools={"run_code": tool("run_code", "ran")}) as here:
        first = await here.ask("Go", tools=(WEATHER,), conversation="talk")
        assert [each.name for each in first.open_calls] == ["weather"]
        assert first.agents_used == ("researcher",)
        second = await here.ask(outputs(first, "rain"), tools=(WEATHER,), conversation="talk")
        assert second.answer
        assert second.answer.text == "All of it."
        assert script.asked[-1].talk[-3:] == [
            ("tool", "rain"),
            ("tool", "found"),
            ("tool", "ran [('x', 1)] 【1†log.txt】"),
        ]
        assert [text for role, text in await here.log("talk") if role == "tool"] == ["rain"]


async def test_the_user_may_speak_behind_the_outputs(store: str) -> None:
    script = Script(supervisor=[call(ROME), say("Rain, in verse.")])
    async with house(script, store=store) as here:
        first = await here.pause()
        behind = [*outputs(first, "rain"), Message("user", "In verse, please.")]
        second = await here.ask(behind, conversation="talk", tools=(WEATHER,))
        assert second.id == first.id
        assert script.asked[1].talk[-2:] == [("tool", "rain"), ("user", "In verse, please.")]
        assert await here.log("talk") == [
            ("user", "What is the weather?"),
            ("assistant", ' weather({"place":"Rome"})'),
            ("tool", "rain"),
            ("user", "In verse, please."),
            ("assistant", "Rain, in verse."),
        ]
