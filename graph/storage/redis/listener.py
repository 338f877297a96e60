"""One connection of this process that hears which logs have grown, for all who wait for one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError

from graph.storage.redis.faults import translated
from graph.storage.tasks import ended

log = logging.getLogger(__name__)

HEARTBEAT = 15.0  # seconds of silence after which the server is asked whether it is there
LINGER = 5.0  # seconds that a channel is kept for who waits again
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0


class Listener:
    """Subscribed to the channels of those who wait, and of nobody else.

    `notice` is called with a channel when something was said there, and when it begins to be heard, at first and after
    every interruption: what was said before has to be looked up.
    """

    def __init__(self, connect: Callable[[], AbstractConnection], notice: Callable[[bytes], None], where: str) -> None:
        self._connect = connect
        self._notice = notice
        self._where = where
        self._wanted: dict[bytes, int] = {}
        self._lingering: dict[bytes, asyncio.TimerHandle] = {}
        self._asked: set[bytes] = set()
        self._connection: AbstractConnection | None = None
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Connect and stay connected, in the background."""
        self._tasks = [asyncio.create_task(self._hear()), asyncio.create_task(self._ask())]

    async def stop(self) -> None:
        """Hang up."""
        tasks, self._tasks = self._tasks, []
        await ended(tasks)
        for handle in self._lingering.values():
            handle.cancel()
        self._lingering.clear()
        self._wanted.clear()

    @contextmanager
    def hears(self, channel: bytes) -> Iterator[None]:
        """As long as it lasts, the channel is listened to."""
        self._join(channel)
        try:
            yield
        finally:
            self._leave(channel)

    def _join(self, channel: bytes) -> None:
        handle = self._lingering.pop(channel, None)
        if handle is not None:
            handle.cancel()
        self._wanted[channel] = self._wanted.get(channel, 0) + 1
        if channel not in self._asked:
            self._changed.set()

    def _leave(self, channel: bytes) -> None:
        if channel not in self._wanted:
            return  # it was stopped
        self._wanted[channel] -= 1
        if not self._wanted[channel]:
            self._lingering[channel] = asyncio.get_running_loop().call_later(LINGER, self._forget, channel)

    def _forget(self, channel: bytes) -> None:
        del self._lingering[channel], self._wanted[channel]
        self._changed.set()

    async def _hear(self) -> None:
        pause, told = FIRST_PAUSE, False
        while True:
            try:
                async with self._connected() as connection:
                    pause, told = FIRST_PAUSE, False
                    await self._read(connection)
            except (RedisError, OSError) as error:
                if not told:
                    log.warning("what other processes write is not heard: %s", translated(error, self._where))
                    told = True
            except Exception:
                log.exception("what other processes write is not heard")
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[AbstractConnection]:
        """What is wanted is asked for anew on every connection."""
        connection = self._connect()
        try:
            async with asyncio.timeout(HEARTBEAT):
                await connection.connect()  # type: ignore[no-untyped-call]
            self._connection = connection
            self._asked.clear()
            self._changed.set()
            yield connection
        finally:
            self._connection = None
            with suppress(RedisError, OSError):
                await connection.disconnect()

    async def _read(self, connection: AbstractConnection) -> None:
        """Until the connection breaks, or the server says nothing even when it is asked."""
        silent = False
        while True:
            said = await connection.read_response(timeout=HEARTBEAT)
            if said is None and silent:
                raise ConnectionError("it does not answer")
            silent = said is None
            if silent:
                await connection.send_command("PING", check_health=False)
            elif said[0] in {b"message", b"subscribe"}:
                self._notice(said[1])

    async def _ask(self) -> None:
        """Tell the server which channels are wanted, whenever that has changed."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            if self._connection is None:
                continue
            wanted = self._wanted.keys()
            more, less = wanted - self._asked, self._asked - wanted
            self._asked = set(wanted)
            with suppress(RedisError, OSError):  # who reads notices it too
                if more:
                    await self._connection.send_command("SUBSCRIBE", *more, check_health=False)
                if less:
                    await self._connection.send_command("UNSUBSCRIBE", *less, check_health=False)
