"""Runs as the store keeps them: a document each (a projection of the journal, quick to read) and the journal itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import MISSING, fields, replace
from functools import cache, reduce
from typing import Any

import orjson
from pydantic import TypeAdapter

from graph import events as ev
from graph import journal
from graph.conversations import Conversations
from graph.errors import NotFound
from graph.request import RunRequest
from graph.run import Run, fold
from graph.storage.port import Append, Document, Put, Storage

_PAGE = 1000
_OWN = ("metadata", "cancel_requested_at", "owner")
_RUN: TypeAdapter[Run] = TypeAdapter(Run)


def log_of(run_id: str) -> str:
    """The name of a run's journal."""
    return f"run/{run_id}"


def put(run: Run, version: int) -> Put:
    """The write of a run's document at the version that is known. Runs that are not over are due when they expire."""
    body = orjson.dumps({**_compact(run, without="items"), "request": _compact(_kept(run))})
    due = run.expires_at if expires(run) else None
    return Put("run", run.id, body, parent=run.conversation_id, expect=version, label=run.status, due=due)


def append(run_id: str, after: int, events: Sequence[ev.Durable]) -> Append:
    """The write of events to a journal that has `after` entries. Texts stand in the messages alone."""
    return Append(log_of(run_id), tuple(journal.encode(journal.without_text(event)) for event in events), after)


def expires(run: Run) -> bool:
    """Whether the store has to see to a run's end: a durable one on its way, or any that waits for its client."""
    return not run.ended and (run.request.durable or run.status == "requires_action")


class Runs:
    """Reads runs."""

    def __init__(self, storage: Storage, conversations: Conversations) -> None:
        self._storage = storage
        self._conversations = conversations

    async def get(self, tenant: str, id: str) -> tuple[Run, int]:
        """A run by its document, without items, and the document's version. Raises `NotFound`."""
        document = await self._storage.get(tenant, "run", id)
        if document is None:
            raise NotFound(f"No run found with id '{id}'.")
        return _decode(document), document.version

    async def load(self, tenant: str, id: str) -> tuple[Run, list[ev.Durable], int]:
        """A run rebuilt from its journal, the journal, and the document's version. Raises `NotFound`."""
        known, version = await self.get(tenant, id)
        events = await self.journal(known)
        fresh = Run(known.id, tenant, known.conversation_id, known.request, known.created_at, known.expires_at)
        own = {name: getattr(known, name) for name in (*_OWN, "truncated_messages")}
        return reduce(fold, events, replace(fresh, **own)), events, version

    async def journal(self, run: Run) -> list[ev.Durable]:
        """A run's durable events, with their texts."""
        bodies: list[bytes] = []
        while page := await self._storage.read(run.tenant, log_of(run.id), after=len(bodies), limit=_PAGE):
            bodies += [body for _, body in page]
        return await self.with_texts(run, [journal.decode(body) for body in bodies])

    async def with_texts(self, run: Run, events: Sequence[ev.Durable]) -> list[ev.Durable]:
        """The events with the texts of their messages put back."""
        ids = [event.message_id for event in events if isinstance(event, ev.MessageCompleted) and not event.text]
        if not ids:
            return list(events)
        stored = await self._conversations.stored(run.tenant, run.conversation_id, ids)
        return [
            replace(event, text=stored[event.message_id].message.text, annotations=stored[event.message_id].annotations)
            if isinstance(event, ev.MessageCompleted) and event.message_id in stored
            else event
            for event in events
        ]


def _kept(run: Run) -> RunRequest:
    """What of a request is worth keeping: conversation messages stand in the log, and a finished chat needs no tools."""
    system = tuple(message for message in run.request.messages if message.role == "system")
    if run.ended and not run.request.durable:
        return replace(run.request, messages=(), tools=())
    return replace(run.request, messages=system)


def _decode(document: Document) -> Run:
    return _RUN.validate_python(orjson.loads(document.body))


def _compact(value: Any, without: str = "") -> dict[str, Any]:
    """A dataclass as a dictionary without what has its default."""
    result: dict[str, Any] = {}
    cls: type = type(value)
    for name, default in _defaults(cls):
        current = getattr(value, name)
        if current != default and name != without:
            result[name] = _compact(current) if hasattr(current, "__dataclass_fields__") else current
    return result


@cache
def _defaults(cls: type) -> tuple[tuple[str, Any], ...]:
    """A dataclass's fields with their defaults; `MISSING` equals nothing."""
    return tuple(
        (each.name, each.default if each.default_factory is MISSING else each.default_factory()) for each in fields(cls)
    )
