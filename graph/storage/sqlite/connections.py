"""Connections, and threads that have their own."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import Concatenate, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

LOOP_PATIENCE_MS = 2
THREAD_PATIENCE_MS = 5000
THREADS = 2
WAL_BYTES_KEPT = 16 * 1024 * 1024


def connect(database: str, patience_ms: int) -> sqlite3.Connection:
    """A connection without transactions of its own, for one thread at a time. Waits `patience_ms` where others write."""
    connection = sqlite3.connect(database, isolation_level=None, check_same_thread=False, timeout=patience_ms / 1000)
    # What a dead process had committed is there; only a power cut may take the last commits. No checkpoint in a request.
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES_KEPT}")
    return connection


class Aside:
    """Threads with connections of their own, for what would keep the loop too long."""

    def __init__(self, database: str) -> None:
        self._database = database
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="sqlite")
        self._idle: SimpleQueue[sqlite3.Connection] = SimpleQueue()

    async def run(
        self, action: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Raises what the action raises; a caller that is cancelled does not stop it."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, partial(self._run, action, *args, **kwargs))

    def close(self) -> None:
        """Wait for what is at work, then close the connections. Blocks."""
        self._threads.shutdown()
        with suppress(Empty):
            while True:
                self._idle.get_nowait().close()

    def _run(self, action: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            connection = self._idle.get_nowait()
        except Empty:
            connection = connect(self._database, THREAD_PATIENCE_MS)
        try:
            return action(connection, *args, **kwargs)
        finally:
            self._idle.put(connection)
