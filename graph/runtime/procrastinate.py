"""The queue on PostgreSQL: procrastinate, in a schema of its own, which is made at the first open.

`postgresql://...?schema=name`: all other parameters are libpq's. Nothing in it is the truth: the schema may be dropped
while no process is up, and the sweep offers what waits again.
"""

from __future__ import annotations

import asyncio
import logging
import re
from contextlib import suppress
from random import uniform
from typing import Final

import psycopg
import psycopg_pool
from procrastinate import App, PsycopgConnector, exceptions
from procrastinate.jobs import DeleteJobCondition, Status
from procrastinate.jobs import Job as StoredJob
from procrastinate.manager import JobManager
from procrastinate.utils import utcnow
from psycopg import sql

from graph.runtime.port import Execute, Job, Kind, RuntimeAway, RuntimeFailed
from graph.storage.postgres.faults import away
from graph.storage.tasks import ended
from graph.storage.urls import parameters, with_parameters

SCHEMA: Final = "cortex_flow_queue"
OF_STORAGE: Final = ("table", "pool_size")
QUEUE: Final = "cortex-flow"
TASK: Final = "job"
POLL: Final = 2.0  # what is put in while a worker begins to listen gives no notice
HEARTBEAT: Final = 5.0
STALLED: Final = 11.0  # longer than an owner's lease: who gets the job may take the run
AGAIN: Final = 2.0
CONNECTING: Final = 30.0
LOCK: Final = 0x636F72746578  # one process at a time makes the schema

log = logging.getLogger(__name__)


