"""Documents: functions of a connection, used on the loop and in threads alike. Tenants and kinds come as numbers."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from graph.storage.port import Conflict, Delete, Document, Order, Put

_COLUMNS = "SELECT id, parent, sequence, version, body, label FROM documents "
_GET = _COLUMNS + "WHERE tenant = ? AND kind = ? AND id = ?"
# The index is named because without statistics SQLite can't know that a label picks fewer documents than a parent.
_LIST = "{columns}INDEXED BY {index} WHERE {where} ORDER BY sequence {direction} LIMIT ?"
# Sorts sequences from the index alone, then reads the documents that are wanted: a tenth of the time at 200 000.
_SCAN = (
    "{columns}WHERE sequence IN "
    "(SELECT sequence FROM documents INDEXED BY {index} WHERE {where} ORDER BY sequence {direction} LIMIT ?) "
    "ORDER BY sequence {direction}"
)
_DUE = (
    "SELECT names.name, documents.id FROM documents INDEXED BY document_due "
    "JOIN names ON names.number = documents.tenant "
    "WHERE documents.kind = ? AND documents.due <= ? ORDER BY documents.due, documents.sequence LIMIT ?"
)
_INSERT = (
    "INSERT INTO documents (parent, label, due, body, tenant, kind, id, version) VALUES (?, ?, ?, ?, ?, ?, ?, 1) "
    "ON CONFLICT (tenant, kind, id) DO "
)
_INSERT_NEW = _INSERT + "NOTHING"
_INSERT_ANY = _INSERT + (
    "UPDATE SET parent = excluded.parent, label = excluded.label, due = excluded.due, body = excluded.body, "
    "version = version + 1"
)
_UPDATE = (
    "UPDATE documents SET parent = ?, label = ?, due = ?, body = ?, version = version + 1 "
    "WHERE tenant = ? AND kind = ? AND id = ? AND version = ?"
)
_DELETE = "DELETE FROM documents WHERE tenant = ? AND kind = ? AND id = ? RETURNING version"


def get(connection: sqlite3.Connection, tenant: int, kind: int, id: str) -> Document | None:
    row = connection.execute(_GET, (tenant, kind, id)).fetchone()
    return Document(*row) if row else None


def get_many(connection: sqlite3.Connection, tenant: int, kind: int, ids: Sequence[str]) -> list[Document]:
    """Those that exist, in the order of `ids`, from one snapshot."""
    connection.execute("BEGIN")
    try:
        found = [get(connection, tenant, kind, id) for id in ids]
    finally:
        connection.execute("COMMIT")
    return [document for document in found if document is not None]


def query(
    connection: sqlite3.Connection,
    tenant: int,
    kind: int,
    parent: str | None,
    label: str | None,
    order: Order,
    after: int | None,
    before: int | None,
    limit: int,
) -> list[Document]:
    low, high = (after, before) if order == "asc" else (before, after)
    wanted = {"parent = ?": parent, "label = ?": label, "sequence > ?": low, "sequence < ?": high}
    given = {condition: value for condition, value in wanted.items() if value is not None}
    statement = _SCAN if parent is None and label is None else _LIST
    statement = statement.format(
        columns=_COLUMNS,
        index="document_parent" if label is None else "document_label",
        where=" AND ".join(["tenant = ?", "kind = ?", *given]),
        direction="ASC" if order == "asc" else "DESC",
    )
    return [Document(*row) for row in connection.execute(statement, (tenant, kind, *given.values(), limit))]


def due(connection: sqlite3.Connection, kind: int, until: int, limit: int) -> list[tuple[str, str]]:
    """(tenant, id) of documents of all tenants, earliest first."""
    return connection.execute(_DUE, (kind, until, limit)).fetchall()


def put(connection: sqlite3.Connection, tenant: int, kind: int, write: Put) -> None:
    values: tuple[Any, ...] = (write.parent, write.label, write.due, write.body, tenant, kind, write.id)
    if write.expect is None:
        connection.execute(_INSERT_ANY, values)
        return
    if write.expect == 0:
        done = connection.execute(_INSERT_NEW, values)
    else:
        done = connection.execute(_UPDATE, (*values, write.expect))
    if done.rowcount != 1:
        raise Conflict(write)


def delete(connection: sqlite3.Connection, tenant: int, kind: int, write: Delete) -> None:
    rows = connection.execute(_DELETE, (tenant, kind, write.id)).fetchall()
    if write.expect is not None and write.expect != (rows[0][0] if rows else 0):
        raise Conflict(write)
