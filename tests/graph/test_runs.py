"""Runs as the store keeps them: what is written twice, what earlier versions have written, and what goes with them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import orjson
import pytest

from agents.models.port import Message, Usage
from graph import events as ev
from graph import journal, runs
from graph.run import Run, fold
from graph.runs import Runs, log_of
from graph.storage import Append, Document, Put, Storage
from graph.storage.memory import MemoryStorage
from tests.graph.doubles import Script, call, delegate, say
from tests.graph.house import TENANT, House, every_store, house, outputs, request

store = every_store


async def document_of(here: House, run_id: str) -> Document:
    document = await here.storage.get(TENANT, "run", run_id)
    assert document
    return document


async def test_an_ended_chat_run_is_one_document(store: str) -> None:
    script = Script(supervisor=[delegate("I ask.", researcher="a"), say("Done.")], researcher=[say("found")])
    async with house(script, store=store) as here:
        run = await here.ask("Go", conversation="talk", metadata={"a": "b"})
        heard = await here.follow(run.id)
        assert await here.storage.read(TENANT, log_of(run.id)) == []
        told = (await document_of(here, run.id)).body
        for once in (run.id, run.conversation_id, TENANT, "Done.", "I ask."):
            assert once.encode() not in told.replace(f"call_{run.id}".encode(), b"")
        async with house(store=here.storage, alone=False) as there:
            stored = await there.get(run.id)
            assert stored == replace(run, request=stored.request)
            assert [each for each in await there.follow(run.id) if isinstance(each, ev.Terminal)] == heard[-1:]
            known, version = await Runs(there.storage, there.conversations).get(TENANT, run.id)
            assert (known.items, version) == ((), 1)
            assert replace(known, items=run.items, journal=()) == stored


async def test_a_turn_is_small(store: str) -> None:
    async with house(Script(supervisor=[say("a" * 100)]), store=store) as here:
        run = await here.ask("q" * 100, conversation="talk")
        assert len((await document_of(here, run.id)).body) < 550
        said = await here.storage.query(TENANT, "message", parent=run.conversation_id)
        assert sum(len(each.body) for each in said) < 200 + 300


async def test_what_a_document_holds_survives_a_change_of_what_is_the_clients(store: str) -> None:
    async with house(Script(supervisor=[say("Hello")]), store=store) as here:
        run = await here.ask("Hi", conversation="talk")
        stored = Runs(here.storage, here.conversations)
        known, version = await stored.get(TENANT, run.id)
        await here.storage.commit(TENANT, runs.put(replace(known, metadata={"a": "b"}), version))
        changed, events, version = await stored.load(TENANT, run.id)
        assert (changed.metadata, changed.items, version) == ({"a": "b"}, run.items, 2)
        assert len(events) == run.journal_length


async def test_the_journal_of_a_run_that_waited_moves_into_its_document(store: str) -> None:
    script = Script(supervisor=[call(("weather", {"place": "Rome"})), say("Rain.")])
    async with house(script, store=store) as here:
        waiting = await here.pause()
        assert len(await here.storage.read(TENANT, log_of(waiting.id))) == waiting.journal_length
        run = await here.ask(outputs(waiting, "rain"), conversation="talk")
        assert (run.id, run.status) == (waiting.id, "completed")
        assert await here.storage.read(TENANT, log_of(run.id)) == []
        async with house(store=here.storage, alone=False) as there:
            stored = await there.get(run.id)
            assert stored.items == run.items
            assert stored.fence == 2


class Meanwhile(MemoryStorage):
    """Before a journal is read, behind its run's document, this happens once."""

    def __init__(self) -> None:
        super().__init__()
        self.happens: Callable[[], Awaitable[object]] | None = None

    async def read(self, tenant: str, log: str, after: int = 0, limit: int = 1000) -> list[tuple[int, bytes]]:
        happens, self.happens = self.happens, None
        if happens:
            await happens()
        return await super().read(tenant, log, after, limit)


async def test_a_run_that_is_taken_while_it_is_read_is_its_owners() -> None:
    storage = Meanwhile()
    async with house(store=storage) as here:
        stored = Runs(storage, here.conversations)
        run = Run("r", TENANT, "c", request("Hi", durable=True), 1, 2**52)
        await storage.commit(TENANT, runs.put(run, 0))

        async def take() -> None:
            begun = ev.RunStarted(1, 0)
            taken = fold(replace(run, owner="somebody"), begun)
            await storage.commit(TENANT, runs.append("r", 0, [begun]), runs.put(taken, 1))

        storage.happens = take
        known, events, version = await stored.load(TENANT, "r")
        assert (known.owner, known.fence, len(events), version) == ("somebody", 1, 1, 2)


async def test_a_run_whose_journal_moves_while_it_is_read_is_whole() -> None:
    storage = Meanwhile()
    script = Script(supervisor=[call(("weather", {"place": "Rome"})), say("Rain.")])
    async with house(script, store=storage) as here:
        waiting = await here.pause()
        storage.happens = lambda: here.ask(outputs(waiting, "rain"), conversation="talk")
        known, events, _ = await Runs(storage, here.conversations).load(TENANT, waiting.id)
        assert (known.status, known.answer and known.answer.text) == ("completed", "Rain.")
        assert len(events) == known.journal_length


async def test_findings_that_nobody_can_write_down_do_not_cost_the_run(store: str) -> None:
    script = Script(supervisor=[delegate(researcher="a"), say("Done.")], researcher=[say("found \ud800")])
    async with house(script, store=store) as here:
        run = await here.ask("Go", conversation="talk")
        assert run.status == "completed"
        assert b"found ?" in (await document_of(here, run.id)).body


# ------------------------------------------------------------------------------------- what schema version 1 has written

