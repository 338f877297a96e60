"""Items: what a run's durable events fold to. The graph's state is a list of them, and `step` reads nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from agents.models.port import FinishReason, TokenLogprob, Usage
from agents.tools.port import Made, Source

CallKind = Literal["delegation", "server", "client"]
Phase = Literal["commentary", "answer"]
AnswerStatus = Literal["ok", "error"]
AnsweredBy = Literal["agent", "server", "client"]
MessageStatus = Literal["completed", "incomplete"]


@dataclass(frozen=True, slots=True)
class Annotation:
    """A mark in a text and what it stands for. `start` and `end` are code points of that text, end exclusive: of all text
    parts together, where there are several. A `path` stands for a file that was made, anything else is a citation."""

    start: int
    end: int
    mark: str
    source: Source
    path: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """A text the client sees: the answer, or words spoken before a call. `refusal`: it says why there is no answer.
    `images`: files that are shown with it."""

    id: str
    agent: str
    text: str
    status: MessageStatus
    phase: Phase
    annotations: tuple[Annotation, ...] = ()
    logprobs: tuple[TokenLogprob, ...] = ()
    refusal: bool = False
    images: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call of the entry agent. Its kind is decided once, by the run's own tool table."""

    id: str
    name: str
    arguments: str
    kind: CallKind


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn of the entry agent, or of the writer whose text is the answer. It exists when its `TurnCompleted` does."""

    agent: str
    message_id: str | None
    call_ids: tuple[str, ...]
    finish: FinishReason
    model: str
    usage: Usage


@dataclass(frozen=True, slots=True)
class Answer:
    """The output of a call, whoever gave it, and the files that were made on the way to it."""

    call_id: str
    output: str
    status: AnswerStatus
    by: AnsweredBy
    sources: tuple[Source, ...] = ()
    made: tuple[Made, ...] = ()


Item = Message | Call | Turn | Answer
