"""`fold`: what each durable event makes of a run."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import get_args

import pytest

from agents.models.port import Message as PromptMessage
from agents.models.port import Usage
from agents.tools.port import Source
from graph import events as ev
from graph.items import Annotation, Answer, Call, Message, Turn
from graph.request import RunRequest
from graph.run import TERMINAL, Failure, Run, RunOver, Status, fold

SOURCE = Source("a.md", "a passage")
MARK = Annotation(4, 11, "【1†a.md】", SOURCE)


def new_run(agent: str = "supervisor") -> Run:
    return Run("r", "t", "c", RunRequest("t", (PromptMessage("user", "Hi"),), agent=agent), created_at=1, expires_at=99)


def folded(*events: ev.Event, run: Run | None = None) -> Run:
    return reduce(fold, events, run or new_run())


def turn(*call_ids: str, agent: str = "supervisor", usage: Usage | None = None) -> ev.TurnCompleted:
    return ev.TurnCompleted(agent, None, call_ids, "stop", "m", usage or Usage(1, 1))


TERMINALS: dict[type, tuple[ev.Terminal, Status]] = {
    ev.RunCompleted: (ev.RunCompleted(at=9), "completed"),
    ev.RunIncomplete: (ev.RunIncomplete("max_completion_tokens", at=9), "incomplete"),
    ev.RunFailed: (ev.RunFailed("upstream_error", "The model is away.", at=9), "failed"),
    ev.RunCancelled: (ev.RunCancelled(at=9), "cancelled"),
    ev.RunExpired: (ev.RunExpired(at=9), "expired"),
}
OTHERS: Sequence[ev.Durable] = (
    ev.RunStarted(2, 0),
    turn(),
    ev.MessageCompleted("m", "supervisor", "Hi", "completed", "answer"),
    ev.CallCompleted("c", "f", "{}", "client"),
    ev.AgentStarted("c", "researcher", "look"),
    ev.AgentFinished("c", "researcher", "ok", Usage()),
    ev.CallAnswered("c", "out", "ok", "agent"),
    ev.ActionRequired(("c",)),
    ev.CancelRequested(),
)
LIVE: Sequence[ev.Live] = (
    ev.MessageStarted("m", "supervisor"),
    ev.TextDelta("m", "Hi"),
    ev.CallStarted("c", "f", "client"),
    ev.CallDelta("c", "{}"),
    ev.AgentProgress("c", "researcher", "hm"),
)


def test_every_event_is_tried_here() -> None:
    assert {type(event) for event in OTHERS} | set(TERMINALS) == set(get_args(ev.Durable))
    assert {type(event) for event in LIVE} == set(get_args(ev.Live))
    assert {status for _, status in TERMINALS.values()} == TERMINAL


def test_a_run_starts() -> None:
    run = folded(ev.RunStarted(3, 1, at=5))
    assert (run.status, run.fence, run.attempts, run.started_at) == ("in_progress", 3, 1, 5)
    assert (run.journal_length, run.ended) == (1, False)


def test_taking_a_run_over_keeps_its_start_and_its_items() -> None:
    run = folded(ev.RunStarted(1, 0, at=5), OTHERS[2], ev.RunStarted(2, 1, at=50))
    assert (run.fence, run.attempts, run.started_at, run.journal_length) == (2, 1, 5, 3)
    assert [message.text for message in run.messages] == ["Hi"]


@pytest.mark.parametrize("terminal", TERMINALS)
def test_the_end(terminal: type) -> None:
    event, status = TERMINALS[terminal]
    run = folded(ev.RunStarted(1, 0), ev.ActionRequired(("c",)), event)
    assert (run.status, run.ended, run.ended_at, run.required) == (status, True, 9, ())
    assert run.failure == (Failure("upstream_error", "The model is away.") if status == "failed" else None)
    assert run.incomplete_reason == ("max_completion_tokens" if status == "incomplete" else None)


@pytest.mark.parametrize("terminal", TERMINALS)
def test_nothing_comes_after_the_end(terminal: type) -> None:
    ended = folded(TERMINALS[terminal][0])
    for event in [*OTHERS, *(event for event, _ in TERMINALS.values())]:
        with pytest.raises(RunOver, match=type(event).__name__):
            fold(ended, event)


def test_live_events_change_nothing() -> None:
    run = folded(ev.RunStarted(1, 0), *OTHERS[1:8])
    assert folded(*LIVE, run=run) is run
    ended = folded(ev.RunCompleted(), run=run)
    assert folded(*LIVE, run=ended) is ended


def test_items_are_what_happened_in_order() -> None:
    usage = Usage(5, 2)
    run = folded(
        ev.RunStarted(1, 0),
        ev.MessageCompleted("m1", "supervisor", "See 【1†a.md】", "incomplete", "commentary", (MARK,)),
        ev.CallCompleted("c1", "search", '{"q":1}', "server"),
        ev.TurnCompleted("supervisor", "m1", ("c1",), "length", "gpt", usage),
        ev.CallAnswered("c1", "out", "error", "server", (SOURCE,)),
    )
    assert run.items == (
        Message("m1", "supervisor", "See 【1†a.md】", "incomplete", "commentary", (MARK,)),
        Call("c1", "search", '{"q":1}', "server"),
        Turn("supervisor", "m1", ("c1",), "length", "gpt", usage),
        Answer("c1", "out", "error", "server", (SOURCE,)),
    )
    assert run.journal_length == 5


def test_the_answer_is_the_last_text_that_is_one() -> None:
    words = ev.MessageCompleted("m1", "supervisor", "I will ask.", "completed", "commentary")
    text = ev.MessageCompleted("m2", "writer", "The text.", "completed", "answer")
    assert folded(ev.RunStarted(1, 0), words).answer is None
    run = folded(ev.RunStarted(1, 0), words, text)
    assert run.answer is not None
    assert (run.answer.id, run.answer.agent) == ("m2", "writer")
    assert [message.id for message in run.messages] == ["m1", "m2"]


def test_a_run_that_waits_is_resumed_by_answers() -> None:
    calls = [ev.CallCompleted(f"c{n}", "f", "{}", "client") for n in range(3)]
    waiting = folded(ev.RunStarted(1, 0), *calls, turn("c0", "c1", "c2"), ev.ActionRequired(("c2", "c1")))
    assert (waiting.status, waiting.required) == ("requires_action", ("c2", "c1"))
    assert [call.id for call in waiting.open_calls] == ["c1", "c2"]
    partly = folded(ev.CallAnswered("c2", "out", "ok", "client"), run=waiting)
    assert partly.required == ("c1",)
    resumed = folded(ev.RunStarted(2, 0), ev.CallAnswered("c2", "out", "ok", "client"), run=waiting)
    assert (resumed.status, resumed.required, resumed.open_calls) == ("in_progress", (), ())


def test_a_second_pause_asks_for_what_is_new() -> None:
    first: list[ev.Event] = [ev.CallCompleted("c1", "f", "{}", "client"), turn("c1"), ev.ActionRequired(("c1",))]
    again: list[ev.Event] = [ev.RunStarted(2, 0), ev.CallAnswered("c1", "out", "ok", "client")]
    second: list[ev.Event] = [ev.CallCompleted("c2", "f", "{}", "client"), turn("c2"), ev.ActionRequired(("c2",))]
    run = folded(ev.RunStarted(1, 0), *first, *again, *second)
    assert [call.id for call in run.open_calls] == ["c2"]
    assert run.iterations == 2


def test_a_cancel_that_was_asked_for_outlives_a_takeover() -> None:
    run = folded(ev.RunStarted(1, 0), ev.CancelRequested(at=7), ev.RunStarted(2, 1))
    assert (run.status, run.cancel_requested_at, run.ended) == ("cancelling", 7, False)
    assert folded(ev.RunCancelled(), run=run).status == "cancelled"


def test_usage_is_summed_by_agent() -> None:
    estimated = Usage(10, 1, reasoning_tokens=2, cached_tokens=3, estimated=True)
    run = folded(
        ev.RunStarted(1, 0),
        turn("c1", usage=Usage(100, 10)),
        ev.AgentFinished("c1", "researcher", "ok", Usage(7, 3)),
        ev.AgentFinished("c2", "writer", "ok", Usage()),
        turn(agent="writer", usage=estimated),
        turn(usage=Usage(200, 20)),
    )
    assert dict(run.usage_by_agent) == {
        "supervisor": Usage(300, 30),
        "researcher": Usage(7, 3),
        "writer": estimated,
    }
    assert run.usage_total == Usage(317, 34, 2, 3, estimated=True)
    assert run.usage_total.total_tokens == 351
    assert new_run().usage_total == Usage()


def test_agents_are_named_in_the_order_of_their_first_call() -> None:
    run = folded(
        ev.RunStarted(1, 0),
        turn("c1", "c2"),
        ev.AgentStarted("c1", "writer", "a"),
        ev.AgentStarted("c2", "analyst", "b"),
        ev.AgentFinished("c2", "analyst", "ok", Usage(1, 1)),
        ev.AgentFinished("c1", "writer", "error", Usage(1, 1)),
        turn("c3"),
        ev.AgentStarted("c3", "writer", "again"),
        turn(agent="writer"),
    )
    assert run.agents_used == ("writer", "analyst")
    assert run.iterations == 2


def test_a_supervisor_that_answers_alone_used_nobody() -> None:
    run = folded(ev.RunStarted(1, 0), turn(), ev.RunCompleted())
    assert (run.agents_used, run.iterations) == ((), 1)


def test_an_agent_that_works_alone_is_the_one_that_was_used() -> None:
    run = folded(
        ev.RunStarted(1, 0), turn("c1", agent="researcher"), turn(agent="researcher"), run=new_run("researcher")
    )
    assert (run.agents_used, run.iterations) == (("researcher",), 2)


def test_folding_makes_new_values_and_leaves_the_old_ones_alone() -> None:
    before = folded(ev.RunStarted(1, 0))
    folded(*OTHERS, run=before)
    assert before == folded(ev.RunStarted(1, 0, at=before.started_at or 0))
