"""The one connection that hears what other processes append."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from contextlib import suppress
from typing import Final

import psycopg
from psycopg import sql

from graph.storage.postgres.connections import connected
from graph.storage.postgres.place import Place
from graph.storage.tasks import ended
from graph.storage.waiters import LogKey, Waiters

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
_ORIGIN: Final = 8


class Listener:
    """Wakes who waits for a log when another process has appended to it. Connects when somebody waits for the first time;
    whenever it had to connect, everybody looks again: what was told meanwhile is lost."""

    def __init__(self, place: Place, waiters: Waiters) -> None:
        self._place = place
        self._waiters = waiters
        self._task: asyncio.Task[None] | None = None
        self._open = False
        self.origin = secrets.token_hex(_ORIGIN // 2)
        """How this process's own appends are known: they wake without being told."""

    def key(self, tenant: str, log: str) -> LogKey:
        """What a log is called on the way: short, whatever its name is."""
        return "", hashlib.md5(f"{tenant}/{log}".encode(), usedforsecurity=False).hexdigest()

    def open(self) -> None:
        """From now on it may listen."""
        self._open = True

    def listen(self) -> None:
        """To be called by who is about to wait."""
        if self._open and self._task is None:
            self._task = asyncio.create_task(self._forever(), name="postgres-listener")

    async def close(self) -> None:
        self._open = False
        task, self._task = self._task, None
        if task is not None:
            await ended([task])

    async def _forever(self) -> None:
        pause = FIRST_PAUSE
        while True:
            with suppress(psycopg.Error, OSError):
                async with await connected(self._place) as connection:
                    await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(self._place.channel)))
                    pause = FIRST_PAUSE
                    self._waiters.wake_all()
                    async for told in connection.notifies():
                        self._heard(told.payload)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _heard(self, payload: str) -> None:
        origin, name = payload[:_ORIGIN], payload[_ORIGIN:]
        if origin != self.origin:
            self._waiters.wake(("", name))
