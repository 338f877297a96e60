"""Chat completions that their clients asked to keep: the answer as a document, the request's messages as a log beside it.

They belong to no conversation and stay until they are deleted. What they say is the dialect's affair.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import orjson

from graph import attachments
from graph.changes import begun_anew
from graph.errors import NotFound
from graph.listing import Listing, place
from graph.storage.port import Append, Conflict, Delete, Document, Drop, Order, Put, Storage

_KIND = "completion"


@dataclass(frozen=True, slots=True)
class Completion:
    """A stored completion: its `body` without `metadata`, which is the client's. `messages` counts those of the request,
    `blobs` are the digests of the data that they were parted from."""

    id: str
    model: str
    body: Mapping[str, Any]
    metadata: Mapping[str, str]
    messages: int
    blobs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SentMessage:
    """A message of the request, as it was sent. Its id is the completion's with its number."""

    id: str
    fields: Mapping[str, Any]


class Completions:
    """Keeps, finds, lists, changes and deletes completions. Raises `NotFound` for an id that this tenant does not have."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def keep(
        self,
        tenant: str,
        id: str,
        model: str,
        body: Mapping[str, Any],
        messages: Sequence[Mapping[str, Any]],
        metadata: Mapping[str, str],
    ) -> None:
        """Write a completion with the messages that it answers: all or nothing. One that is there already stays."""
        data: dict[str, str] = {}
        entries = [orjson.dumps(_without_data(message, data)) for message in messages]
        for mark, url in data.items():
            await attachments.put(self._storage, tenant, _owner(id), mark, url)
        kept = Completion(id, model, body, metadata, len(entries), tuple(data))
        with suppress(Conflict):
            await self._storage.commit(tenant, _put(kept, 0), Append(_log(id), tuple(entries), after=0))

    async def get(self, tenant: str, id: str) -> Completion:
        return _decode(await self._document(tenant, id))

    def all(
        self, tenant: str, model: str | None = None, metadata: Mapping[str, str] | None = None
    ) -> Listing[Completion]:
        """Those of a model (None: of any) that have all these pairs."""
        wanted = dict(metadata or {})

        def matches(completion: Completion) -> bool:
            return wanted.items() <= completion.metadata.items()

        return Listing(self._storage, tenant, _KIND, _decode, label=model, wanted=matches if wanted else None)

    async def messages(self, tenant: str, id: str) -> SentMessages:
        """The messages that a completion answers."""
        return SentMessages(self._storage, tenant, await self.get(tenant, id))

    @begun_anew("completion")
    async def change(self, tenant: str, id: str, metadata: Mapping[str, str]) -> Completion:
        """Put other metadata in the place of what was there."""
        document = await self._document(tenant, id)
        changed = replace(_decode(document), metadata=metadata)
        await self._storage.commit(tenant, _put(changed, document.version))
        return changed

    async def delete(self, tenant: str, id: str) -> None:
        """Remove a completion with its messages and their data."""
        document = await self._document(tenant, id)
        await self._storage.commit(tenant, Delete(_KIND, id), Drop(_log(id)), place(_KIND, document))
        for mark in _decode(document).blobs:
            await attachments.delete(self._storage, tenant, _owner(id), mark)

    async def _document(self, tenant: str, id: str) -> Document:
        document = await self._storage.get(tenant, _KIND, id)
        if document is None:
            raise NotFound(f"No chat completion found with id '{id:.100}'. Only those created with 'store' are kept.")
        return document


@dataclass(frozen=True, slots=True)
class SentMessages:
    """The messages of one request, first to last: a `Listing` of them."""

    storage: Storage
    tenant: str
    completion: Completion

    async def position(self, id: str) -> int | None:
        """Where the message of that id stands; None for another request's."""
        number = id.removeprefix(f"{self.completion.id}-")
        known = number != id and number.isascii() and number.isdigit() and len(number) < 10
        return int(number) + 1 if known and int(number) < self.completion.messages else None

    async def read(self, order: Order, after: int | None, before: int | None, limit: int) -> list[SentMessage]:
        """The next ones behind `after`, up to `before`, in the direction of `order`."""
        low, high = (after, before) if order == "asc" else (before, after)
        first = 0 if low is None else low
        last = self.completion.messages if high is None else high - 1
        if order == "asc":
            last = min(last, first + limit)
        else:
            first = max(first, last - limit)
        entries = await self.storage.read(
            self.tenant, _log(self.completion.id), after=first, limit=max(0, last - first)
        )
        messages = await self._whole([orjson.loads(entry) for _, entry in entries])
        numbered = [
            SentMessage(f"{self.completion.id}-{position - 1}", fields)
            for (position, _), fields in zip(entries, messages, strict=True)
        ]
        return numbered if order == "asc" else numbered[::-1]

    async def _whole(self, messages: Sequence[Any]) -> Sequence[Any]:
        """The messages with their data put back."""
        marks: set[str] = set()

        def note(text: str) -> str:
            if text in self.completion.blobs:
                marks.add(text)
            return text

        _changed(messages, note)
        owner = _owner(self.completion.id)
        data = {mark: await attachments.get(self.storage, self.tenant, owner, mark) for mark in marks}
        restored: Sequence[Any] = _changed(messages, lambda text: data.get(text, text)) if data else messages
        return restored


def _put(completion: Completion, version: int) -> Put:
    fields = {
        "body": completion.body,
        "metadata": completion.metadata,
        "messages": completion.messages,
        "blobs": completion.blobs,
    }
    return Put(_KIND, completion.id, orjson.dumps(fields), expect=version, label=completion.model)


def _decode(document: Document) -> Completion:
    fields = orjson.loads(document.body)
    return Completion(
        document.id,
        document.label or "",
        fields["body"],
        fields["metadata"],
        fields["messages"],
        tuple(fields["blobs"]),
    )


def _log(id: str) -> str:
    return f"completion/{id}"


def _owner(id: str) -> str:
    """Whose the blobs of a completion's messages are."""
    return f"completion/{id}"


def _without_data(message: Any, data: dict[str, str]) -> Any:
    """A message with marks where it had big data URLs, which are added to `data` by their marks."""

    def part(text: str) -> str:
        mark = attachments.reference(text)
        if mark != text:
            data[mark] = text
        return mark

    return _changed(message, part)


def _changed(value: Any, change: Callable[[str], str]) -> Any:
    """Plain values with every string in them changed."""
    match value:
        case str():
            return change(value)
        case list():
            return [_changed(each, change) for each in value]
        case dict():
            return {name: _changed(each, change) for name, each in value.items()}
        case _:
            return value
