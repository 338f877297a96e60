"""The stream of a run, as the Assistants API tells it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

import pytest

from agents.models.port import Usage
from graph import events as ev
from graph.journal import Position
from servers.assistants.events import DONE, RunEvents, opening
from servers.assistants.steps import Steps
from tests import stories
from tests.servers.assistants.told import TOLD
from tests.servers.described import Told, check_event, frames
from tests.servers.openai_schema import check
from tests.stories import STORIES, Story

each_story = pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)


def by_an_assistant(story: Story) -> Story:
    """The story as a run of an assistant's."""
    request = replace(story.run.request, assistant_id="asst_x", dialect="assistants", durable=True)
    return replace(story, run=replace(story.run, request=request))


def tell(story: Story, after: Position | None = None) -> list[Told]:
    encoder = RunEvents(by_an_assistant(story).run, after)
    return list(frames(b"".join(map(encoder.encode, whole(story)))))


def whole(story: Story) -> Sequence[ev.Event]:
    """The events of a run from its beginning: a story may begin in the middle."""
    if story is stories.CALLS_ANSWERED:
        return [*stories.CLIENT_CALLS.events, *story.events]
    return story.events


def words(told: Sequence[Told]) -> str:
    """All that the deltas say."""
    deltas = [data["delta"]["content"][0] for event, data, _ in told if event == "thread.message.delta"]
    return "".join(delta.get("refusal") or delta.get("text", {}).get("value", "") for delta in deltas)


def names(told: Sequence[Told]) -> list[str]:
    return [event.removeprefix("thread.") for event, _, _ in told]


@each_story
def test_every_frame_is_what_openai_describes(story: Story) -> None:
    for told in tell(story):
        check_event(told)


@each_story
def test_the_events_of_a_story(story: Story) -> None:
    runs = [(name, len(list(same))) for name, same in groupby(names(tell(story)))]
    assert [name if count == 1 else f"{name}*{count}" for name, count in runs] == TOLD[story.name].split()


@each_story
def test_a_step_ends_as_it_can_be_read_later(story: Story) -> None:
    steps = Steps()
    for event in whole(story):
        steps.apply(event)
    ended = {
        data["id"]: data
        for event, data, _ in tell(story)
        if event.startswith("thread.run.step.") and data.get("status")
    }
    assert [step.id for step in steps.all] == list(ended)


@each_story
def test_a_reader_that_was_cut_off_reads_the_rest(story: Story) -> None:
    """At each id that was seen, what follows is what would have followed."""
    told = tell(story)
    for number, (_, _, id) in enumerate(told):
        if id is not None:
            assert tell(story, Position.parse(id)) == told[number + 1 :]


@each_story
def test_a_delta_that_was_seen_half_is_completed(story: Story) -> None:
    first = next((index for index, event in enumerate(story.events) if isinstance(event, ev.TextDelta)), None)
    if first != 2 or story is stories.CALLS_ANSWERED:
        return  # something else came before the text
    assert words(tell(story, Position(1, 1 + 1))) == words(tell(story))[1:]


def test_a_plain_answer_in_the_order_that_handlers_consume() -> None:
    assert names(list(frames(opening(by_an_assistant(stories.PLAIN).run)))) == ["run.created", "run.queued"]
    assert names(tell(stories.PLAIN)) == [
        "run.in_progress",
        "run.step.created",
        "run.step.in_progress",
        "message.created",
        "message.in_progress",
        "message.delta",
        "message.delta",
        "message.delta",
        "message.completed",
        "run.step.completed",
        "run.completed",
    ]
    assert DONE == b"event: done\ndata: [DONE]\n\n"


def test_who_submits_outputs_reads_no_delta_of_a_step_that_it_was_not_told_of() -> None:
    asked = stories.CLIENT_CALLS.end
    told = tell(stories.CALLS_ANSWERED, Position(asked.journal_length, 0))
    assert names(told)[:4] == ["run.queued", "run.in_progress", "run.step.completed", "run.step.created"]
    completed = told[2][1]["step_details"]["tool_calls"]
    assert [call["function"]["output"] for call in completed] == ["sun", "snow"]


def test_a_text_that_was_cut_off_says_why() -> None:
    reasons = {
        story.name: next(
            data["incomplete_details"] for event, data, _ in tell(story) if event.endswith("message.incomplete")
        )
        for story in (stories.FAILED_LATE, stories.CANCELLED)
    }
    assert reasons == {
        stories.FAILED_LATE.name: {"reason": "run_failed"},
        stories.CANCELLED.name: {"reason": "run_cancelled"},
    }


def test_what_an_owner_has_told_half_is_void() -> None:
    run = by_an_assistant(stories.PLAIN).run
    encoder = RunEvents(run)
    half: list[ev.Event] = [
        ev.RunStarted(1, 0),
        ev.MessageStarted("m1", "supervisor"),
        ev.TextDelta("m1", "Hel"),
        ev.RunStarted(2, 1),
    ]
    told = names(list(frames(b"".join(map(encoder.encode, half)))))
    assert told[-3:] == ["message.incomplete", "run.step.cancelled", "run.in_progress"]


def test_programs_that_an_agent_has_run_are_numbered_in_deltas() -> None:
    steps = Steps()
    steps.apply(ev.CallCompleted("call_1", "transfer_to_analyst", '{"task": "Add."}', "delegation"))
    program = ev.AgentCall("tool", "python", '{"code": "1 + 1"}', "2", "ok", 0, 1)
    [change] = steps.apply(ev.AgentFinished("call_1", "analyst", "ok", Usage(), (program,)))
    details = {"step_details": {"type": "tool_calls", "tool_calls": list(change.delta)}}
    check("RunStepDeltaObject", {"id": change.step.id, "object": "thread.run.step.delta", "delta": details}, without=())
    assert change.delta[0]["code_interpreter"]["outputs"] == [{"index": 0, "type": "logs", "logs": "2"}]
