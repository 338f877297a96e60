"""Chat runs as their client sees them: who is asked, what is told, what is kept."""

from __future__ import annotations

import asyncio

import pytest

from agents.models.port import Message, Reasoning, Text, Usage
from graph import events as ev
from graph.errors import NotFound
from tests.graph.doubles import Gate, Script, Shelf, call, delegate, final, say
from tests.graph.house import TENANT, WEATHER, every_store, house, names, text_of

store = every_store


async def test_a_greeting_is_one_model_call(store: str) -> None:
    script = Script(supervisor=[say("Hello! ", "How are you?")])
    async with house(script, store=store) as here:
        run = await here.ask("Hi", conversation="talk")
        assert run.status == "completed"
        assert run.answer
        assert run.answer.text == "Hello! How are you?"
        assert (run.agents_used, run.iterations, run.usage_total) == ((), 1, Usage(10, 5))
        assert script.agents == ["supervisor"]
        assert await here.log("talk") == [("user", "Hi"), ("assistant", "Hello! How are you?")]


async def test_one_agent_then_the_answer(store: str) -> None:
    script = Script(
        supervisor=[delegate(researcher="find the moon"), say("The moon is far.")], researcher=[say("It is far away.")]
    )
    async with house(script, store=store) as here:
        run = await here.ask("How far is the moon?", conversation="talk")
        assert run.answer
        assert run.answer.text == "The moon is far."
        assert run.answer.agent == "supervisor"
        assert (run.agents_used, run.iterations) == (("researcher",), 2)
        assert run.usage_by_agent == {"supervisor": Usage(20, 10), "researcher": Usage(10, 5)}
        assert await here.log("talk") == [("user", "How far is the moon?"), ("assistant", "The moon is far.")]
        brief, after = script.asked[1], script.asked[2]
        assert "find the moon" in brief.text
        assert "How far is the moon?" in brief.text
        assert after.talk[-1] == ("tool", "It is far away.")


async def test_an_agent_sees_what_earlier_agents_found() -> None:
    script = Script(
        supervisor=[delegate(researcher="find"), delegate(analyst="work out"), delegate(writer="write"), say("Done.")],
        researcher=[say("seventeen")],
        analyst=[say("thirty-four")],
        writer=[say("A fine text.")],
    )
    async with house(script) as here:
        run = await here.ask("What is twice the number?")
        assert run.agents_used == ("researcher", "analyst", "writer")
        assert run.iterations == 4
        assert script.agents == [
            "supervisor",
            "researcher",
            "supervisor",
            "analyst",
            "supervisor",
            "writer",
            "supervisor",
        ]
        [writer] = script.asked_of("writer")
        assert "# Findings of the researcher\n\nseventeen" in writer.text
        assert "# Findings of the analyst\n\nthirty-four" in writer.text


async def test_agents_of_one_turn_work_at_the_same_time() -> None:
    both = asyncio.Barrier(2)
    script = Script(
        supervisor=[delegate(researcher="find", analyst="work out"), say("Done.")],
        researcher=[[both, *say("found")]],
        analyst=[[both, *say("worked out")]],
    )
    async with house(script) as here:
        run = await here.ask("Go")
        assert run.status == "completed"
        assert script.asked[-1].talk[-2:] == [("tool", "found"), ("tool", "worked out")]


async def test_outputs_stand_in_the_order_of_the_calls() -> None:
    gate = Gate()
    script = Script(
        supervisor=[delegate(researcher="find", analyst="work out"), say("Done.")],
        researcher=[[gate, *say("slow")]],
        analyst=[say("quick")],
    )
    async with house(script) as here:
        run = await here.start("Go", watched=True)
        async for batch in here.engine.follow(TENANT, run.id):
            if any(isinstance(event, ev.AgentFinished) and event.agent == "analyst" for event in batch):
                gate.open.set()
        assert script.asked[-1].talk[-2:] == [("tool", "slow"), ("tool", "quick")]


async def test_the_same_agent_can_get_two_tasks_at_once() -> None:
    both = asyncio.Barrier(2)
    script = Script(
        supervisor=[
            call(("transfer_to_researcher", {"task": "left"}), ("transfer_to_researcher", {"task": "right"})),
            say("Done."),
        ],
        researcher=[[both, *say("one")], [both, *say("two")]],
    )
    async with house(script) as here:
        run = await here.ask("Go")
        assert run.agents_used == ("researcher",)
        assert {asked.prompt[-1].text.rpartition("\n")[2] for asked in script.asked_of("researcher")} == {
            "left",
            "right",
        }


