"""Other processes may append to the same file. While somebody waits, this looks for their commits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from graph.storage.waiters import Waiters

EVERY_SECONDS = 0.25


class Neighbours:
    """Wakes all waiters within a quarter of a second of a commit by another connection. Idle when nobody waits."""

    def __init__(self, waiters: Waiters, data_version: Callable[[], int | None]) -> None:
        """`data_version` changes with the commits of others; None = it could not be read, so let everybody look."""
        self._waiters = waiters
        self._data_version = data_version
        self._seen: int | None = None
        self._timer: asyncio.TimerHandle | None = None

    def watch(self) -> None:
        """To be called by who is about to wait, before its own look at the log."""
        if self._timer is None:
            self._seen = self._data_version()
            self._timer = asyncio.get_running_loop().call_later(EVERY_SECONDS, self._look)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if not self._waiters:
            return
        seen, now = self._seen, self._data_version()
        if now is None or now != seen:
            self._waiters.wake_all()
        self._seen = now
        self._timer = asyncio.get_running_loop().call_later(EVERY_SECONDS, self._look)
