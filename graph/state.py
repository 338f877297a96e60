"""`step`: the only rule for what comes next. It reads the run's items and nothing else, so that a fresh turn, a pause for
the client, submitted outputs and recovery after a crash are one mechanism."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from agents.supervisor import TRANSFER
from graph.items import Answer, Call, Item, Turn


@dataclass(frozen=True, slots=True)
class Ask:
    """The entry agent has the word."""


@dataclass(frozen=True, slots=True)
class Do:
    """Agents and server tools work, all at the same time."""

    calls: tuple[Call, ...]


@dataclass(frozen=True, slots=True)
class Write:
    """The writer's text is the answer."""

    call: Call


@dataclass(frozen=True, slots=True)
class Wait:
    """The client has to answer these calls."""

    calls: tuple[Call, ...]


@dataclass(frozen=True, slots=True)
class End:
    """The newest turn's text is the answer."""


Move = Ask | Do | Write | Wait | End


def step(items: Sequence[Item]) -> Move:
    """What comes next. Client calls of a turn wait until everything that can be answered inside is answered."""
    turn = newest_turn(items)
    if turn is None:
        return Ask()
    calls = calls_of(items, turn)
    answered = {item.call_id for item in items if isinstance(item, Answer)}
    open_calls = tuple(call for call in calls if call.id not in answered)
    inside = tuple(call for call in open_calls if call.kind != "client")
    if inside:
        return Write(inside[0]) if len(calls) == 1 and is_final(inside[0]) else Do(inside)
    if open_calls:
        return Wait(open_calls)
    if calls:
        return Ask()
    return Ask() if _to_be_asked_again(items, turn) else End()


def newest_turn(items: Sequence[Item]) -> Turn | None:
    return next((item for item in reversed(items) if isinstance(item, Turn)), None)


def calls_of(items: Sequence[Item], turn: Turn) -> tuple[Call, ...]:
    """A turn's calls, in its order."""
    calls = {item.id: item for item in items if isinstance(item, Call)}
    return tuple(calls[call_id] for call_id in turn.call_ids)


def is_final(call: Call) -> bool:
    """Whether the writer was asked for the answer itself."""
    return (
        call.kind == "delegation"
        and call.name.endswith(f"{TRANSFER}writer")
        and arguments_of(call).get("final") is True
    )


def arguments_of(call: Call) -> dict[str, object]:
    """A call's arguments; empty where they are no JSON object."""
    try:
        parsed = orjson.loads(call.arguments or b"{}")
    except orjson.JSONDecodeError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def is_empty(turn: Turn) -> bool:
    """A turn in which nothing was said and nobody called, though nothing kept it from it."""
    return turn.message_id is None and not turn.call_ids and turn.finish not in ("length", "content_filter")


def _to_be_asked_again(items: Sequence[Item], turn: Turn) -> bool:
    return is_empty(turn) and sum(isinstance(item, Turn) and is_empty(item) for item in items) == 1


def agent_name(call_name: str) -> str:
    """The agent that a transfer names, whatever the tool was renamed to; any other tool's own name."""
    return call_name.rpartition(TRANSFER)[2]
