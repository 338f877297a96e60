"""The writer's text as the answer: streamed as it is made, and what happens when it is not."""

from __future__ import annotations

import pytest

from agents.models.port import ModelUnavailable, Text, Usage
from graph import events as ev
from tests.graph.doubles import Gate, Reply, Script, call, delegate, final, say
from tests.graph.house import TENANT, every_store, house, text_of

store = every_store


async def test_the_writers_text_is_the_answer_when_it_is_final(store: str) -> None:
    gate = Gate()
    script = Script(
        supervisor=[delegate(researcher="find"), final("compose")],
        researcher=[say("facts")],
        writer=[[[Text("Once ")], gate, *say("upon a time.")]],
    )
    async with house(script, store=store) as here:
        run = await here.start("Tell a story", conversation="talk", watched=True)
        heard: list[ev.Event] = []
        async for batch in here.engine.follow(TENANT, run.id):
            heard += batch
            if text_of(heard) == "Once ":
                gate.open.set()
        run = await here.engine.finished(TENANT, run.id)
        assert run.status == "completed"
        assert run.answer
        assert (run.answer.agent, run.answer.text, run.answer.phase) == ("writer", "Once upon a time.", "answer")
        assert text_of(heard) == "Once upon a time."
        assert script.agents == ["supervisor", "researcher", "supervisor", "writer"]
        assert run.agents_used == ("researcher", "writer")
        assert run.iterations == 2
        assert run.usage_by_agent["writer"] == Usage(10, 5)
        assert "facts" in script.asked[-1].text
        assert await here.log("talk") == [("user", "Tell a story"), ("assistant", "Once upon a time.")]


async def test_a_final_writer_beside_another_call_is_not_final() -> None:
    script = Script(
        supervisor=[
            call(("transfer_to_writer", {"task": "w", "final": True}), ("transfer_to_analyst", {"task": "a"})),
            say("Mine."),
        ],
        writer=[say("draft")],
        analyst=[say("figure")],
    )
    async with house(script) as here:
        run = await here.ask("Go")
        assert run.answer
        assert run.answer.text == "Mine."


async def test_a_writer_that_is_not_final_leaves_the_last_word_to_the_supervisor() -> None:
    script = Script(supervisor=[delegate(writer="draft it"), say("Mine.")], writer=[say("draft")])
    async with house(script) as here:
        heard = await here.hear("Go")
        assert text_of(heard) == "Mine."


@pytest.mark.parametrize(
    ("reply", "status", "told"),
    [
        ([ModelUnavailable("no such model")], "error", "The writer failed: no such model"),
        (say(""), "empty", "The writer had nothing to say."),
        (say("  \n"), "empty", "The writer had nothing to say."),
        ([RuntimeError("a secret")], "error", "The writer failed by a fault of its own."),
    ],
)
async def test_a_final_writer_that_fails_before_its_first_word(reply: Reply, status: str, told: str) -> None:
    script = Script(supervisor=[final(), say("Then I say it.")], writer=[reply])
    async with house(script) as here:
        heard = await here.hear("Go")
        assert text_of(heard) == "Then I say it."
        assert script.asked[-1].talk[-1] == ("tool", told)
        [finished] = [e for e in heard if isinstance(e, ev.AgentFinished)]
        assert finished.status == status


async def test_a_final_writer_that_takes_too_long_to_begin() -> None:
    script = Script(supervisor=[final(), say("Then I say it.")], writer=[[Gate()]])
    async with house(script, agent_timeout=0.01) as here:
        heard = await here.hear("Go")
        assert text_of(heard) == "Then I say it."
        assert [e.status for e in heard if isinstance(e, ev.AgentFinished)] == ["timeout"]


@pytest.mark.parametrize(
    ("break_off", "code"), [(ModelUnavailable("cut off"), "upstream_error"), (Gate(), "upstream_timeout")]
)
async def test_a_final_writer_that_fails_after_its_first_word_fails_the_run(
    break_off: ModelUnavailable | Gate, code: str
) -> None:
    script = Script(supervisor=[final()], writer=[[[Text("Once ")], break_off]])
    async with house(script, agent_timeout=0.05) as here:
        await here.log("talk")
        heard = await here.hear("Go", conversation="talk")
        assert isinstance(heard[-1], ev.RunFailed)
        assert heard[-1].code == code
        assert [(e.text, e.status) for e in heard if isinstance(e, ev.MessageCompleted)] == [("Once ", "incomplete")]
        assert await here.log("talk") == []


async def test_a_final_writer_whom_nobody_watched_may_fail_late() -> None:
    script = Script(
        supervisor=[final(), say("Then I say it.")], writer=[[[Text("Once ")], ModelUnavailable("cut off")]]
    )
    async with house(script) as here:
        run = await here.ask("Go")
        assert run.answer
        assert run.answer.text == "Then I say it."