async def test_the_stream_tells_a_turn_as_it_is_made() -> None:
    gate = Gate()
    script = Script(supervisor=[[[Text("Hello")], gate, *say(" there")]])
    async with house(script) as here:
        run = await here.start("Hi", watched=True)
        heard: list[ev.Event] = []
        async for batch in here.engine.follow(TENANT, run.id):
            heard += batch
            if text_of(heard) == "Hello":
                assert gate.reached.is_set() or not gate.open.is_set()
                gate.open.set()
        assert names(heard) == [
            "RunStarted",
            "MessageStarted",
            "TextDelta",
            "MessageCompleted",
            "TurnCompleted",
            "RunCompleted",
        ]
        assert text_of(heard) == "Hello there"


async def test_not_one_token_of_another_agent_is_told_as_the_answer() -> None:
    script = Script(
        supervisor=[delegate(researcher="find", analyst="work out", writer="draft"), say("The answer.")],
        researcher=[say("secret finding")],
        analyst=[say("secret figure")],
        writer=[say("secret draft")],
    )
    async with house(script) as here:
        heard = await here.hear("Go", conversation="talk")
        assert text_of(heard) == "The answer."
        assert [e.text for e in heard if isinstance(e, ev.MessageCompleted)] == ["The answer."]
        assert await here.log("talk") == [("user", "Go"), ("assistant", "The answer.")]


@pytest.mark.parametrize("asked_for", [True, False])
async def test_progress_is_told_when_it_was_asked_for(asked_for: bool) -> None:
    thinking = [[Reasoning("hm, ")], *say("found")]
    script = Script(supervisor=[[[Reasoning("let me see")], *delegate(researcher="find")], say("Done.")])
    script.add(researcher=[thinking])
    async with house(script) as here:
        heard = await here.hear("Go", progress=asked_for)
        told = [(e.agent, e.text) for e in heard if isinstance(e, ev.AgentProgress)]
        expected = [("supervisor", "let me see"), ("researcher", "hm, "), ("researcher", "found")]
        assert told == (expected if asked_for else [])
        assert text_of(heard) == "Done."


async def test_progress_by_setting_and_never_without_a_reader() -> None:
    for watched in (True, False):
        script = Script(supervisor=[delegate(researcher="find"), say("Done.")], researcher=[say("found")])
        async with house(script, stream_progress=True) as here:
            heard = await here.hear("Go", watched=watched)
            assert any(isinstance(e, ev.AgentProgress) for e in heard) == watched
            assert script.asked_of("researcher")[0].params.stream == watched


async def test_words_before_a_call_are_commentary(store: str) -> None:
    script = Script(
        supervisor=[delegate("I will ask the researcher.", researcher="find"), say("It is blue.")],
        researcher=[say("blue")],
    )
    async with house(script, store=store) as here:
        heard = await here.hear("What colour?", conversation="talk")
        told = [(e.text, e.phase) for e in heard if isinstance(e, ev.MessageCompleted)]
        assert told == [("I will ask the researcher.", "commentary"), ("It is blue.", "answer")]
        assert await here.log("talk") == [
            ("user", "What colour?"),
            ("assistant", "I will ask the researcher."),
            ("assistant", "It is blue."),
        ]
        assert script.asked[-1].talk[-2:] == [("assistant", "I will ask the researcher."), ("tool", "blue")]


async def test_the_order_of_a_turns_commit() -> None:
    script = Script(supervisor=[delegate("Wait.", researcher="a", analyst="b"), say("Done.")])
    script.add(researcher=[say("x")], analyst=[say("y")])
    async with house(script) as here:
        heard = await here.hear("Go")
        live = (ev.MessageStarted, ev.TextDelta, ev.CallStarted, ev.CallDelta)
        assert [type(e).__name__ for e in heard if not isinstance(e, live)][:7] == [
            "RunStarted",
            "MessageCompleted",
            "CallCompleted",
            "CallCompleted",
            "TurnCompleted",
            "AgentStarted",
            "AgentStarted",
        ]


async def test_two_followers_one_of_them_late_read_the_same() -> None:
    gate = Gate()
    script = Script(supervisor=[[[Text("Hel")], gate, *say("lo ", "there")]])
    async with house(script) as here:
        run = await here.start("Hi", watched=True)
        early = asyncio.create_task(here.follow(run.id))
        await gate.reached.wait()
        late = asyncio.create_task(here.follow(run.id))
        gate.open.set()
        first, second = await early, await late
        assert text_of(first) == text_of(second) == "Hello there"
        assert [e for e in first if not isinstance(e, ev.TextDelta)] == [
            e for e in second if not isinstance(e, ev.TextDelta)
        ]
        assert "Hello there" in [e.text for e in await here.follow(run.id) if isinstance(e, ev.MessageCompleted)]


