"""Turns that meet in one conversation, and stores that fail or lose their answers: nothing is lost, doubled or interleaved."""

from __future__ import annotations

import asyncio

import pytest

from graph.errors import ConversationBusy
from graph.storage.port import Append, Conflict, Put, StorageUnavailable, Write
from tests.graph.doubles import Gate, Script, call, delegate, say
from tests.graph.house import TENANT, WEATHER, every_store, house, outputs
from tests.graph.stores import Unsteady, journal_of, run_document

store = every_store


async def test_two_requests_at_once_on_one_conversation(store: str) -> None:
    both = asyncio.Barrier(6)
    script = Script(supervisor=[[both, *say(f"answer {n}")] for n in range(6)])
    async with house(script, store=Unsteady() if store.startswith("memory") else store) as here:
        runs = [await here.start(f"question {n}", conversation="talk") for n in range(6)]
        ends = [await here.engine.finished(TENANT, run.id) for run in runs]
        assert [end.status for end in ends] == ["completed"] * 6
        log = await here.log("talk")
        assert len(log) == 12
        pairs = {(log[at][1], log[at + 1][1]) for at in range(0, 12, 2)}
        assert pairs == {(f"question {n}", f"answer {n}") for n in range(6)}
        assert len({end.conversation_id for end in ends}) == 1


async def test_a_chat_turn_on_a_busy_conversation_is_refused(store: str) -> None:
    gate = Gate()
    script = Script(supervisor=[[gate, *say("durable")], say("chat")])
    async with house(script, store=store) as here:
        run = await here.start("Hi", durable=True, conversation="talk")
        for durable in (False, True):
            with pytest.raises(ConversationBusy):
                await here.start("Me too", conversation="talk", durable=durable)
        gate.open.set()
        await here.engine.finished(TENANT, run.id)
        assert (await here.ask("Me too", conversation="talk")).status == "completed"
        assert [text for _, text in await here.log("talk")] == ["Hi", "durable", "Me too", "chat"]


async def test_a_chat_turn_never_lands_in_the_middle_of_a_durable_run() -> None:
    chat, durable = Gate(), Gate()
    script = Script(supervisor=[[chat, *say("chat")], [durable, *say("durable")], say("again")])
    async with house(script, store=Unsteady()) as here:
        turn = await here.start("One", conversation="talk")
        await chat.reached.wait()
        run = await here.start("Two", conversation="talk", durable=True)
        await durable.reached.wait()
        chat.open.set()
        refused = await here.engine.finished(TENANT, turn.id)
        assert refused.failure
        assert refused.failure.code == "conversation_busy"
        with pytest.raises(ConversationBusy):
            await here.start("Three", conversation="talk")
        durable.open.set()
        await here.engine.finished(TENANT, run.id)
        assert await here.log("talk") == [("user", "Two"), ("assistant", "durable")]
        assert (await here.ask("Three", conversation="talk")).status == "completed"


async def test_a_durable_run_begins_behind_a_turn_that_came_first() -> None:
    storage = Unsteady()
    async with house(Script(supervisor=[say("durable")]), store=storage) as here:
        storage.refuse(run_document, Conflict(Put("conversation", "x", b"")))
        run = await here.ask("Two", conversation="talk", durable=True, history="append")
        assert run.status == "completed"
        assert [text for _, text in await here.log("talk")] == ["Two", "durable"]


async def test_an_alias_that_two_invent_at_once_names_one_conversation() -> None:
    both = asyncio.Barrier(2)
    script = Script(supervisor=[[both, *say("one")], [both, *say("two")], say("three")])
    async with house(script, store=Unsteady()) as here:
        runs = [await here.start("Hi", conversation="my chat/7") for _ in range(2)]
        ends = [await here.engine.finished(TENANT, run.id) for run in runs]
        assert ends[0].conversation_id == ends[1].conversation_id
        third = await here.ask("Again", conversation="my chat/7")
        assert third.conversation_id == ends[0].conversation_id
        assert len(script.asked[-1].talk) == 5
        async with house(store=here.storage) as there:
            stored = [await there.get(end.id) for end in ends]
            assert {run.conversation_id for run in stored} == {third.conversation_id}
            assert sorted(run.answer.text for run in stored if run.answer) == ["one", "two"]


