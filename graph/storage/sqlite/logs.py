"""Logs: functions of a connection, used on the loop and in threads alike. Tenants come as numbers."""

from __future__ import annotations

import sqlite3

from graph.storage.port import Append, Conflict, Drop, StorageError

POSITIONS = 1 << 24
"""An entry's key is its log's number times this, plus its position: a log takes 16 777 215 entries."""


def length(connection: sqlite3.Connection, tenant: int, log: str) -> int:
    number = _number(connection, tenant, log)
    return 0 if number is None else _last(connection, number) % POSITIONS


def read(connection: sqlite3.Connection, tenant: int, log: str, after: int, limit: int) -> list[tuple[int, bytes]]:
    number = _number(connection, tenant, log)
    if number is None:
        return []
    first = number * POSITIONS
    start = first + min(max(after, 0), POSITIONS - 1)
    return connection.execute(
        "SELECT key - ?, body FROM entries WHERE key > ? AND key < ? ORDER BY key LIMIT ?",
        (first, start, first + POSITIONS, limit),
    ).fetchall()


def append(connection: sqlite3.Connection, tenant: int, write: Append) -> None:
    number = _number(connection, tenant, write.log)
    last = 0 if number is None else _last(connection, number)
    if write.after is not None and write.after != last % POSITIONS:
        raise Conflict(write)
    if not write.entries:
        return
    if last % POSITIONS + len(write.entries) >= POSITIONS:
        raise StorageError(f"the log {write.log!r:.100} is full: it takes {POSITIONS - 1} entries")
    if number is None:
        last = _create(connection, tenant, write.log) * POSITIONS
    connection.executemany("INSERT INTO entries (key, body) VALUES (?, ?)", enumerate(write.entries, last + 1))


def drop(connection: sqlite3.Connection, tenant: int, write: Drop) -> None:
    number = _number(connection, tenant, write.log)
    if number is not None:
        first = number * POSITIONS
        connection.execute("DELETE FROM entries WHERE key > ? AND key < ?", (first, first + POSITIONS))
        connection.execute("DELETE FROM logs WHERE number = ?", (number,))


def _number(connection: sqlite3.Connection, tenant: int, log: str) -> int | None:
    row = connection.execute("SELECT number FROM logs WHERE tenant = ? AND name = ?", (tenant, log)).fetchone()
    return row[0] if row else None


def _create(connection: sqlite3.Connection, tenant: int, log: str) -> int:
    number = connection.execute("INSERT INTO logs (tenant, name) VALUES (?, ?)", (tenant, log)).lastrowid
    assert number is not None
    return number


def _last(connection: sqlite3.Connection, number: int) -> int:
    """The key of a log's last entry, or the one before its first."""
    first = number * POSITIONS
    (last,) = connection.execute(
        "SELECT max(key) FROM entries WHERE key > ? AND key < ?", (first, first + POSITIONS)
    ).fetchone()
    return first if last is None else int(last)
