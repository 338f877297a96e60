"""What is asked of the documents: statements with their values, and rows as documents."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from graph.storage.port import Document, Entry, Filed, Order
from graph.storage.postgres.connections import Row
from graph.storage.postgres.place import Place
from graph.storage.postgres.texts import stored, told

_COLUMNS: Final = "SELECT id, parent, sequence, version, body, label FROM {documents} "
GET: Final = _COLUMNS + "WHERE tenant = %s AND kind = %s AND id = %s"
GET_MANY: Final = _COLUMNS + "WHERE tenant = %s AND kind = %s AND id = ANY(%s)"
DUE: Final = "SELECT tenant, id FROM {documents} WHERE kind = %s AND due <= %s ORDER BY due, sequence LIMIT %s"
LENGTH: Final = "SELECT coalesce(max(position), 0) FROM {entries} WHERE tenant = %s AND log = %s"
READ: Final = (
    "SELECT position, body FROM {entries} WHERE tenant = %s AND log = %s AND position > %s ORDER BY position LIMIT %s"
)
ALL: Final = (
    "SELECT tenant, kind, due, id, parent, sequence, version, body, label FROM {documents} "
    "ORDER BY tenant, kind, sequence"
)
ALL_ENTRIES: Final = "SELECT tenant, log, position, body FROM {entries} ORDER BY tenant, log, position"

_CONDITIONS: Final = ("parent = %s", "label = %s", "sequence > %s", "sequence < %s")


class Statements:
    """Statements about the tables of one place, each made once."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._made: dict[str, bytes] = {}

    def of(self, text: str) -> bytes:
        """One of the statements above."""
        made = self._made.get(text)
        if made is None:
            made = self._made[text] = self._place.named(text)
        return made

    def query(
        self,
        tenant: str,
        kind: str,
        parent: str | None,
        label: str | None,
        order: Order,
        after: int | None,
        before: int | None,
        limit: int,
    ) -> tuple[bytes, list[Any]]:
        """A page of documents, and the values that it is asked with."""
        low, high = (after, before) if order == "asc" else (before, after)
        names = [None if text is None else stored(text) for text in (parent, label)]
        given = {
            condition: value
            for condition, value in zip(_CONDITIONS, [*names, low, high], strict=True)
            if value is not None
        }
        where = " AND ".join(["tenant = %s", "kind = %s", *given])
        direction = "ASC" if order == "asc" else "DESC"
        text = f"{_COLUMNS}WHERE {where} ORDER BY sequence {direction} LIMIT %s"
        return self.of(text), [stored(tenant), stored(kind), *given.values(), max(limit, 0)]


def document(row: Row) -> Document:
    id, parent, sequence, version, body, label = row
    return Document(told(id), told(parent), sequence, version, body, None if label is None else told(label))


def in_order(ids: Iterable[str], found: Iterable[Document]) -> list[Document]:
    """Those that exist, in the order of `ids`."""
    by_id = {each.id: each for each in found}
    return [by_id[id] for id in ids if id in by_id]


def filed(row: Row) -> Filed:
    tenant, kind, due, *columns = row
    return Filed(told(tenant), told(kind), document(tuple(columns)), due)


def entry(row: Row) -> Entry:
    tenant, log, position, body = row
    return Entry(told(tenant), told(log), position, body)
