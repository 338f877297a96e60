"""The queue on Redis (7 or newer: it has functions): streaq, under keys of its own.

`redis://...?prefix=name`: the keys begin with `streaq:<name>-queue`.
"""

from __future__ import annotations

import asyncio
import logging
import re
from contextlib import suppress
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import anyio
import orjson
from anyio import TASK_STATUS_IGNORED, CancelScope, CapacityLimiter
from anyio.abc import TaskStatus
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from coredis.exceptions import CommandNotSupportedError, RedisError, StreamConsumerGroupError, UnknownCommandError
from coredis.exceptions import ConnectionError as RedisConnectionError
from coredis.response.types import StreamPending, StreamPendingExt
from streaq import StreaqError, StreaqRetry, Worker
from streaq.constants import REDIS_GROUP
from streaq.types import StreamMessage

from graph.runtime.port import Execute, Job, Kind, RuntimeAway, RuntimeFailed

PREFIX: Final = "cortex-flow"
OF_STORAGE: Final = ("prefix", "ttl")
TASK: Final = "job"
PRIORITY: Final = "normal"
STALLED: Final = 11.0  # longer than an owner's lease: who gets the job may take the run
AGAIN: Final = 1.0
MOST: Final = 10_000
CONNECTING: Final = 30.0
AWAY: Final = (RedisError, StreaqError, OSError, TimeoutError, anyio.BrokenResourceError, anyio.ClosedResourceError)

log = logging.getLogger(__name__)


class StreaqQueue:
    """Jobs as entries of a stream; who takes one keeps it as its own until it is done."""

    def __init__(self, url: str) -> None:
        self._url, self._name = _read(url)
        self._door: _Worker | None = None
        self._standing: asyncio.Task[None] | None = None
        self._taking: asyncio.Task[None] | None = None
        self._opened: asyncio.Future[None] | None = None
        self._execute: Execute | None = None
        self._here: set[Job] = set()
        self._again: set[Job] = set()
        logging.getLogger("streaq").setLevel(logging.CRITICAL)  # it tells every job

    async def open(self) -> None:
        self._opened = asyncio.get_running_loop().create_future()
        self._standing = asyncio.create_task(self._stand(self._opened))
        try:
            async with asyncio.timeout(CONNECTING):
                await asyncio.shield(self._opened)
        except TimeoutError:
            raise RuntimeFailed("Redis does not answer") from None
        except (CommandNotSupportedError, UnknownCommandError) as error:
            raise RuntimeFailed("the queue needs Redis 7 or newer; memory:// goes without a queue") from error
        except (RedisConnectionError, OSError) as error:
            raise RuntimeAway(_line(error)) from error
        except Exception as error:
            raise RuntimeFailed(_line(error)) from error

    async def put(self, job: Job) -> None:
        if job in self._here:
            self._again.add(job)
            return
        try:
            if self._door is None:
                raise ConnectionError("Redis is away")
            await self._door.put(job)
        except AWAY as error:
            log.warning("%s %s could not be put into the queue and waits for the sweep: %s", *_named(job), _line(error))

    async def take(self, execute: Execute, limit: int) -> None:
        self._execute = execute
        self._taking = asyncio.create_task(self._take(limit))

    async def waiting(self) -> int:
        try:
            return 0 if self._door is None else await self._door.waiting()
        except AWAY:
            return 0

    async def stop(self) -> None:
        if self._taking is not None:
            self._taking.cancel()

    async def close(self) -> None:
        await self.stop()
        if self._taking is not None:  # it ends when what it has taken does
            await asyncio.wait([self._taking])
        if self._standing is not None:
            self._standing.cancel()
            await asyncio.wait([self._standing])

    async def _do(self, kind: Kind, tenant: str, id: str) -> None:
        assert self._execute is not None
        job = Job(kind, tenant, id)
        self._here.add(job)
        try:
            await self._execute(job)
        finally:
            self._here.discard(job)
        if job in self._again:
            self._again.discard(job)
            raise StreaqRetry(delay=0)

    async def _stand(self, opened: asyncio.Future[None]) -> None:
        """Keep a connection for what is put in."""
        while True:
            try:
                async with self._worker(1) as door:
                    self._door = door
                    if not opened.done():
                        opened.set_result(None)
                    await asyncio.Event().wait()
            except Exception as error:
                self._door = None
                if not opened.done():
                    opened.set_exception(_innermost(error))
                    return
                log.warning("the queue went away: %s", _line(_innermost(error)))
            await asyncio.sleep(AGAIN)

    async def _take(self, limit: int) -> None:
        while True:
            worker = self._worker(limit)
            try:
                await worker.run_async()
            except Exception as error:
                log.warning("the queue can't be read and is tried again: %s", _line(_innermost(error)))
            finally:
                await self._give_back(worker.id)
            await asyncio.sleep(AGAIN)

    async def _give_back(self, worker: str) -> None:
        """Put what a worker has been sent and has not begun at the end of the queue: Redis goes on sending for a moment to
        one who has just stopped listening."""
        if self._door is not None:
            with suppress(*AWAY):
                await self._door.give_back(worker)

    def _worker(self, limit: int) -> _Worker:
        worker = _Worker(self._url, self._name, limit)
        worker.task(name=TASK, max_tries=None, silent=True, ttl=0)(self._do)
        return worker


