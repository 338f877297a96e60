"""From a path to a connection to tables that this version can use."""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress

from graph.storage.port import StorageError
from graph.storage.sqlite import schema
from graph.storage.sqlite.connections import THREAD_PATIENCE_MS, connect
from graph.storage.sqlite.location import MEMORY
from graph.storage.sqlite.transaction import transaction


def prepared(database: str) -> sqlite3.Connection:
    """A connection to checked tables, made where there were none. Blocks. Raises `StorageError`, `sqlite3.Error`."""
    _make_private(database)
    connection = connect(database, THREAD_PATIENCE_MS)
    try:
        schema.check(schema.version(connection))  # before anything is written to a file that may not be ours
        _use_write_ahead_log(connection)
        with transaction(connection):
            schema.create(connection)
    except BaseException as error:
        connection.close()
        raise _located(error, database) from None
    return connection


def _make_private(database: str) -> None:
    """A file that is made here holds everybody's conversations: its owner alone may read it. What SQLite puts beside it
    has the same permissions."""
    if database != MEMORY:
        with suppress(OSError):  # what is wrong with the place is told by SQLite
            os.close(os.open(database, os.O_RDWR | os.O_CREAT, 0o600))


def migrated(database: str) -> tuple[int, int]:
    """Bring the tables to today's version. Blocks. Returns the versions before and after. Raises as `prepared`."""
    connection = connect(database, THREAD_PATIENCE_MS)
    try:
        with transaction(connection):
            return schema.migrate(connection)
    except StorageError as error:
        raise _located(error, database) from None
    finally:
        connection.close()


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode not in {"wal", "memory"}:
        raise StorageError("its file system has no write-ahead log for SQLite: choose a local disk in STORAGE_URL")


def _located(error: BaseException, database: str) -> BaseException:
    return StorageError(f"{database}: {error}") if isinstance(error, StorageError) else error
