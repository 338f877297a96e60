"""The pool, and how a statement is given to it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

import psycopg
from psycopg_pool import AsyncConnectionPool

from graph.storage.patience import patiently
from graph.storage.port import StorageError, Write
from graph.storage.postgres import schema
from graph.storage.postgres.faults import lost, transient, translated
from graph.storage.postgres.place import Place

T = TypeVar("T")
Row = tuple[Any, ...]
Connection = psycopg.AsyncConnection[Row]

START_SECONDS: Final = 15.0
WAIT_SECONDS: Final = 5.0
"""How long a request waits for a connection: as long as a database takes that is restarted."""

IDLE_SECONDS: Final = 120.0
TRIES: Final = 3

log = logging.getLogger(__name__)
logging.getLogger("psycopg.pool").setLevel(logging.ERROR)  # it tells every attempt; those who ask are told, too


class Connections:
    """Connections to one database, made as they are needed. `StorageUnavailable` while it is away; they come back with it."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._pool: AsyncConnectionPool[Connection] | None = None

    async def open(self) -> None:
        """Raises `StorageError` for a database that can't be used, `StorageUnavailable` for one that is not there."""
        if self._pool is not None:
            raise StorageError("the storage is open already")
        await self.at_start(schema.prepare)
        self._pool = AsyncConnectionPool(
            kwargs=_keywords(self._place),
            connection_class=Connection,
            min_size=1,
            max_size=self._place.pool_size,
            timeout=WAIT_SECONDS,
            max_idle=IDLE_SECONDS,
            reconnect_timeout=WAIT_SECONDS,
            configure=_configure,
            check=_check,
            open=False,
        )
        await self._pool.open()

    async def close(self) -> None:
        """Closing twice is allowed."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close()

    async def at_start(self, action: Callable[[Connection, Place], Awaitable[T]]) -> T:
        """Something to be done with a connection of its own, before there is a pool. A database that is not there yet is
        waited for."""
        with translated(self._place.where):
            connection = await patiently(self._connected, START_SECONDS)
            async with connection:
                try:
                    return await action(connection, self._place)
                except StorageError as error:
                    raise StorageError(f"{self._place.where}: {error}") from None

    async def rows(self, statement: bytes, values: Sequence[Any]) -> list[Row]:
        """What a statement finds that changes nothing: asked again when its connection turns out to be dead."""
        for left in reversed(range(TRIES)):
            with translated(self._place.where):
                try:
                    async with self._connection() as connection, connection.cursor(binary=True) as cursor:
                        await cursor.execute(statement, values)
                        return await cursor.fetchall()
                except psycopg.Error as error:
                    if not left or not (lost(error) or transient(error)):
                        raise
        raise AssertionError

    async def execute(self, statement: bytes, values: Sequence[Any], writes: Sequence[Write] = ()) -> None:
        """A statement that changes something: tried again only when nothing of it was done."""
        for left in reversed(range(TRIES)):
            with translated(self._place.where, writes):
                try:
                    async with self._connection() as connection:
                        await connection.execute(statement, values)
                        return
                except psycopg.Error as error:
                    if not left or not transient(error):
                        raise

    async def stream(self, statement: bytes, size: int) -> AsyncIterator[Row]:
        """The rows of a statement from one snapshot, so many in memory at a time."""
        with translated(self._place.where):
            async with (
                self._connection() as connection,
                connection.transaction(),
                connection.cursor("everything", binary=True) as cursor,
            ):
                cursor.itersize = size
                await cursor.execute(statement)
                async for row in cursor:
                    yield row

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[Connection]:
        """A connection beside the pool, for what takes long and needs others meanwhile."""
        with translated(self._place.where):
            async with await connected(self._place) as connection:
                yield connection

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        if self._pool is None:
            raise StorageError("the storage is not open")
        cancelled = _cancels()
        async with self._pool.connection() as connection:
            if _cancels() > cancelled:  # the pool waits by `wait_for`, which on Python 3.11 may swallow it
                raise asyncio.CancelledError
            yield connection

    async def _connected(self) -> Connection:
        with translated(self._place.where):
            return await connected(self._place)


def _cancels() -> int:
    """How often this task was told to stop."""
    task = asyncio.current_task()
    return task.cancelling() if task is not None else 0


async def connected(place: Place) -> Connection:
    """A connection outside of the pool. Raises `psycopg.Error`."""
    connection = await Connection.connect(**_keywords(place))
    try:
        await _configure(connection)
    except BaseException:
        await connection.close()
        raise
    return connection


def _keywords(place: Place) -> dict[str, Any]:
    return {**place.options, "autocommit": True}


async def _configure(connection: Connection) -> None:
    """The promises hold under PostgreSQL's own default, whatever the database's is."""
    await connection.execute("SELECT set_config('default_transaction_isolation', 'read committed', false)")


async def _check(connection: Connection) -> None:
    """Whether the server has hung up meanwhile: a look at the socket, no round trip. Raises `psycopg.OperationalError`."""
    connection.pgconn.consume_input()
    if connection.pgconn.status != psycopg.pq.ConnStatus.OK:
        raise psycopg.OperationalError("the server has closed the connection")
