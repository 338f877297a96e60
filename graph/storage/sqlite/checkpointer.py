"""The thread that moves the write-ahead log into the database file, so that no request has to."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from graph.storage.port import Append, Put, Write
from graph.storage.sqlite.connections import WAL_BYTES_KEPT, connect

PATIENCE_MS = 100
TRIES = 5
WAL_BYTES = 4 * 1024 * 1024
WRITE_BYTES = 10 * 1024  # measured: what a write adds to the log beyond its body, in the commit of a chat turn

logger = logging.getLogger(__name__)


class Checkpointer:
    """Keeps the write-ahead log short.

    A passive checkpoint stands in nobody's way, and the log starts again from its beginning once one has caught up with
    the writers; overwriting is a quarter cheaper than growing, so the file is not cut. Where they are too fast to be
    caught up with and the log has grown to four times its size, they are held up for the moment that it takes.
    """

    def __init__(self, database: str) -> None:
        self._database = database
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite-checkpoint")
        self._running = False
        self._grown = 0

    def committed(self, writes: Sequence[Write]) -> None:
        """To be called after every commit. SQLite doesn't tell Python how long the log is: this estimates it."""
        self._grown += sum(map(_weight, writes))
        if self._grown >= WAL_BYTES and not self._running:
            self._running, self._grown = True, 0
            self._thread.submit(self._logged, self._checkpoint)

    def close(self) -> None:
        """Bring everything into the file, as far as other processes let us. Blocks."""
        self._thread.submit(self._logged, self._truncate)
        self._thread.shutdown()

    def _checkpoint(self, connection: sqlite3.Connection) -> None:
        (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
        before, pages = -1, 0
        for _ in range(TRIES):
            _, pages, moved = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            if (
                moved == pages == before
            ):  # nothing was written during the last one: the next commit starts the log again
                return
            before = pages
        if pages * page_bytes >= WAL_BYTES_KEPT:
            connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()

    def _truncate(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def _logged(self, action: Callable[[sqlite3.Connection], None]) -> None:
        try:
            with closing(connect(self._database, PATIENCE_MS)) as connection:
                action(connection)
        except Exception:
            logger.warning(
                "A checkpoint of %s failed; it is tried again as the log grows", self._database, exc_info=True
            )
        finally:
            self._running = False


def _weight(write: Write) -> int:
    if isinstance(write, Put):
        return WRITE_BYTES + len(write.body)
    return WRITE_BYTES + sum(map(len, write.entries)) if isinstance(write, Append) else WRITE_BYTES
