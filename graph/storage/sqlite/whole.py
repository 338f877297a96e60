"""All of a file, page by page: functions of a connection, each row with the key that the next page starts after."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from typing import TypeVar

from graph.storage.port import Document, Entry, Filed
from graph.storage.sqlite.logs import POSITIONS

T = TypeVar("T")

PAGE = 500
PAGE_BYTES = 4 * 1024 * 1024

# A CROSS JOIN is worked from left to right: without it, SQLite may begin with the names and sort what it finds.
_DOCUMENTS = (
    "SELECT tenants.name, kinds.name, id, parent, sequence, version, body, label, due FROM documents "
    "CROSS JOIN names AS tenants ON tenants.number = documents.tenant "
    "CROSS JOIN names AS kinds ON kinds.number = documents.kind "
    "WHERE sequence > ? ORDER BY sequence LIMIT ?"
)
_ENTRIES = (
    "SELECT names.name, logs.name, key, body FROM entries "
    "CROSS JOIN logs ON logs.number = entries.key / ? CROSS JOIN names ON names.number = logs.tenant "
    "WHERE key > ? ORDER BY key LIMIT ?"
)


def documents(connection: sqlite3.Connection, after: int) -> list[tuple[int, Filed]]:
    """Documents with greater sequences, with their sequences."""
    rows = connection.execute(_DOCUMENTS, (after, PAGE))
    return list(
        _page(
            (sequence, Filed(tenant, kind, Document(id, parent, sequence, version, body, label), due), len(body))
            for tenant, kind, id, parent, sequence, version, body, label, due in rows
        )
    )


def entries(connection: sqlite3.Connection, after: int) -> list[tuple[int, Entry]]:
    """Entries of logs with greater keys, with their keys."""
    rows = connection.execute(_ENTRIES, (POSITIONS, after, PAGE))
    return list(_page((key, Entry(tenant, log, key % POSITIONS, body), len(body)) for tenant, log, key, body in rows))


def _page(rows: Iterable[tuple[int, T, int]]) -> Iterator[tuple[int, T]]:
    """As many as are at most a few megabytes, and one at least."""
    size = 0
    for key, stored, length in rows:
        yield key, stored
        size += length
        if size >= PAGE_BYTES:
            return
