"""Several processes over one store speak in one conversation: each of them hears all of it."""

from __future__ import annotations

from agents.models.port import Message
from tests.graph.doubles import Script, call, say
from tests.graph.house import TENANT, WEATHER, House, every_store, house, outputs

store = every_store


def prompts(here: House) -> list[list[str]]:
    """What the model was given of the conversation, each time."""
    return [[message.text for message in asked.prompt if message.role != "system"] for asked in here.script.asked]


async def test_a_turn_hears_what_others_have_said_meanwhile(store: str) -> None:
    async with house(Script(supervisor=[say("a1"), say("a2"), say("a5")]), store=store) as here:
        await here.ask("q1", conversation="talk")
        await here.ask("q2", conversation="talk")
        async with house(Script(supervisor=[say("a3"), say("a4")]), store=here.storage, alone=False) as there:
            await there.ask("q3", conversation="talk")
            await there.ask("q4", conversation="talk")
        await here.ask("q5", conversation="talk")
        said = ["q1", "a1", "q2", "a2", "q3", "a3", "q4", "a4", "q5"]
        assert prompts(there) == [said[:5], said[:7]]
        assert prompts(here) == [said[:1], said[:3], said]


async def test_a_turn_hears_what_was_edited_elsewhere(store: str) -> None:
    async with house(Script(supervisor=[say("a1"), say("a2"), say("a4")]), store=store) as here:
        await here.ask("q1", conversation="talk")
        await here.ask("q2", conversation="talk")
        async with house(Script(supervisor=[say("a3")]), store=here.storage, alone=False) as there:
            edited = [Message("user", "q1"), Message("assistant", "a1"), Message("user", "q3")]
            await there.ask(edited, conversation="talk")
        await here.ask("q4", conversation="talk")
        assert prompts(here)[-1] == ["q1", "a1", "q3", "a3", "q4"]


async def test_a_forgotten_conversation_begins_anew(store: str) -> None:
    async with house(Script(supervisor=[say("a1"), say("a2"), say("a3"), say("a4")]), store=store) as here:
        await here.ask("q1", conversation="talk")
        run = await here.ask("q2", conversation="talk")
        await here.conversations.forget(TENANT, run.conversation_id)
        await here.ask("q3", conversation="talk")
        await here.ask("q4", conversation="talk")
        assert prompts(here)[2:] == [["q3"], ["q3", "a3", "q4"]]


async def test_a_failed_turn_leaves_nothing_to_hear(store: str) -> None:
    script = Script(supervisor=[say("a1"), say("a2"), [RuntimeError("broken")], say("a4")])
    async with house(script, store=store) as here:
        for question in ("q1", "q2", "q3", "q4"):
            await here.ask(question, conversation="talk")
        assert prompts(here)[-1] == ["q1", "a1", "q2", "a2", "q4"]


async def test_durable_runs_and_pauses_hear_everything(store: str) -> None:
    weather = call(("weather", {"place": "Rome"}))
    script = Script(supervisor=[say("a1"), say("a2"), weather, say("a3"), say("a4"), say("a5")])
    async with house(script, store=store) as here:
        await here.ask("q1", conversation="talk")
        await here.ask("q2", conversation="talk", durable=True)
        waiting = await here.ask("q3", conversation="talk", tools=(WEATHER,))
        await here.ask(outputs(waiting, "rain"), conversation="talk")
        await here.ask("q4", conversation="talk", durable=True)
        await here.ask("q5", conversation="talk")
        said = ["q1", "a1", "q2", "a2", "q3", "", "rain", "a3", "q4", "a4", "q5"]
        assert prompts(here)[3:] == [said[:7], said[:9], said]


async def test_a_conversation_that_is_named_late_is_heard_once(store: str) -> None:
    """The leg that failed has read it while it was a single document; its name makes it messages of their own."""
    script = Script(supervisor=[call(("weather", {"place": "Rome"})), [RuntimeError("broken")], say("a1"), say("a2")])
    async with house(script, store=store) as here:
        waiting = await here.ask("q1", tools=(WEATHER,))
        await here.ask(outputs(waiting, "rain"))
        for said in (outputs(waiting, "rain"), "q2"):
            await here.ask(said, conversation=f"conv_{waiting.conversation_id}")
        assert prompts(here)[2:] == [["q1", "", "rain"], ["q1", "", "rain", "a1", "q2"]]
