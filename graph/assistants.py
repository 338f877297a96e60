"""Assistants, as they are kept: what their clients gave them, and when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from graph.changes import begun_anew
from graph.errors import NotFound
from graph.listing import Listing, place
from graph.storage.port import Delete, Document, Put, Storage


@dataclass(frozen=True, slots=True)
class Assistant:
    """An assistant. `id` is bare, `created_at` epoch milliseconds; `fields` hold what was given, in the wire's words."""

    id: str
    created_at: int
    fields: Mapping[str, Any]


class Assistants:
    """Reads and writes assistants. Methods that take an id raise `NotFound`."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def create(self, tenant: str, assistant: Assistant) -> None:
        """Raises `Conflict` where the id is taken."""
        await self._storage.commit(tenant, _put(assistant, 0))

    async def get(self, tenant: str, id: str) -> Assistant:
        return _assistant(await self._document(tenant, id))

    def all(self, tenant: str) -> Listing[Assistant]:
        """All assistants of a tenant."""
        return Listing(self._storage, tenant, "assistant", _assistant)

    @begun_anew("assistant")
    async def modify(self, tenant: str, id: str, changes: Mapping[str, Any]) -> Assistant:
        """Replace the fields that are given."""
        document = await self._document(tenant, id)
        known = _assistant(document)
        changed = Assistant(id, known.created_at, {**known.fields, **changes})
        await self._storage.commit(tenant, _put(changed, document.version))
        return changed

    async def delete(self, tenant: str, id: str) -> None:
        """Runs that it has begun go on."""
        document = await self._document(tenant, id)
        await self._storage.commit(tenant, Delete("assistant", id), place("assistant", document))

    async def _document(self, tenant: str, id: str) -> Document:
        document = await self._storage.get(tenant, "assistant", id)
        if document is None:
            raise NotFound(f"No assistant found with id 'asst_{id}'.")
        return document


def _put(assistant: Assistant, expect: int) -> Put:
    body = orjson.dumps({"created_at": assistant.created_at, "fields": assistant.fields})
    return Put("assistant", assistant.id, body, expect=expect)


def _assistant(document: Document) -> Assistant:
    body = orjson.loads(document.body)
    return Assistant(document.id, body["created_at"], body["fields"])