USAGE = {
    "prompt_tokens": 9,
    "completion_tokens": 4,
    "reasoning_tokens": 0,
    "cached_tokens": 0,
    "estimated": False,
}
RUN, TALK, ASKED, SAID = "r" * 24, "c" * 24, "q" * 24, "a" * 24
NOW = ev.now_ms()


def entry(name: str, /, **fields: Any) -> bytes:
    return orjson.dumps({"e": name, "v": 1, **fields, "at": NOW})


def message(id: str, role: str, text: str, **fields: Any) -> Put:
    body = {"id": id, "role": role, "content": text, "at": NOW, "tokens": 5, **fields}
    return Put("message", id, orjson.dumps(body), parent=TALK, label=fields.get("run_id"))


def run_document(**fields: Any) -> Put:
    request = {"tenant": TENANT, "messages": [], "conversation": TALK, "label": "cortex-flow"}
    body = {
        "id": RUN,
        "tenant": TENANT,
        "conversation_id": TALK,
        "request": request,
        "created_at": NOW,
        "expires_at": NOW + 600_000,
        "fence": 1,
        "iterations": 1,
        "usage_by_agent": {"supervisor": USAGE},
        "started_at": NOW,
        **fields,
    }
    return Put("run", RUN, orjson.dumps(body), parent=TALK, label=fields["status"])


async def talk_of_old(storage: Storage) -> None:
    """A question and its answer."""
    head = {"n": 2, "size": 2, "chain": "wYVS4c42o5hDtFyx", "spoken": True, "created_at": NOW}
    turn = {"agent": "supervisor", "message_id": SAID, "call_ids": [], "finish": "stop", "model": "m", "usage": USAGE}
    told = {"message_id": SAID, "agent": "supervisor", "text": "", "status": "completed", "phase": "answer"}
    entries = (
        entry("RunStarted", fence=1, attempt=0),
        entry("MessageCompleted", **told, annotations=[]),
        entry("TurnCompleted", **turn),
        entry("RunCompleted"),
    )
    await storage.commit(
        TENANT,
        message(ASKED, "user", "q1", digest="x", chain="y"),
        message(SAID, "assistant", "a1", digest="z", chain=head["chain"], run_id=RUN, phase="answer"),
        Put("conversation", TALK, orjson.dumps(head)),
        run_document(status="completed", journal_length=4, ended_at=NOW),
        Append(log_of(RUN), entries),
    )


async def test_runs_of_older_versions_are_read(store: str) -> None:
    async with house(store=store) as here:
        await talk_of_old(here.storage)
        run = await here.get(RUN)
        assert run.answer
        assert (run.status, run.answer.text, run.usage_total) == ("completed", "a1", Usage(9, 4))
        assert [type(event).__name__ for event in await here.follow(RUN)][-1] == "RunCompleted"
        known, _ = await Runs(here.storage, here.conversations).get(TENANT, RUN)
        assert (known.usage_total, known.ended_at, known.journal) == (Usage(9, 4), NOW, ())


async def test_conversations_of_older_versions_go_on(store: str) -> None:
    async with house(Script(supervisor=[say("a2"), say("a3")]), store=store) as here:
        await talk_of_old(here.storage)
        await here.ask("q2", conversation=TALK)
        await here.ask("q3", conversation=TALK)
        heard = [[each.text for each in asked.prompt if each.role != "system"] for asked in here.script.asked]
        assert heard == [["q1", "a1", "q2"], ["q1", "a1", "q2", "a2", "q3"]]
        stored = await here.conversations.stored(TENANT, TALK, [SAID])
        assert stored[SAID].run_id == RUN


async def test_a_run_that_waits_since_an_older_version_goes_on(store: str) -> None:
    id = f"call_{RUN}_1_1"
    called = {"call_id": id, "name": "weather", "arguments": "{}", "kind": "client"}
    turn = {"agent": "supervisor", "message_id": None, "call_ids": [id], "finish": "tool_calls", "model": "m"}
    entries = (
        entry("RunStarted", fence=1, attempt=0),
        entry("CallCompleted", **called),
        entry("TurnCompleted", **turn, usage=USAGE),
        entry("ActionRequired", call_ids=[id]),
    )
    head = {"n": 2, "size": 2, "chain": "wYVS4c42o5hDtFyx", "spoken": True, "paused": RUN, "created_at": NOW}
    async with house(Script(supervisor=[say("Rain.")]), store=store) as here:
        await here.storage.commit(
            TENANT,
            message(ASKED, "user", "q1", digest="x", chain="y"),
            message(
                SAID, "assistant", "", run_id=RUN, calls=[[id, "weather", "{}"]], hidden=True, digest="z", chain="z"
            ),
            Put("conversation", TALK, orjson.dumps(head)),
            run_document(status="requires_action", journal_length=4, required=[id]),
            Append(log_of(RUN), entries),
        )
        output = Message("tool", "rain", tool_call_id=id)
        run = await here.ask([output], conversation=TALK)
        assert (run.id, run.status) == (RUN, "completed")
        assert await here.storage.read(TENANT, log_of(RUN)) == []
        assert (await here.get(RUN)).items == run.items


@pytest.mark.parametrize(
    "event",
    [
        ev.RunStarted(1, 0, at=5),
        ev.MessageCompleted("m", "writer", "", "completed", "answer", at=5),
        ev.TurnCompleted("supervisor", None, (), "stop", "m", Usage(1), at=5),
    ],
)
def test_what_goes_without_saying_is_not_written(event: ev.Durable) -> None:
    written = journal.encode(event)
    for word in (b"attempt", b"text", b"status", b"phase", b"annotations", b'message_id":null', b"call_ids", b"finish"):
        assert word not in written
    assert b"cached_tokens" not in written
    assert journal.decode(written) == event
