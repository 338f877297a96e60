"""From a run's events to the events of an Assistants stream. Pure and synchronous.

The order is the one that the SDKs' event handlers consume. The last frame of each event of the run carries its position as
`id`: a reader that was cut off names it as `Last-Event-ID`, and goes on behind it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import orjson

from graph import events as ev
from graph.items import Message
from graph.journal import Position, advance
from graph.run import Run, accepted, fold
from graph.said import spoken
from servers.assistants.encode import (
    annotation,
    image,
    message_begun,
    message_object,
    run_object,
    step_object,
)
from servers.assistants.steps import Change, Steps
from servers.errors import ApiError

DONE: Final = b"event: done\ndata: [DONE]\n\n"

Frame = tuple[str, Mapping[str, Any]]


@dataclass(slots=True)
class _Text:
    """A message that is being told, since `at`."""

    at: int
    refusal: bool
    said: list[str] = field(default_factory=list)


class RunEvents:
    """The frames of a run's stream: `encode` for each thing that happens since the run's beginning. What stands before
    `after` makes none: this reader has seen it, or another one has, with the answer that asked for tool outputs. `content`: steps tell what
    searches of files have found."""

    def __init__(self, run: Run, after: Position | None = None, *, content: bool = False) -> None:
        self.run = accepted(run)
        self._after = after or Position()
        self._seen = self._after.told  # of the turn that was open there
        self._position = Position()
        self._steps = Steps()
        self._content = content
        self._open: dict[str, _Text] = {}
        self._cut: list[tuple[Message, int, int]] = []  # why they were cut off is told by the event behind them
        self.over = False

    def encode(self, event: ev.Event) -> bytes:
        """The frames of an event, which may be none."""
        return b"".join([self._encode(part, seen) for part, seen in self._parted(event)])

    def _encode(self, event: ev.Event, seen: bool) -> bytes:
        frames = list(self._frames(event))
        self._position = advance(self._position, event)
        if seen:
            return b""
        return b"".join(
            [_frame(*each) for each in frames[:-1]] + [_frame(*each, self._position) for each in frames[-1:]]
        )

    def _parted(self, event: ev.Event) -> Iterable[tuple[ev.Event, bool]]:
        """The event, and whether its frames were seen: a delta that was seen half, in two. What was seen of an open turn is
        counted and not compared: live, its calls begin before its text is complete; told again, they come behind it."""
        if self._position.entries < self._after.entries:
            return [(event, True)]
        match event:
            case ev.RunStarted():
                self._seen = 0
                return [(event, False)]
            case ev.MessageStarted() | ev.CallStarted():
                return [(event, self._take(1) == 1)]
            case ev.TextDelta(id, text):
                return [(ev.TextDelta(id, part), seen) for part, seen in self._halves(text)]
            case ev.CallDelta(id, text):
                return [(ev.CallDelta(id, part), seen) for part, seen in self._halves(text)]
            case _:
                return [(event, False)]

    def _halves(self, text: str) -> list[tuple[str, bool]]:
        """What of a delta was seen, and what was not; neither is empty."""
        seen = self._take(len(text))
        return [(part, known) for part, known in ((text[:seen], True), (text[seen:], False)) if part]

    def _take(self, size: int) -> int:
        """How much of a part of this size was seen."""
        taken = min(size, self._seen)
        self._seen -= taken
        return taken

    def _frames(self, event: ev.Event) -> Iterable[Frame]:
        began, paused = self._steps.at or self.run.created_at, self.run.status == "requires_action"
        changes = self._steps.apply(event)
        self.run = fold(self.run, event)
        steps = [self._step(change) for change in changes]
        match event:
            case ev.RunStarted():
                return [*self._abandoned(), *steps, *self._started(again=paused)]
            case ev.MessageStarted(id, refusal=refusal):
                return [*steps, *self._begun(id, began, refusal)]
            case ev.TextDelta(id, text):
                return [self._more(id, text)]
            case ev.MessageCompleted(id, refusal=refusal):
                begun = [] if id in self._open else self._begun(id, began, refusal)
                return [*steps, *begun, *self._completed(event)]
            case ev.TurnCompleted() | ev.RunIncomplete() | ev.RunFailed() | ev.RunCancelled() | ev.RunExpired():
                return [*self._cut_off(), *steps, *self._ended()]
            case ev.RunCompleted():
                return [*steps, *self._ended()]
            case ev.ActionRequired():
                self.over = True
                return [*steps, ("thread.run.requires_action", run_object(self.run))]
            case ev.CancelRequested():
                return [("thread.run.cancelling", run_object(self.run))]
            case _:
                return steps

    def _started(self, *, again: bool) -> list[Frame]:
        queued = [("thread.run.queued", run_object(replace(self.run, status="queued")))] if again else []
        return [*queued, ("thread.run.in_progress", run_object(self.run))]

    def _begun(self, id: str, at: int, refusal: bool) -> list[Frame]:
        self._open[id] = _Text(at, refusal)
        begun = message_begun(id, self.run, at)
        return [("thread.message.created", begun), ("thread.message.in_progress", begun)]

    def _more(self, id: str, text: str) -> Frame:
        part = self._open[id]
        part.said.append(text)
        return _delta(id, {"type": "refusal", "refusal": text}) if part.refusal else _said(id, {"value": text})

    def _completed(self, event: ev.MessageCompleted) -> list[Frame]:
        began = self._open.pop(event.message_id).at
        item = self.run.messages[-1]
        if event.status == "incomplete":
            self._cut.append((item, began, event.at))
            return []
        cited = [{"index": n, **annotation(mark)} for n, mark in enumerate(event.annotations)]
        marks = [_said(event.message_id, {"annotations": cited})] if cited else []
        shown = [_delta(event.message_id, image(id), index) for index, id in enumerate(event.images, 1)]
        return [*marks, *shown, self._whole(item, began, event.at)]

    def _cut_off(self) -> list[Frame]:
        cut, self._cut = self._cut, []
        return [self._whole(*each) for each in cut]

    def _abandoned(self) -> list[Frame]:
        """What another owner has told half: it will be said anew, as another message."""
        half = [
            (Message(id, "", "".join(text.said), "incomplete", "answer", refusal=text.refusal), text.at, self._steps.at)
            for id, text in self._open.items()
        ]
        self._open = {}
        return [self._whole(*each) for each in half]

    def _whole(self, item: Message, began: int, ended: int) -> Frame:
        stored = spoken(self.run, item, began, ended)
        return f"thread.message.{item.status}", message_object(stored, self.run.conversation_id)

    def _ended(self) -> list[Frame]:
        if not self.run.ended:
            return []
        self.over = True
        return [(f"thread.run.{self.run.status}", run_object(self.run))]

    def _step(self, change: Change) -> Frame:
        if change.word != "delta":
            return f"thread.run.step.{change.word}", step_object(change.step, self.run, content=self._content)
        details = {"step_details": {"type": "tool_calls", "tool_calls": list(change.delta)}}
        return "thread.run.step.delta", {"id": change.step.id, "object": "thread.run.step.delta", "delta": details}


def opening(run: Run, thread: Mapping[str, Any] | None = None) -> bytes:
    """How the stream of a new run begins, before anything has happened in it."""
    new = run_object(accepted(run))
    made = [("thread.created", thread)] if thread is not None else []
    frames: list[Frame] = [*made, ("thread.run.created", new), ("thread.run.queued", new)]
    return b"".join([_frame(*each) for each in frames])


def failed(error: ApiError) -> bytes:
    """The frame of an error that is none of the run's. One SDK looks for `error`, OpenAI's description says the fields."""
    return _frame("error", {**error.body, **error.body["error"]})


def _said(id: str, text: Mapping[str, Any]) -> Frame:
    return _delta(id, {"type": "text", "text": text})


def _delta(id: str, part: Mapping[str, Any], index: int = 0) -> Frame:
    content = [{"index": index, **part}]
    return "thread.message.delta", {"id": f"msg_{id}", "object": "thread.message.delta", "delta": {"content": content}}


def _frame(name: str, data: Mapping[str, Any], position: Position | None = None) -> bytes:
    id = b"" if position is None else b"id: %d.%d\n" % position
    return b"event: " + name.encode() + b"\n" + id + b"data: " + orjson.dumps(data) + b"\n\n"