class ProcrastinateQueue:
    """Jobs as rows; a notice wakes who takes them."""

    def __init__(self, url: str) -> None:
        self._conninfo, self._schema = _read(url)
        connector = self._connector()
        self._app = App(connector=connector)
        self._app.job_manager = Manager(connector)
        self._app.task(name=TASK)(self._do)
        self._execute: Execute | None = None
        self._working: asyncio.Task[None] | None = None
        self._mending: asyncio.Task[None] | None = None
        self._begun: dict[asyncio.Task[None], Job] = {}
        for name in ("procrastinate", "psycopg.pool"):  # they tell every job, and every attempt to connect
            logging.getLogger(name).setLevel(logging.CRITICAL)

    async def open(self) -> None:
        try:
            async with asyncio.timeout(CONNECTING):
                await self._prepare()
                await self._app.open_async()
        except TimeoutError:
            raise RuntimeFailed("the database does not answer") from None
        except (psycopg.Error, exceptions.ConnectorException, psycopg_pool.PoolTimeout) as error:
            raise RuntimeFailed(_line(error)) from error

    async def put(self, job: Job) -> None:
        task = self._app.configure_task(TASK, queue=QUEUE, queueing_lock="/".join(job))
        try:
            await task.defer_async(kind=job.kind, tenant=job.tenant, id=job.id)
        except exceptions.AlreadyEnqueued:
            pass
        except (exceptions.ProcrastinateException, psycopg.Error, psycopg_pool.PoolTimeout) as error:
            log.warning("%s %s could not be put into the queue and waits for the sweep: %s", *_named(job), _line(error))

    async def take(self, execute: Execute, limit: int) -> None:
        self._execute = execute
        self._working = asyncio.create_task(self._work(limit))
        self._mending = asyncio.create_task(self._mend())

    async def waiting(self) -> int:
        try:
            found = await self._app.connector.execute_query_one_async(
                "SELECT count(*) AS waiting FROM procrastinate_jobs WHERE status = 'todo'"
            )
        except (exceptions.ConnectorException, psycopg.Error, psycopg_pool.PoolTimeout):
            return 0
        return int(found["waiting"])

    async def stop(self) -> None:
        await ended(filter(None, (self._working, self._mending)))

    async def close(self) -> None:
        await self.stop()
        if self._begun:
            await asyncio.wait(self._begun)
        with suppress(exceptions.ConnectorException, psycopg.Error):
            await self._app.close_async()

    async def _do(self, kind: Kind, tenant: str, id: str) -> None:
        """A job. It is no part of the task that took it: when the database goes away, so does that, and the work goes on."""
        assert self._execute is not None
        job = Job(kind, tenant, id)
        begun = asyncio.ensure_future(self._execute(job))
        self._begun[begun] = job
        begun.add_done_callback(lambda task: self._begun.pop(task, None))
        await asyncio.shield(begun)

    async def _work(self, limit: int) -> None:
        while True:
            try:
                await self._app.run_worker_async(
                    queues=[QUEUE],
                    concurrency=limit,
                    install_signal_handlers=False,
                    fetch_job_polling_interval=POLL,
                    delete_jobs=DeleteJobCondition.ALWAYS,
                    shutdown_graceful_timeout=0,
                    update_heartbeat_interval=HEARTBEAT,
                    stalled_worker_timeout=STALLED,
                )
                log.warning("the queue went away: trying again")
            except Exception as error:
                log.warning("the queue can't be read and is tried again: %s", _line(error))
            await asyncio.sleep(uniform(AGAIN / 2, AGAIN))  # noqa: S311 - not all at once, that is all

    async def _mend(self) -> None:
        """Give back, now and then, what dead processes had taken."""
        while True:
            await asyncio.sleep(uniform(STALLED / 4, STALLED / 2))  # noqa: S311
            with suppress(exceptions.ProcrastinateException, psycopg.Error, psycopg_pool.PoolTimeout):
                await self._give_back()

    async def _give_back(self) -> None:
        manager = self._app.job_manager
        for job in await manager.get_stalled_jobs(queue=QUEUE, seconds_since_heartbeat=STALLED):
            try:
                await manager.retry_job(job, retry_at=utcnow())
            except exceptions.ConnectorException:  # it waits already, or somebody was faster
                with suppress(exceptions.ConnectorException):
                    await manager.finish_job(job, Status.FAILED, delete_job=True)

    async def _prepare(self) -> None:
        """Make the schema and its tables where they are not there yet."""
        try:
            await self._made()
        except psycopg.Error as error:
            raise (RuntimeAway if away(error) else RuntimeFailed)(_line(error)) from error

    async def _made(self) -> None:
        async with await psycopg.AsyncConnection.connect(self._conninfo, autocommit=False) as connection:
            await connection.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
            found = await connection.execute("SELECT to_regclass(%s)", [f'"{self._schema}".procrastinate_jobs'])
            row = await found.fetchone()
            if row is None or row[0] is None:
                name = sql.Identifier(self._schema)
                await connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(name))
                await connection.execute(sql.SQL("SET LOCAL search_path TO {}").format(name))
                await connection.execute(self._app.schema_manager.get_schema())

    def _connector(self) -> PsycopgConnector:
        return PsycopgConnector(
            conninfo=self._conninfo,
            kwargs={"options": f'-c search_path="{self._schema}"'},
            min_size=1,
            max_size=4,
            timeout=CONNECTING,
        )


class Manager(JobManager):
    """procrastinate's, for a database that may be away when a job ends: then it is nobody's after a while, and given back."""

    async def finish_job(self, job: StoredJob, status: Status, delete_job: bool) -> None:
        try:
            await super().finish_job(job, status, delete_job)
        except (exceptions.ConnectorException, psycopg_pool.PoolTimeout) as error:
            log.warning("the end of a job could not be written: %s", _line(error))


def _read(url: str) -> tuple[str, str]:
    """What libpq gets, and the schema."""
    try:
        query = parameters(url)
    except ValueError as error:
        raise RuntimeFailed(f"the URL can't be read: {error}") from None
    schema = query.pop("schema", SCHEMA)
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,62}", schema):
        raise RuntimeFailed("a schema is named with up to 63 letters, digits and _, and begins with no digit")
    kept = {name: value for name, value in query.items() if name not in OF_STORAGE}
    conninfo = with_parameters(url, kept)
    try:
        psycopg.conninfo.conninfo_to_dict(conninfo)
    except psycopg.ProgrammingError as error:
        raise RuntimeFailed(f"the URL can't be read: {_line(error)}") from None
    return conninfo, schema


def _line(error: BaseException) -> str:
    cause = error.__cause__ or error
    return " ".join(str(cause).split()) or type(cause).__name__


def _named(job: Job) -> tuple[str, str]:
    return job.kind, job.id
