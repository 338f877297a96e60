"""A handful of event sequences that every dialect tells. Ids and times are fixed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce

from agents.models.port import Message, Params, ToolSpec, Usage
from agents.tools.port import Source
from graph import events as ev
from graph.items import Annotation
from graph.request import RunRequest
from graph.run import Run, fold

RUN = "0000000000000000000000Ru"
CONVERSATION = "0000000000000000000000Co"
START = 1_790_000_000_000
WEATHER = ToolSpec("get_weather", "The weather of a city.", {"type": "object", "properties": {"city": {}}})


@dataclass(frozen=True)
class Story:
    """A run as it was accepted, and what happened then."""

    name: str
    run: Run
    events: Sequence[ev.Event]

    @property
    def end(self) -> Run:
        """The run after all of it."""
        return reduce(fold, self.events, self.run)


def accepted(text: str = "Hi", **changes: object) -> Run:
    """A run before its work."""
    request = RunRequest(
        "default",
        (Message("user", text),),
        label="cortex-flow",
        params=Params(stream=True),
        watched=True,
    )
    request = replace(request, **changes)  # type: ignore[arg-type]
    return Run(RUN, "default", CONVERSATION, request, START, START + 600_000)


def used(prompt: int, completion: int) -> Usage:
    return Usage(prompt, completion)


def text(id: str, *pieces: str, agent: str = "supervisor", phase: str = "answer", at: int = START) -> list[ev.Event]:
    """A text that is told piece by piece."""
    whole = "".join(pieces)
    return [
        ev.MessageStarted(id, agent),
        *(ev.TextDelta(id, piece) for piece in pieces),
        ev.MessageCompleted(id, agent, whole, "completed", phase, at=at),  # type: ignore[arg-type]
    ]


def turn(
    message: str | None = None,
    calls: Sequence[str] = (),
    *,
    agent: str = "supervisor",
    finish: str = "stop",
    at: int = START,
) -> ev.TurnCompleted:
    reason = "tool_calls" if calls else finish
    return ev.TurnCompleted(agent, message, tuple(calls), reason, "offline", used(10, 5), at)  # type: ignore[arg-type]


def delegation(call: str, agent: str, arguments: str, at: int = START) -> list[ev.Event]:
    name = f"transfer_to_{agent}"
    return [ev.CallStarted(call, name, "delegation"), ev.CallCompleted(call, name, arguments, "delegation", at)]


def client_call(call: str, *pieces: str, at: int = START) -> list[ev.Event]:
    return [
        ev.CallStarted(call, WEATHER.name, "client"),
        *(ev.CallDelta(call, piece) for piece in pieces),
        ev.CallCompleted(call, WEATHER.name, "".join(pieces), "client", at),
    ]


def findings(call: str, agent: str, output: str, at: int = START, status: str = "ok") -> list[ev.Event]:
    """An agent's work, from the progress it shows to the answer of its call."""
    answered = "ok" if status == "ok" else "error"
    return [
        ev.AgentProgress(call, agent, f"{agent} at work"),
        ev.AgentFinished(call, agent, status, used(20, 10), at=at),  # type: ignore[arg-type]
        ev.CallAnswered(call, output, answered, "agent", at=at),  # type: ignore[arg-type]
    ]


PLAIN = Story(
    "plain",
    accepted(),
    [
        ev.RunStarted(1, 0, START),
        *text("m1", "Hello", ", wor", "ld.", at=START + 900),
        turn("m1", at=START + 900),
        ev.RunCompleted(START + 1000),
    ],
)

DELEGATED = Story(
    "delegated",
    accepted("Research tea"),
    [
        ev.RunStarted(1, 0, START),
        *delegation("c1", "researcher", '{"task":"tea"}'),
        turn(calls=["c1"]),
        ev.AgentStarted("c1", "researcher", "tea", START),
        *findings("c1", "researcher", "Tea is a drink."),
        *text("m1", "Tea is ", "a drink."),
        turn("m1"),
        ev.RunCompleted(START + 2500),
    ],
)

PARALLEL = Story(
    "parallel",
    accepted("Research and compute"),
    [
        ev.RunStarted(1, 0, START),
        *delegation("c1", "researcher", '{"task":"tea"}'),
        *delegation("c2", "analyst", '{"task":"1+1"}'),
        turn(calls=["c1", "c2"]),
        ev.AgentStarted("c1", "researcher", "tea", START),
        ev.AgentStarted("c2", "analyst", "1+1", START),
        ev.AgentProgress("c1", "researcher", "Looking. "),
        *findings("c2", "analyst", "2"),
        *findings("c1", "researcher", "", status="timeout"),
        *text("m1", "Two."),
        turn("m1"),
        ev.RunCompleted(START + 3000),
    ],
)

FINAL_WRITER = Story(
    "final writer",
    accepted("Write a poem"),
    [
        ev.RunStarted(1, 0, START),
        *delegation("c1", "writer", '{"task":"poem","final":true}'),
        turn(calls=["c1"]),
        ev.AgentStarted("c1", "writer", "poem", START),
        *text("m1", "Roses\n", "are red.", agent="writer"),
        turn("m1", agent="writer"),
        ev.AgentFinished("c1", "writer", "ok", Usage(), at=START),
        ev.CallAnswered("c1", "m1", "ok", "agent", at=START),
        ev.RunCompleted(START + 2000),
    ],
)

