"""Everything that can happen in a run. Durable events make the journal; live ones only pass by.

Facts that a dialect may rely on:

- The order of a turn's commit: `MessageCompleted`, `CallCompleted`..., `TurnCompleted`, then `AgentStarted`... or
  `ActionRequired`. A turn exists when its `TurnCompleted` does.
- Parts of one turn are told one after the other: the text first, then the client's calls in order.
- A `RunStarted` with a higher fence than the last says that open parts of the last owner are void.
- Every part that was started is completed before a terminal event.
- `at` is epoch milliseconds.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Literal

from agents.models.port import FinishReason, TokenLogprob, Usage
from agents.tools.port import Found, Made, Source
from graph.items import Annotation, AnsweredBy, AnswerStatus, CallKind, MessageStatus, Phase

AgentStatus = Literal["ok", "error", "timeout", "empty"]
IncompleteReason = Literal["max_completion_tokens", "max_prompt_tokens", "content_filter"]


def now_ms() -> int:
    """The time as events carry it."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class RunStarted:
    """An owner took the run: at its start, after a pause, at a hand-over or a takeover."""

    fence: int
    attempt: int
    at: int = field(default_factory=now_ms)


@dataclass(frozen=True, slots=True)
class MessageCompleted:
    """A text is whole, or was cut (`incomplete`). The only copy of the turn's text. `refusal`: it is no answer, and says
    why there is none. `logprobs` are in no journal: they pass by with the text. `images` are ids of files, as clients write
    them, that are shown with it."""

    message_id: str
    agent: str
    text: str
    status: MessageStatus
    phase: Phase
    annotations: tuple[Annotation, ...] = ()
    refusal: bool = False
    at: int = field(default_factory=now_ms)
    logprobs: tuple[TokenLogprob, ...] = ()
    images: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CallCompleted:
    """A call of the entry agent is whole."""

    call_id: str
    name: str
    arguments: str
    kind: CallKind
    at: int = field(default_factory=now_ms)


@dataclass(frozen=True, slots=True)
class TurnCompleted:
    """Closes a turn of the entry agent, or of the writer whose text is the answer."""

    agent: str
    message_id: str | None
    call_ids: tuple[str, ...]
    finish: FinishReason
    model: str
    usage: Usage
    at: int = field(default_factory=now_ms)


@dataclass(frozen=True, slots=True)
class AgentStarted:
    """An agent was given a task."""

    call_id: str
    agent: str
    task: str
    at: int = field(default_factory=now_ms)


@dataclass(frozen=True, slots=True)
class AgentCall:
    """A tool or model call inside an agent's work. `output` is cut at 32 KB; `kind` is tool or model."""

    kind: Literal["tool", "model"]
    name: str
    arguments: str
    output: str
    status: AnswerStatus
    started_at: int
    ended_at: int
    usage: Usage | None = None
    found: tuple[Found, ...] = ()
    made: tuple[Made, ...] = ()


@dataclass(frozen=True, slots=True)
class AgentFinished:
    """An agent ended its work. `usage` is empty where a `TurnCompleted` counts it (the writer whose text is the answer)."""

    call_id: str
    agent: str
    status: AgentStatus
    usage: Usage
    calls: tuple[AgentCall, ...] = ()
    at: int = field(default_factory=now_ms)


@dataclass(frozen=True, slots=True)
class CallAnswered:
    """A call has its output: from an agent, a tool of the server, or the client. `found` are the passages in it that came
    from the client's files, `made` the files that programs have made on the way to it.

    Where the writer's text is the answer, `output` is that message's id.
    """

    call_id: str
    output: str
    status: AnswerStatus
    by: AnsweredBy
    sources: tuple[Source, ...] = ()
    at: int = field(default_factory=now_ms)
    found: tuple[Found, ...] = ()
    made: tuple[Made, ...] = ()


@dataclass(frozen=True, slots=True)
class ActionRequired:
    """The run waits for exactly these calls of the client."""

    call_ids: tuple[str, ...]
    at: int = field(default_factory=now_ms)


@dataclass(frozen=True, slots=True)
class CancelRequested:
    at: int = field(default_factory=now_ms)


@dataclass(frozen=True, slots=True)
class RunCompleted:
    at: int = field(default_factory=now_ms)


@dataclass(frozen=True, slots=True)
class RunIncomplete:
    """The run ended with less than it wanted to say."""

    reason: IncompleteReason
    at: int = field(default_factory=now_ms)


@dataclass(frozen=True, slots=True)
class RunFailed:
    """`code` is a word of `graph.errors.FailureCode`; `message` may be shown to the client. Where a model's provider
    said so: its own `reason` for a refusal, the seconds to wait before another try, and the request's field at fault."""

    code: str
    message: str
    reason: str | None = None
    retry_after: float | None = None
    param: str | None = None
    at: int = field(default_factory=now_ms)


@dataclass(frozen=True, slots=True)
class RunCancelled:
    at: int = field(default_factory=now_ms)


@dataclass(frozen=True, slots=True)
class RunExpired:
    at: int = field(default_factory=now_ms)


@dataclass(frozen=True, slots=True)
class MessageStarted:
    """Live. A text begins, or a refusal."""

    message_id: str
    agent: str
    refusal: bool = False


@dataclass(frozen=True, slots=True)
class TextDelta:
    """Live. More of a text, as it came from the wire, and the tokens that are complete with it where they were asked for."""

    message_id: str
    text: str
    logprobs: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, slots=True)
class CallStarted:
    """Live. A call begins."""

    call_id: str
    name: str
    kind: CallKind


@dataclass(frozen=True, slots=True)
class CallDelta:
    """Live. More of a call's arguments."""

    call_id: str
    arguments: str


@dataclass(frozen=True, slots=True)
class AgentProgress:
    """Live, never replayed. What an agent says while it works."""

    call_id: str
    agent: str
    text: str


Terminal = RunCompleted | RunIncomplete | RunFailed | RunCancelled | RunExpired
Durable = (
    RunStarted
    | TurnCompleted
    | MessageCompleted
    | CallCompleted
    | AgentStarted
    | AgentFinished
    | CallAnswered
    | ActionRequired
    | CancelRequested
    | Terminal
)
Live = MessageStarted | TextDelta | CallStarted | CallDelta | AgentProgress
Event = Durable | Live
