"""The journal: a run's durable events, as they are written and as they are told again.

A position in a run's stream is `<journal length>.<told>`: how many entries were seen whole, and how much of the turn
after them: 1 for each part that was started (the message, then each call) plus its code points. No delta is ever
stored; the parts of a replay are cut from what the journal holds.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, NamedTuple, get_args

import orjson
from pydantic import TypeAdapter

from agents.models.port import TokenLogprob
from graph import events as ev
from graph.compact import compact, dumps
from graph.logprobs import behind

VERSION = 1
_CLASSES: dict[str, type] = {cls.__name__: cls for cls in get_args(ev.Durable)}
_UNSAID: Mapping[type, Mapping[str, Any]] = {
    ev.RunStarted: {"attempt": 0},
    ev.MessageCompleted: {"text": "", "status": "completed", "phase": "answer"},
    ev.TurnCompleted: {"message_id": None, "call_ids": (), "finish": "stop"},
}
"""What fields without a default nearly always are, and therefore where an entry does not say them."""
_NONE: Mapping[str, Any] = {}
_POSITION = re.compile(r"([0-9]{1,15})\.([0-9]{1,15})")


class Position(NamedTuple):
    """A place in a run's stream; `0.0` is before everything."""

    entries: int = 0
    told: int = 0

    def __str__(self) -> str:
        return f"{self.entries}.{self.told}"

    @classmethod
    def parse(cls, text: str) -> Position:
        """Read what `str` wrote. Raises `ValueError`."""
        numbers = _POSITION.fullmatch(text)
        if numbers is None:
            raise ValueError(f"no position: {text[:40]!r}")
        return cls(int(numbers[1]), int(numbers[2]))


def encode(event: ev.Durable) -> bytes:
    """An entry of a log: the event's fields, its class as `e`, the version as `v`. Lone surrogates become question marks."""
    return dumps({"v": VERSION, **to_dict(event)})


def decode(body: bytes) -> ev.Durable:
    """Read an entry back."""
    return from_dict(orjson.loads(body))


def to_dict(event: ev.Durable) -> dict[str, Any]:
    """An event as plain values, its class as `e`. What goes without saying is left out, and what only passes by."""
    unsaid = _UNSAID.get(type(event), _NONE)
    said = {name: value for name, value in compact(event).items() if name not in unsaid or value != unsaid[name]}
    said.pop("logprobs", None)
    return {"e": type(event).__name__, **said}


def from_dict(fields: Mapping[str, Any]) -> ev.Durable:
    """Read `to_dict` back."""
    cls = _CLASSES[fields["e"]]
    event: ev.Durable = _adapter(cls).validate_python({**_UNSAID.get(cls, _NONE), **fields})
    return event


@lru_cache
def _adapter(cls: type) -> TypeAdapter[Any]:
    return TypeAdapter(cls)


def without_text(event: ev.Durable) -> ev.Durable:
    """The event as it is stored where a message document holds the text."""
    return replace(event, text="", annotations=()) if isinstance(event, ev.MessageCompleted) else event


def advance(position: Position, event: ev.Event) -> Position:
    """The position after an event was told."""
    match event:
        case ev.MessageStarted() | ev.CallStarted():
            return Position(position.entries, position.told + 1)
        case ev.TextDelta(_, text):
            return Position(position.entries, position.told + len(text))
        case ev.CallDelta(_, arguments):
            return Position(position.entries, position.told + len(arguments))
        case ev.MessageCompleted(_, _, text):
            return Position(position.entries + 1, max(0, position.told - 1 - len(text)))
        case ev.CallCompleted(_, _, arguments):
            return Position(position.entries + 1, max(0, position.told - 1 - len(arguments)))
        case ev.AgentProgress():
            return position
        case ev.RunStarted():
            return Position(position.entries + 1, 0)
        case _:
            return Position(position.entries + 1, position.told)


def replay(journal: Sequence[ev.Durable], after: Position) -> Generator[ev.Event, None, int]:
    """Everything a follower has not seen, parts that it saw half completed by one delta. Returns how much it has been
    told of a turn that is still open."""
    told = after.told
    for event in journal[after.entries :]:
        if isinstance(event, ev.RunStarted):
            told = 0
        told = yield from _retell(event, told)
    return told


def left_over(journal: Sequence[ev.Durable], after: Position) -> int:
    """How much a follower has been told of a turn that is still open behind a journal."""
    telling = replay(journal, after)
    while True:
        try:
            next(telling)
        except StopIteration as over:
            told: int = over.value
            return told


def unseen(event: ev.Event, told: int) -> tuple[ev.Event | None, int]:
    """What of an event a follower has not seen that was told so much of the turn, and what is left of that."""
    if not told:
        return event, 0
    match event:
        case ev.MessageStarted() | ev.CallStarted():
            return None, told - 1
        case ev.TextDelta(id, text, logprobs):
            rest = text[told:]
            return ev.TextDelta(id, rest, behind(text[:told], logprobs)) if rest else None, max(0, told - len(text))
        case ev.CallDelta(id, text):
            return ev.CallDelta(id, text[told:]) if text[told:] else None, max(0, told - len(text))
        case ev.RunStarted():
            return event, 0
        case _:
            return event, told


@dataclass(slots=True, eq=False)
class OpenPart:
    """A part of the turn that is still being told."""

    start: ev.MessageStarted | ev.CallStarted
    text: list[str] = field(default_factory=list)
    logprobs: list[TokenLogprob] = field(default_factory=list)


def retell_open(parts: Iterable[OpenPart], told: int) -> Iterator[ev.Event]:
    """Tell the parts of a turn that is still open, from `told` on."""
    for part in parts:
        told = yield from _retell_part(part.start, "".join(part.text), told, part.logprobs)


def _retell(event: ev.Durable, told: int) -> Generator[ev.Event, None, int]:
    """Tell one entry again; returns what is left of `told`."""
    match event:
        case ev.MessageCompleted(id, agent, text, refusal=refusal):
            told = yield from _retell_part(ev.MessageStarted(id, agent, refusal), text, told, event.logprobs)
        case ev.CallCompleted(id, name, arguments, kind):
            told = yield from _retell_part(ev.CallStarted(id, name, kind), arguments, told)
    yield event
    return told


def _retell_part(
    start: ev.MessageStarted | ev.CallStarted, text: str, told: int, logprobs: Sequence[TokenLogprob] = ()
) -> Generator[ev.Event, None, int]:
    """Start a part that was not told yet, and tell the rest of its text by one delta."""
    if told == 0:
        yield start
    if rest := text[max(0, told - 1) :]:
        match start:
            case ev.MessageStarted(id):
                yield ev.TextDelta(id, rest, behind(text[: max(0, told - 1)], logprobs))
            case ev.CallStarted(id):
                yield ev.CallDelta(id, rest)
    return max(0, told - 1 - len(text))