class _Worker(Worker[None]):
    """streaq's, which outlives an absence of Redis and leaves signals to the server."""

    def __init__(self, url: str, name: str, limit: int) -> None:
        super().__init__(
            redis_url=url,
            concurrency=limit,
            prefetch=1,
            queue_name=name,
            priorities=[PRIORITY],
            serializer=_dumps,
            deserializer=orjson.loads,
            idle_timeout=STALLED,
        )
        self.prefetch = limit  # what is taken begins at once: nothing waits here while others have room

    async def put(self, job: Job) -> None:
        task = self.enqueue_unsafe(TASK, **job._asdict())
        task.id = "/".join(job)
        await self.enqueue_many([task])

    async def waiting(self) -> int:
        """Those that nobody has taken."""
        there = await self.queue_size()
        try:
            taken = await self.redis.xpending(self.stream_key + PRIORITY, REDIS_GROUP)
        except StreamConsumerGroupError:  # nobody has ever taken any
            return there
        return max(0, there - taken.pending) if isinstance(taken, StreamPending) else there

    async def give_back(self, worker: str) -> None:
        """Send anew what was sent to that worker, which has stopped."""
        stream = self.stream_key + PRIORITY
        found = await self.redis.xpending(stream, REDIS_GROUP, start="-", end="+", count=MOST, consumer=worker)
        for id in [each.identifier for each in found if isinstance(each, StreamPendingExt)]:
            for entry in await self.redis.xrange(stream, start=id, end=id):
                async with self.redis.pipeline(transaction=True) as pipe:
                    pipe.xadd(stream, dict(entry.field_values))
                    pipe.xack(stream, REDIS_GROUP, [id])
                    pipe.xdel(stream, [id])

    async def signal_handler(self, scope: CancelScope) -> None:
        """None: the server has its own."""

    async def run_consumers(
        self,
        receive: MemoryObjectReceiveStream[StreamMessage],
        renew_scope: CancelScope,
        produce_scope: CancelScope,
        *,
        task_status: TaskStatus[CapacityLimiter] = TASK_STATUS_IGNORED,
    ) -> None:
        with receive:
            await super().run_consumers(receive, renew_scope, produce_scope, task_status=task_status)

    async def producer(
        self, queue: MemoryObjectSendStream[StreamMessage], limiter: CapacityLimiter, scope: CancelScope
    ) -> None:
        with queue:
            while True:
                try:
                    await super().producer(queue.clone(), limiter, scope)
                except AWAY as error:
                    await _wait_for_redis(error)

    async def renew_idle_timeouts(self, scope: CancelScope) -> None:
        with scope:
            while True:
                try:
                    await super().renew_idle_timeouts(CancelScope())
                except AWAY as error:
                    await _wait_for_redis(error)

    async def schedule_delayed_tasks(self) -> None:
        while True:
            try:
                await super().schedule_delayed_tasks()
            except AWAY as error:
                await _wait_for_redis(error)

    async def run_task(self, msg: StreamMessage) -> None:
        try:
            await super().run_task(msg)
        except AWAY as error:  # it is nobody's after a while, and taken again
            await _wait_for_redis(error)


async def _wait_for_redis(error: Exception) -> None:
    log.warning("the queue is away: %s", _line(error))
    await anyio.sleep(AGAIN)


def _dumps(data: Any) -> str:
    return orjson.dumps(data, default=repr).decode()


def _read(url: str) -> tuple[str, str]:
    """The URL as Redis knows it, and the queue's name."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    prefix = query.get("prefix", PREFIX)
    if not re.fullmatch(r"[A-Za-z0-9._:-]{1,64}", prefix):
        raise RuntimeFailed("a prefix has up to 64 of A-Z a-z 0-9 . _ : -")
    kept = {name: value for name, value in query.items() if name not in OF_STORAGE}
    return urlunsplit(parts._replace(query=urlencode(kept, quote_via=quote))), f"{prefix}-queue"


def _innermost(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
    return error


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _named(job: Job) -> tuple[str, str]:
    return job.kind, job.id