CLIENT_CALLS = Story(
    "client's calls",
    accepted("Weather in Rome and Oslo?", tools=(WEATHER,)),
    [
        ev.RunStarted(1, 0, START),
        *client_call("call_1", '{"city":', '"Rome"}'),
        *client_call("call_2", '{"city":"Oslo"}'),
        turn(calls=["call_1", "call_2"]),
        ev.ActionRequired(("call_1", "call_2"), START + 700),
    ],
)

CALLS_ANSWERED = Story(
    "client's calls answered",
    CLIENT_CALLS.end,
    [
        ev.RunStarted(2, 0, START + 5000),
        ev.CallAnswered("call_1", "sun", "ok", "client", at=START + 5000),
        ev.CallAnswered("call_2", "snow", "ok", "client", at=START + 5000),
        *text("m2", "Sun in Rome, ", "snow in Oslo."),
        turn("m2"),
        ev.RunCompleted(START + 6000),
    ],
)

COMMENTARY = Story(
    "commentary and calls",
    accepted("Weather in Rome?", tools=(WEATHER,)),
    [
        ev.RunStarted(1, 0, START),
        *text("m1", "I will ask ", "the researcher.", phase="commentary"),
        *delegation("c1", "researcher", '{"task":"Rome"}'),
        turn("m1", ["c1"]),
        ev.AgentStarted("c1", "researcher", "Rome", START),
        *findings("c1", "researcher", "Rome is a city."),
        *text("m2", "Now the weather.", phase="commentary"),
        *client_call("call_1", '{"city":"Rome"}'),
        turn("m2", ["call_1"]),
        ev.ActionRequired(("call_1",), START + 900),
    ],
)

CUT_SHORT = Story(
    "cut short",
    accepted("Count to a million", params=Params(max_tokens=3)),
    [
        ev.RunStarted(1, 0, START),
        *text("m1", "One, ", "two"),
        turn("m1", finish="length"),
        ev.RunIncomplete("max_completion_tokens", START + 400),
    ],
)

FILTERED = Story(
    "filtered",
    accepted(),
    [
        ev.RunStarted(1, 0, START),
        *text("m1", "I "),
        turn("m1", finish="content_filter"),
        ev.RunIncomplete("content_filter", START + 400),
    ],
)

FAILED_AT_ONCE = Story(
    "failed before the first token",
    accepted(),
    [
        ev.RunStarted(1, 0, START),
        ev.RunFailed("rate_limit_exceeded", "The model's provider says: slow down.", at=START + 100),
    ],
)

FAILED_LATE = Story(
    "failed after the first token",
    accepted(),
    [
        ev.RunStarted(1, 0, START),
        ev.MessageStarted("m1", "supervisor"),
        ev.TextDelta("m1", "Hel"),
        ev.MessageCompleted("m1", "supervisor", "Hel", "incomplete", "answer", at=START + 90),
        ev.RunFailed("upstream_error", "The model's provider hung up.", at=START + 100),
    ],
)

CANCELLED = Story(
    "cancelled",
    accepted(),
    [
        ev.RunStarted(1, 0, START),
        ev.MessageStarted("m1", "supervisor"),
        ev.TextDelta("m1", "Hel"),
        ev.MessageCompleted("m1", "supervisor", "Hel", "incomplete", "answer", at=START + 90),
        ev.CancelRequested(START + 100),
        ev.RunCancelled(START + 100),
    ],
)

EXPIRED = Story("expired", accepted(), [ev.RunStarted(1, 0, START), ev.RunExpired(START + 600_000)])

_QUOTED = "Tea is old【1†web】."
CITED = Story(
    "cited",
    accepted("Is tea old?"),
    [
        ev.RunStarted(1, 0, START),
        *text("m1", "Let me see.", phase="commentary"),
        turn("m1"),
        ev.MessageStarted("m2", "supervisor"),
        ev.TextDelta("m2", _QUOTED),
        ev.MessageCompleted(
            "m2",
            "supervisor",
            _QUOTED,
            "completed",
            "answer",
            (Annotation(10, 17, "【1†web】", Source("web", url="https://tea.example/old")),),
            at=START,
        ),
        turn("m2"),
        ev.RunCompleted(START + 1000),
    ],
)

REFUSED = Story(
    "refused",
    accepted("Do harm"),
    [
        ev.RunStarted(1, 0, START),
        ev.MessageStarted("m1", "supervisor", refusal=True),
        ev.TextDelta("m1", "I can't "),
        ev.TextDelta("m1", "do that."),
        ev.MessageCompleted("m1", "supervisor", "I can't do that.", "completed", "answer", refusal=True, at=START),
        turn("m1"),
        ev.RunCompleted(START + 1000),
    ],
)

STORIES: tuple[Story, ...] = (
    PLAIN,
    DELEGATED,
    PARALLEL,
    FINAL_WRITER,
    CLIENT_CALLS,
    CALLS_ANSWERED,
    COMMENTARY,
    CUT_SHORT,
    FILTERED,
    FAILED_AT_ONCE,
    FAILED_LATE,
    CANCELLED,
    EXPIRED,
    CITED,
    REFUSED,
)
