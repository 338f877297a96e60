"""An open SQLite file: one connection on the loop, threads beside it, and patience with other processes."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from typing import Concatenate, ParamSpec, TypeVar

from graph.storage.port import StorageError, Write
from graph.storage.sqlite.checkpointer import Checkpointer
from graph.storage.sqlite.connections import LOOP_PATIENCE_MS, Aside
from graph.storage.sqlite.faults import busy, translated
from graph.storage.sqlite.location import Location
from graph.storage.sqlite.lock import Claim
from graph.storage.sqlite.preparation import migrated, prepared

P = ParamSpec("P")
T = TypeVar("T")

PATIENCE_SECONDS = 5.0
FIRST_PAUSE, LONGEST_PAUSE = 0.005, 0.025


class Database:
    """Runs actions on connections. SQLite's errors leave it in the port's words."""

    def __init__(self, location: Location) -> None:
        self._location = location
        self._name = location.database
        self._claim = Claim(location.path) if location.path else None
        self._connection: sqlite3.Connection | None = None
        self._aside: Aside | None = None
        self._checkpointer: Checkpointer | None = None

    async def open(self, *, claim: bool) -> None:
        """Raises `StorageInUse`, and `StorageError` for a file that can't be used, with what to do about it."""
        if self._connection is not None:
            raise StorageError(f"{self._name} is open already")
        self._location.make_folder()
        if claim and self._claim is not None:
            self._claim.take()
        try:
            self._connection = await self._patiently(lambda: asyncio.to_thread(prepared, self._name))
        except BaseException:
            self._release()
            raise
        self._connection.execute(f"PRAGMA busy_timeout = {LOOP_PATIENCE_MS}")
        if self._location.path is not None:
            self._aside, self._checkpointer = Aside(self._name), Checkpointer(self._name)

    async def close(self) -> None:
        """Waits for threads at work and moves the write-ahead log into the file. Closing twice is allowed."""
        connection, self._connection = self._connection, None
        aside, self._aside = self._aside, None
        checkpointer, self._checkpointer = self._checkpointer, None
        for part in (aside, checkpointer, connection):
            if part is not None:
                await asyncio.to_thread(part.close)
        self._release()

    async def migrate(self) -> tuple[int, int]:
        """Bring the file to today's schema: the versions before and after. `StorageInUse` while a server has it."""
        self._location.make_folder()
        if self._claim is not None:
            self._claim.take()
        try:
            return await self._patiently(lambda: asyncio.to_thread(migrated, self._name))
        finally:
            self._release()

    async def now(
        self, action: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """On the loop and without yielding to it. Where another process is in the way, again until it is not."""
        try:
            return action(self.connection, *args, **kwargs)
        except sqlite3.Error as error:
            if not busy(error):
                raise translated(error, self._name) from error

        async def again() -> T:
            return action(self.connection, *args, **kwargs)

        return await self._patiently(again)

    async def in_thread(
        self, action: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """On a connection of its own. A caller that is cancelled does not stop it."""

        async def attempt() -> T:
            if self._aside is None:  # not open, or in memory, which is seen from one connection alone
                return action(self.connection, *args, **kwargs)
            return await self._aside.run(action, *args, **kwargs)

        return await self._patiently(attempt)

    def committed(self, writes: Sequence[Write]) -> None:
        """To be called after every commit."""
        if self._checkpointer is not None:
            self._checkpointer.committed(writes)

    @property
    def connection(self) -> sqlite3.Connection:
        """The loop's own. Raises `StorageError` when it is not open."""
        if self._connection is None:
            raise StorageError(f"{self._name} is not open")
        return self._connection

    async def _patiently(self, attempt: Callable[[], Awaitable[T]]) -> T:
        loop = asyncio.get_running_loop()
        deadline, pause = loop.time() + PATIENCE_SECONDS, FIRST_PAUSE
        while True:
            try:
                return await attempt()
            except sqlite3.Error as error:
                if not busy(error) or loop.time() >= deadline:
                    raise translated(error, self._name) from error
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _release(self) -> None:
        if self._claim is not None:
            self._claim.release()
