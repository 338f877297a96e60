"""Waiting for a log to grow, within one process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

LogKey = tuple[str, str]


class Waiters:
    """Coroutines that wait for a log, by (tenant, log). Used from one event loop."""

    def __init__(self) -> None:
        self._waiting: dict[LogKey, set[asyncio.Future[None]]] = {}

    def __bool__(self) -> bool:
        """Whether anybody waits."""
        return bool(self._waiting)

    async def until(self, key: LogKey, grown: Callable[[], Awaitable[bool]], timeout: float) -> bool:
        """True as soon as `grown` says so, which is asked now and at every wake-up; False after `timeout` seconds.

        `grown` must not yield to the loop between its look at the log and its return: an append there would be missed.
        """
        try:
            async with asyncio.timeout(timeout):
                while not await grown():
                    await self._woken(key)
                return True
        except TimeoutError:
            return False

    def wake(self, key: LogKey) -> None:
        """Let those who wait for this log look again."""
        for future in self._waiting.pop(key, ()):
            if not future.done():
                future.set_result(None)

    def wake_all(self) -> None:
        """Let everybody look again."""
        for key in tuple(self._waiting):
            self.wake(key)

    async def _woken(self, key: LogKey) -> None:
        future = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, set()).add(future)
        try:
            await future
        finally:
            self._forget(key, future)

    def _forget(self, key: LogKey, future: asyncio.Future[None]) -> None:
        waiting = self._waiting.get(key, set())
        waiting.discard(future)
        if not waiting:
            self._waiting.pop(key, None)
