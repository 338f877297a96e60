"""An open Redis: connections that are shared, scripts that are sent once, and patience at the start."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from importlib.resources import files
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection, BlockingConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

from graph.storage.patience import patiently
from graph.storage.port import StorageError
from graph.storage.redis.faults import is_full, is_refusal, is_replica, translated
from graph.storage.redis.location import Location

log = logging.getLogger(__name__)

START_SECONDS = 10.0
CONNECTIONS = 32
SAYS_FULL_EVERY = 60.0  # seconds


class Script:
    """A script beside this file, sent by its digest."""

    def __init__(self, name: str) -> None:
        self.source = files("graph.storage.redis").joinpath(name).read_bytes()
        self.digest = hashlib.sha1(self.source, usedforsecurity=False).hexdigest()


class Client:
    """Commands to one server. Redis' errors leave it in the port's words.

    Nothing is sent twice: whether a commit was written whose answer is lost can't be known, and who commits must hear so.
    """

    def __init__(self, location: Location) -> None:
        self._location = location
        self._pool: BlockingConnectionPool | None = None
        self._redis: Redis | None = None
        self._said_full = -SAYS_FULL_EVERY

    async def open(self) -> None:
        """Waits some seconds for a server that is not there yet. Raises `StorageError`."""
        if self._redis is not None:
            raise StorageError(f"{self._location.name} is open already")
        self._pool = self._made()
        self._redis = Redis(connection_pool=self._pool)
        try:
            await patiently(self._greet, START_SECONDS)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Closing twice is allowed."""
        pool, self._pool, self._redis = self._pool, None, None
        if pool is not None:
            await pool.disconnect()

    async def call(self, *command: Any) -> Any:
        """The answer to one command."""
        try:
            return await self._sent(*command)
        except (RedisError, OSError) as error:
            raise await self._failed(error) from error

    async def run(self, script: Script, key: bytes, *arguments: Any) -> Any:
        """The answer of a script. A server that does not know it yet is told."""
        try:
            return await self._sent("EVALSHA", script.digest, 1, key, *arguments)
        except NoScriptError:
            return await self.call("EVAL", script.source, 1, key, *arguments)
        except (RedisError, OSError) as error:
            raise await self._failed(error) from error

    def connection(self) -> AbstractConnection:
        """One of its own, not connected yet, for who listens. Its timeouts are the listener's."""
        if self._pool is None:
            raise StorageError(f"{self._location.name} is not open")
        made: AbstractConnection = self._pool.make_connection()  # type: ignore[no-untyped-call]
        return made

    @property
    def _open(self) -> Redis:
        if self._redis is None:
            raise StorageError(f"{self._location.name} is not open")
        return self._redis

    def _made(self) -> BlockingConnectionPool:
        try:
            return BlockingConnectionPool.from_url(
                self._location.url,
                **{
                    "max_connections": CONNECTIONS,
                    "protocol": 2,
                    "socket_timeout": None,
                    "timeout": None,
                    "retry": Retry(NoBackoff(), 0),
                },
            )
        except ValueError as error:
            raise StorageError(f"{self._location.name}: {error}") from None

    async def _greet(self) -> None:
        """Raises `StorageUnavailable` for a server that may come yet, another `StorageError` for one that lets nobody in."""
        try:
            await self._sent("PING")
        except (RedisError, OSError) as error:
            failure = translated(error, self._location.name)
            raise StorageError(str(failure)) if is_refusal(error) else failure from error

    async def _sent(self, *command: Any) -> Any:
        """Its timeout is not redis-py's, which on Python 3.11 may swallow that the caller was cancelled (`wait_for`)."""
        redis = self._open
        async with asyncio.timeout(self._location.patience):
            return await redis.execute_command(*command)  # type: ignore[no-untyped-call]

    async def _failed(self, error: RedisError | OSError) -> StorageError:
        failure = translated(error, self._location.name)
        if is_replica(error) and self._pool is not None:
            await self._pool.disconnect(inuse_connections=False)  # the name may lead to the new primary
        if is_full(error) and time.monotonic() - self._said_full >= SAYS_FULL_EVERY:
            self._said_full = time.monotonic()
            log.error("%s: give it more memory, or delete what is not needed", failure)
        return failure
