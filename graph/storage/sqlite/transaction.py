"""A commit: all of its writes, or none."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import assert_never

from graph.storage.port import Append, Delete, Drop, Put, Write
from graph.storage.sqlite import documents, logs
from graph.storage.sqlite.names import Names


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """The only writer while it lasts. Whatever it raises, nothing was written."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # not after an error that made SQLite roll back by itself
            connection.execute("ROLLBACK")
        raise


def commit(connection: sqlite3.Connection, names: Names, tenant: str, writes: Sequence[Write]) -> None:
    """Raises `Conflict`."""
    owner = names.give(connection, tenant)
    kinds = {write.kind: names.give(connection, write.kind) for write in writes if isinstance(write, Put | Delete)}
    with transaction(connection):
        for write in writes:
            _apply(connection, owner, kinds, write)


def _apply(connection: sqlite3.Connection, tenant: int, kinds: Mapping[str, int], write: Write) -> None:
    match write:
        case Put():
            documents.put(connection, tenant, kinds[write.kind], write)
        case Delete():
            documents.delete(connection, tenant, kinds[write.kind], write)
        case Append():
            logs.append(connection, tenant, write)
        case Drop():
            logs.drop(connection, tenant, write)
        case _:
            assert_never(write)
