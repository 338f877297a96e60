"""A channel: what a run tells live, on its way from the process that carries it to another one, where it is followed.

Each listener has a channel of its own in the store they share: a log of what is said, and a document that says how long it
listens. A listener opens it, tells the run's owner its name, and renews it; the owner says first what is told of the open
turn, then everything that happens, durable or live, in the order in which it happens. Nothing is written where nobody
listens.

A channel whose run is over is removed by its listener. What a listener leaves behind that dies is swept up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, get_args

import orjson
from pydantic import TypeAdapter

from graph import events as ev
from graph import journal
from graph.compact import compact, dumps
from graph.ids import new_id
from graph.storage.port import Append, Conflict, Delete, Drop, Put, Storage

KIND: Final = "channel"
INTEREST: Final = 30.0  # seconds that a listener is believed to listen
_RENEW_AFTER: Final = INTEREST / 3
_LIVE: dict[str, type] = {cls.__name__: cls for cls in get_args(ev.Live)}
_FORGET_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Said:
    """An entry. `opening`: the journal's length where this begins; its events are what the open turn has told by then.
    `over`: the owner carries the run no more."""

    events: tuple[ev.Event, ...] = ()
    opening: int | None = None
    over: bool = False


class Channel:
    """One way from an owner to a listener. Both ends know its id."""

    def __init__(self, storage: Storage, tenant: str, id: str | None = None) -> None:
        self.id = id or new_id()
        self._storage, self._tenant = storage, tenant
        self._until = 0  # until when the other end is believed to know that somebody listens
        self._said = self._heard = 0

    async def listen(self, retention: float) -> None:
        """Say that somebody listens, where that has to be said anew. `retention`: the seconds after which what is left here may
        go, from when nobody listens."""
        now = ev.now_ms()
        if now + (INTEREST - _RENEW_AFTER) * 1000 < self._until:
            return
        until = now + int(INTEREST * 1000)
        body, due = orjson.dumps({"until": until}), until + int(retention * 1000)
        await self._storage.commit(self._tenant, Put(KIND, self.id, body, due=due))
        self._until = until

    async def is_heard(self) -> bool:
        """Whether somebody listens."""
        if ev.now_ms() >= self._until:
            document = await self._storage.get(self._tenant, KIND, self.id)
            self._until = 0 if document is None else orjson.loads(document.body)["until"]
        return ev.now_ms() < self._until

    async def say(self, said: Said) -> None:
        """Say it; said once, even where the answer of the store is lost and this is called again."""
        with suppress(Conflict):  # it stands already: nobody else speaks here
            await self._storage.commit(self._tenant, Append(self._log, (encode(said),), after=self._said))
        self._said += 1

    async def hear(self, timeout: float) -> Sequence[Said]:
        """What was said since the last time, which is nothing after so many seconds."""
        await self._storage.wait(self._tenant, self._log, self._heard, timeout)
        entries = await self._storage.read(self._tenant, self._log, after=self._heard)
        self._heard += len(entries)
        return [decode(body) for _, body in entries]

    async def remove(self) -> None:
        """Nothing more is said here."""
        await self._storage.commit(self._tenant, Drop(self._log), Delete(KIND, self.id))

    @property
    def _log(self) -> str:
        return f"{KIND}/{self.id}"


def encode(said: Said) -> bytes:
    """An entry of a channel's log. Deltas of one part that follow each other are one."""
    entry: dict[str, Any] = {"e": [_to_dict(event) for event in _joined(said.events)]}
    if said.opening is not None:
        entry["n"] = said.opening
    if said.over:
        entry["o"] = True
    return dumps(entry)


def decode(body: bytes) -> Said:
    """Read an entry back."""
    entry = orjson.loads(body)
    return Said(tuple(map(_from_dict, entry["e"])), entry.get("n"), entry.get("o", False))


async def forget_channels(storage: Storage) -> None:
    """Remove the channels at which nobody has listened for long."""
    for tenant, id in await storage.due(KIND, ev.now_ms(), limit=_FORGET_AT_ONCE):
        await Channel(storage, tenant, id).remove()


def _joined(events: Iterable[ev.Event]) -> list[ev.Event]:
    joined: list[ev.Event] = []
    for event in events:
        match joined[-1] if joined else None, event:
            case ev.TextDelta(one, before, weighed), ev.TextDelta(other, text, logprobs) if one == other:
                joined[-1] = ev.TextDelta(one, before + text, weighed + logprobs)
            case ev.CallDelta(one, before), ev.CallDelta(other, text) if one == other:
                joined[-1] = ev.CallDelta(one, before + text)
            case _:
                joined.append(event)
    return joined


def _to_dict(event: ev.Event) -> dict[str, Any]:
    if isinstance(event, ev.Live):
        return {"e": type(event).__name__, **compact(event)}
    return journal.to_dict(event)


def _from_dict(stored: dict[str, Any]) -> ev.Event:
    cls = _LIVE.get(stored["e"])
    if cls is None:
        return journal.from_dict(stored)
    event: ev.Live = _adapter(cls).validate_python(stored)
    return event


@lru_cache
def _adapter(cls: type) -> TypeAdapter[Any]:
    return TypeAdapter(cls)