async def test_an_agent_that_works_alone_uses_its_own_tools_and_cites() -> None:
    script = Script(
        researcher=[call(("search", {"query": "moon"})), say("It is far 【1†moon.md】.")],
    )
    library = Shelf(moon="The moon is far.")
    async with house(script, library=library) as here:
        run = await here.ask("How far is the moon?", agent="researcher")
        assert run.agents_used == ("researcher",)
        assert run.iterations == 2
        assert library.queries == [(TENANT, "moon")]
        assert script.agents == ["researcher", "researcher"]
        assert script.asked[0].tools == ("search",)
        assert script.asked[1].talk[-1] == ("tool", "【1†moon.md】 The moon is far.")
        assert run.answer
        assert [each.source.name for each in run.answer.annotations] == ["moon.md"]


async def test_a_mark_that_an_agent_found_is_cited_by_the_supervisor() -> None:
    script = Script(
        supervisor=[delegate(researcher="moon"), say("Far, says 【1†moon.md】; not 【7†sun.md】.")],
        researcher=[call(("search", {"query": "moon"})), say("Far 【1†moon.md】")],
    )
    async with house(script, library=Shelf(moon="The moon is far.")) as here:
        heard = await here.hear("How far?")
        [answered] = [e for e in heard if isinstance(e, ev.CallAnswered)]
        assert [source.name for source in answered.sources] == ["moon.md"]
        [message] = [e for e in heard if isinstance(e, ev.MessageCompleted)]
        [annotation] = message.annotations
        assert message.text[annotation.start : annotation.end] == "【1†moon.md】"


async def test_each_agent_may_have_its_own_model() -> None:
    script = Script(supervisor=[delegate(writer="w"), say("Done.")], writer=[say("text")])
    async with house(script) as here:
        await here.ask("Go", model="openai:gpt-x")
        assert {asked.override for asked in script.asked} == {"openai:gpt-x"}


async def test_the_applications_system_message_reaches_who_answers() -> None:
    script = Script(supervisor=[delegate(researcher="r"), final()], researcher=[say("x")], writer=[say("y")])
    async with house(script) as here:
        await here.ask([Message("system", "Speak like a pirate."), Message("user", "Go")], instructions="Be brief.")
        spoken = [
            ("Speak like a pirate." in each.prompt[0].text, "Be brief." in each.prompt[0].text) for each in script.asked
        ]
        assert spoken == [(True, True), (False, False), (True, True), (True, True)]
        assert all(sum(message.role == "system" for message in asked.prompt) == 1 for asked in script.asked)


async def test_sampling_reaches_the_calls_that_answer_and_no_others() -> None:
    script = Script(
        supervisor=[delegate(researcher="r"), final()], researcher=[say("x")], writer=[say("a text of some length")]
    )
    async with house(script) as here:
        await here.ask("Go", temperature=0.1, seed=7, max_tokens=4, stop=("some",), parallel_tool_calls=False)
        first, agent, second, writer = (asked.params for asked in script.asked)
        for params in (first, second):
            assert (params.temperature, params.seed, params.parallel_tool_calls) == (0.1, 7, False)
            assert (params.max_tokens, params.stop) == (None, ())
        assert (agent.temperature, agent.seed, agent.max_tokens, agent.stop) == (None, None, None, ())
        assert (writer.temperature, writer.seed, writer.max_tokens, writer.stop) == (0.1, 7, 4, ("some",))
        assert writer.parallel_tool_calls is None


@pytest.mark.parametrize(("limits", "stream"), [({}, False), ({"max_tokens": 9}, True), ({"stop": ("x",)}, True)])
async def test_a_model_may_answer_at_once_when_nobody_watches_and_nothing_cuts(
    limits: dict[str, object], stream: bool
) -> None:
    script = Script(supervisor=[say("Hello")])
    async with house(script) as here:
        await here.ask("Hi", **limits)
        assert script.asked[0].params.stream is stream


async def test_json_is_held_until_it_is_whole_and_comes_without_commentary() -> None:
    script = Script(
        supervisor=[delegate("I will ask.", researcher="r"), say('{"a"', ": 1}")],
        researcher=[say("x")],
    )
    async with house(script) as here:
        heard = await here.hear("Go", conversation="talk", response_format={"type": "json_object"})
        assert [e.text for e in heard if isinstance(e, ev.TextDelta)] == ['{"a": 1}']
        assert [e.text for e in heard if isinstance(e, ev.MessageCompleted)] == ['{"a": 1}']
        assert await here.log("talk") == [("user", "Go"), ("assistant", '{"a": 1}')]
        assert script.asked[0].params.response_format == {"type": "json_object"}
        assert script.asked[1].params.response_format is None


async def test_runs_of_another_tenant_are_not_found() -> None:
    script = Script(supervisor=[say("Hello")])
    async with house(script) as here:
        run = await here.ask("Hi", tools=(WEATHER,))
        for verb in (here.engine.get, here.engine.finished, here.engine.cancel):
            with pytest.raises(NotFound):
                await verb("somebody else", run.id)
        with pytest.raises(NotFound):
            await anext(here.engine.follow("somebody else", run.id))
