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

        A wake-up while `grown` looks is not missed: it looks again.
        """
        try:
            async with asyncio.timeout(timeout):
                while not await self._look(key, grown):
                    pass
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

    async def _look(self, key: LogKey, grown: Callable[[], Awaitable[bool]]) -> bool:
        """Whether it has grown; when it has not, after the next wake-up."""
        woken = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, set()).add(woken)
        try:
            if await grown():
                return True
            await woken
            return False
        finally:
            self._forget(key, woken)

    def _forget(self, key: LogKey, future: asyncio.Future[None]) -> None:
        waiting = self._waiting.get(key, set())
        waiting.discard(future)
        if not waiting:
            self._waiting.pop(key, None)
