"""Runs as the store keeps them: a document each, quick to read, and a journal.

While a run goes on, or waits, its journal is a log, and its document a projection of it. The document of a chat run that
has ended holds the journal itself, and what else it says follows from that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from functools import reduce
from typing import Any

import orjson
from pydantic import TypeAdapter

from graph import events as ev
from graph import journal
from graph.changes import begun_anew
from graph.compact import compact, dumps
from graph.conversations import Conversations
from graph.errors import NotFound
from graph.listing import Listing
from graph.request import RunRequest
from graph.run import Run, fold
from graph.storage.port import Append, Document, Put, Storage

_PAGE = 1000
_OWN = ("metadata", "cancel_requested_at", "owner", "truncated_messages")
_ELSEWHERE = frozenset({"id", "tenant", "conversation_id", "request", "items", "journal"})
"""What a document has as its key, in another form, or not at all."""
_FOLLOWS = frozenset(each.name for each in fields(Run)) - {"created_at", "expires_at", *_OWN}
"""What a document that holds the journal need not say."""
_RUN: TypeAdapter[Run] = TypeAdapter(Run)


def log_of(run_id: str) -> str:
    """The name of a run's journal."""
    return f"run/{run_id}"


def put(run: Run, version: int) -> Put:
    """The write of a run's document at the version that is known. Runs that are not over are due when they expire."""
    due = run.expires_at if expires(run) else None
    return Put(
        "run", run.id, dumps(_stored(run)), parent=run.conversation_id, expect=version, label=run.status, due=due
    )


def append(run_id: str, after: int, events: Sequence[ev.Durable]) -> Append:
    """The write of events to a journal that has `after` entries. Texts stand in the messages alone."""
    return Append(log_of(run_id), tuple(journal.encode(journal.without_text(event)) for event in events), after)


def expires(run: Run) -> bool:
    """Whether the store has to see to a run's end: a durable one on its way, or any that waits for its client."""
    return not run.ended and (run.request.durable or run.status == "requires_action")


def kept(run: Run) -> RunRequest:
    """What of a request is stored: conversation messages stand in the log, and a finished chat needs no tools."""
    if run.ended and not run.request.durable:
        return replace(run.request, messages=(), tools=())
    system = tuple(message for message in run.request.messages if message.role == "system")
    return run.request if system == run.request.messages else replace(run.request, messages=system)


class Runs:
    """Reads runs."""

    def __init__(self, storage: Storage, conversations: Conversations) -> None:
        self._storage = storage
        self._conversations = conversations

    async def get(self, tenant: str, id: str) -> tuple[Run, int]:
        """A run by its document, without items, and the document's version. Raises `NotFound`."""
        document = await self._storage.get(tenant, "run", id)
        if document is None:
            raise NotFound(f"No run found with id 'run_{id:.100}'.")
        return decode(tenant, document), document.version

    async def load(self, tenant: str, id: str) -> tuple[Run, list[ev.Durable], int]:
        """A run rebuilt from its journal, the journal, and the document's version. Raises `NotFound`."""
        known, version = await self.get(tenant, id)
        entries = known.journal or await self._log(known)
        if _fence(entries) > known.fence or len(entries) < known.journal_length:
            # Since its document was read it was taken, and that names its owner now; or it has ended, and that has the journal.
            known, version = await self.get(tenant, id)
            entries = known.journal or entries
        events = await self.with_texts(known, entries)
        return _folded(known, events), events, version

    def all(self, tenant: str, conversation_id: str) -> Listing[Run]:
        """A conversation's runs by their documents, without items."""
        return Listing(self._storage, tenant, "run", lambda document: decode(tenant, document), conversation_id)

    @begun_anew("run")
    async def modify(self, tenant: str, id: str, metadata: Mapping[str, Any]) -> None:
        """Replace a run's metadata, whoever carries it. Raises `NotFound`."""
        run, version = await self.get(tenant, id)
        await self._storage.commit(tenant, put(replace(run, metadata=metadata), version))

    @begun_anew("run")
    async def request_cancel(self, tenant: str, id: str) -> Run:
        """Leave word in a run's document that it shall be cancelled: whoever carries it, now or after a crash, finds it there.
        Returns the run of the document; one that has ended stays as it is. Raises `NotFound`."""
        run, version = await self.get(tenant, id)
        if run.ended or run.cancel_requested_at is not None:
            return run
        asked = replace(run, cancel_requested_at=ev.now_ms())
        await self._storage.commit(tenant, put(asked, version))
        return asked

    async def rest(self, run: Run, after: int) -> list[ev.Durable]:
        """What the journal of a run has behind so many entries."""
        return await self.with_texts(run, run.journal[after:] or await self._log(run, after))

    async def _log(self, run: Run, after: int = 0) -> list[ev.Durable]:
        bodies: list[bytes] = []
        while page := await self._storage.read(run.tenant, log_of(run.id), after=after + len(bodies), limit=_PAGE):
            bodies += [body for _, body in page]
        return [journal.decode(body) for body in bodies]

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


def decode(tenant: str, document: Document) -> Run:
    """The run in a document, without items."""
    stored = orjson.loads(document.body)
    events = tuple(journal.from_dict(each) for each in stored.pop("journal", ()))
    stored["request"] = {"tenant": tenant, "messages": (), **stored.get("request", {})}
    run = _RUN.validate_python({"id": document.id, "tenant": tenant, "conversation_id": document.parent, **stored})
    return replace(_folded(run, events), items=(), journal=events) if events else run


def _folded(known: Run, events: Sequence[ev.Durable]) -> Run:
    """The run that a journal makes of what its document alone knows."""
    fresh = Run(known.id, known.tenant, known.conversation_id, known.request, known.created_at, known.expires_at)
    return reduce(fold, events, replace(fresh, **{name: getattr(known, name) for name in _OWN}))


def _fence(events: Sequence[ev.Durable]) -> int:
    """How often a run has been taken, by its journal."""
    return max((event.fence for event in events if isinstance(event, ev.RunStarted)), default=0)


def _stored(run: Run) -> dict[str, Any]:
    """What a document says: what is no part of its key and, where it holds the journal, does not follow from that."""
    request = {name: value for name, value in compact(kept(run), {"tenant"}).items() if value != ()}
    if not run.journal:
        return {**compact(run, _ELSEWHERE), "request": request}
    entries = [journal.to_dict(journal.without_text(event)) for event in run.journal]
    return {**compact(run, _FOLLOWS), "request": request, "journal": entries}
