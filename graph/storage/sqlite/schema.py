"""The tables, their version, and the way from an older one.

- Tenants and kinds are interned: `names` gives each a small number that is never reused, so that every key and every
  index begins with the tenant and stays short.
- `entries.key` is the log's number and the position in one integer (see `logs.POSITIONS`): one tree, appended at its
  end, where an index of its own would cost a page more per commit.
- `AUTOINCREMENT`: a document's sequence is never given twice, also when the newest document was deleted.
"""

from __future__ import annotations

import sqlite3

from graph.storage.port import StorageError
from graph.storage.versions import refuse_newer, refuse_older

APPLICATION_ID = 0x43464C57  # "CFLW": tells our files from other programs' SQLite files

TABLES = (
    "CREATE TABLE names (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
    """CREATE TABLE documents (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        tenant INTEGER NOT NULL,
        kind INTEGER NOT NULL,
        id TEXT NOT NULL,
        parent TEXT NOT NULL,
        label TEXT,
        due INTEGER,
        version INTEGER NOT NULL,
        body BLOB NOT NULL
    )""",
    "CREATE UNIQUE INDEX document_id ON documents (tenant, kind, id)",
    "CREATE INDEX document_parent ON documents (tenant, kind, parent)",
    "CREATE INDEX document_label ON documents (tenant, kind, label) WHERE label IS NOT NULL",
    "CREATE INDEX document_due ON documents (kind, due) WHERE due IS NOT NULL",
    "CREATE TABLE logs (number INTEGER PRIMARY KEY, tenant INTEGER NOT NULL, name TEXT NOT NULL, UNIQUE (tenant, name))",
    "CREATE TABLE entries (key INTEGER PRIMARY KEY, body BLOB NOT NULL)",
)

# MIGRATIONS[n] leads from version n + 1 to n + 2; TABLES are always those of today's version. Where it has no statements,
# bodies are written in a form that the version before can't read, and what that one wrote is read as it is.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (),  # a message's and a run's document without what is in their keys, the journal of an ended chat run in its document
)


def today() -> int:
    """The schema version that this code reads and writes."""
    return 1 + len(MIGRATIONS)


def version(connection: sqlite3.Connection) -> int:
    """The file's schema version, 0 = an empty file. Raises `StorageError` for the file of another program."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (number,) = connection.execute("PRAGMA user_version").fetchone()
    if application == APPLICATION_ID:
        return int(number)
    if application or number or connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
        raise StorageError("it is the SQLite database of another program; choose another file in STORAGE_URL")
    return 0


def check(found: int) -> None:
    """Raises `StorageError` when a file of this version can't be used as it is: a newer one, or one whose tables are not
    today's."""
    refuse_newer("it", found, today(), "choose another file in STORAGE_URL")
    if found > 0 and any(MIGRATIONS[found - 1 :]):
        refuse_older("it", found, today())


def create(connection: sqlite3.Connection) -> None:
    """Make the tables where there are none. To be called in a transaction, so that of two processes one makes them."""
    found = version(connection)
    check(found)
    if not found:
        for statement in TABLES:
            connection.execute(statement)
    _sign(connection)  # again where they stood: a file that can't be written says so now, not at the first commit


def migrate(connection: sqlite3.Connection) -> tuple[int, int]:
    """Bring the tables to today's version, in the caller's transaction. Returns the versions before and after."""
    found = version(connection)
    if found > today():
        check(found)
    for statements in MIGRATIONS[found - 1 :] if found else ():
        for statement in statements:
            connection.execute(statement)
    if found:
        _sign(connection)
    else:
        create(connection)
    return found, today()


def _sign(connection: sqlite3.Connection) -> None:
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {today()}")