async def test_a_store_that_is_away_at_the_end_fails_the_run_and_leaves_nothing_half_written() -> None:
    storage, gate = Unsteady(), Gate()
    script = Script(supervisor=[say("first"), [gate, *say("lost")], say("kept")])
    async with house(script, store=storage) as here:
        await here.ask("One", conversation="talk")
        run = await here.start("Two", conversation="talk")
        await gate.reached.wait()
        storage.away = True
        gate.open.set()
        run = await here.engine.finished(TENANT, run.id)
        assert run.failure
        assert run.failure.code == "storage_unavailable"
        with pytest.raises(StorageUnavailable):
            await here.start("Three", conversation="talk")
        storage.away = False
        await here.ask("Three", conversation="talk")
        assert [text for _, text in await here.log("talk")] == ["One", "first", "Three", "kept"]


@pytest.mark.parametrize("error", [None, "conflict"])
@pytest.mark.parametrize("conversation", ["talk", None])
async def test_a_commit_whose_answer_is_lost_is_neither_lost_nor_doubled(
    error: str | None, conversation: str | None
) -> None:
    storage = Unsteady()
    script = Script(supervisor=[call(("weather", {})), say("It rains."), say("Bye.")])
    async with house(script, store=storage) as here:

        def spoil() -> None:
            storage.lose(run_document, Conflict(Put("message", "own", b"", expect=0)) if error else None)

        spoil()
        first = await here.ask("Weather?", conversation=conversation, tools=(WEATHER,))
        assert first.status == "requires_action"
        spoil()
        second = await here.ask(outputs(first, "rain"), tools=(WEATHER,))
        assert second.status == "completed"
        assert len(await here.log(first.conversation_id)) == 4
        await here.ask("Thanks", conversation=first.conversation_id)
        assert len(script.asked[-1].talk) == 5


async def test_a_commit_that_was_not_written_is_no_lost_answer() -> None:
    storage = Unsteady()
    script = Script(supervisor=[say("one"), say("two")])
    async with house(script, store=storage) as here:
        storage.refuse(run_document)
        run = await here.ask("Hi", conversation="talk")
        assert run.failure
        assert run.failure.code == "storage_unavailable"
        assert await here.log("talk") == []


async def test_a_durable_run_whose_acceptance_was_written_is_accepted() -> None:
    for error in (None, Conflict(Put("message", "own", b"", expect=0))):
        storage = Unsteady()
        async with house(Script(supervisor=[say("Hello")]), store=storage) as here:
            storage.lose(run_document, error)
            run = await here.start("Hi", durable=True, conversation="talk")
            assert (await here.engine.finished(TENANT, run.id)).status == "completed"
            assert await here.log("talk") == [("user", "Hi"), ("assistant", "Hello")]


async def test_a_durable_run_that_could_not_be_accepted_leaves_nothing() -> None:
    storage = Unsteady()
    async with house(Script(supervisor=[say("Hello")]), store=storage) as here:
        storage.refuse(run_document)
        with pytest.raises(StorageUnavailable):
            await here.start("Hi", durable=True, conversation="talk")
        assert await here.log("talk") == []
        assert (await here.ask("Hi", durable=True, conversation="talk")).status == "completed"


@pytest.mark.parametrize("entry", ["TurnCompleted", "CallAnswered", "RunCompleted", "RunStarted"])
@pytest.mark.parametrize("error", ["away", "conflict"])
async def test_a_lost_answer_of_any_step_of_a_durable_run(entry: str, error: str) -> None:
    storage = Unsteady()
    script = Script(supervisor=[delegate(researcher="a"), say("Done.")], researcher=[say("found")])

    def own(write: Write) -> bool:
        return journal_of(entry)(write)

    async with house(script, store=storage) as here:
        storage.lose(own, Conflict(Append("run/own", ())) if error == "conflict" else None)
        run = await here.ask("Go", durable=True, conversation="talk")
        assert run.status == "completed"
        assert script.agents == ["supervisor", "researcher", "supervisor"]
        assert await here.log("talk") == [("user", "Go"), ("assistant", "Done.")]
        stored = await here.get(run.id)
        assert [type(item).__name__ for item in stored.items] == ["Call", "Turn", "Answer", "Message", "Turn"]


async def test_a_conversation_that_changes_all_the_time_takes_a_turn_all_the_same() -> None:
    storage = Unsteady()
    async with house(Script(supervisor=[say("Hello")]), store=storage) as here:
        for _ in range(12):
            storage.refuse(run_document, Conflict(Put("conversation", "x", b"")))
        assert (await here.ask("Hi", conversation="talk")).status == "completed"
        assert await here.log("talk") == [("user", "Hi"), ("assistant", "Hello")]
