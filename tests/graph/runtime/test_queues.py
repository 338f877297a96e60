"""The queues on servers: what waits in them, what becomes of it when who has taken it dies, or the server goes away."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from graph.runtime import Execute, Job, RuntimeFailed, Shared, open_runtime, runtime_of
from tests import backends
from tests.backends.own import own
from tests.graph.doubles import Gate
from tests.graph.runtime.test_in_process import Worker, run

QUEUED = tuple(sorted(backends.GROUNDS.keys() & {"postgresql", "redis"}))
LONGEST = 60.0


@pytest.fixture(params=QUEUED)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with backends.empty(request.param, tmp_path) as place:
        yield runtime_of(place)


@asynccontextmanager
async def runtime(url: str, execute: Execute | None = None, limit: int = 6) -> AsyncIterator[Shared]:
    """A process's runtime. Without `execute` it does nothing itself."""
    opened = open_runtime(url, limit, works=execute is not None)
    assert isinstance(opened, Shared)
    await opened.open()
    if execute is not None:
        await opened.start(execute)
    try:
        yield opened
    finally:
        await opened.stop()
        await opened.close()


async def test_a_job_reaches_one_of_many(url: str) -> None:
    workers = [Worker(), Worker()]
    async with runtime(url) as replica, runtime(url, workers[0], 1), runtime(url, workers[1], 1):
        for name in "ab":
            await replica.offer(run("t", name))
        async with asyncio.timeout(LONGEST):
            await asyncio.gather(*(next_begun(worker) for worker in workers))
        assert sorted(name for worker in workers for _, name in worker.begun) == ["a", "b"]
        for worker in workers:
            for name in "ab":
                await worker.let(name)


async def test_what_waits_already_waits_once(url: str) -> None:
    worker = Worker()
    async with runtime(url) as replica:
        for name in ("a", "b", "a", "a"):
            await replica.offer(run("t", name))
        assert await replica.waiting() == 2
        for name in "ab":
            await worker.let(name)
        async with runtime(url, worker, 1):
            async with asyncio.timeout(LONGEST):
                await worker.reached("b")
            assert worker.begun == [("t", "a"), ("t", "b")]


async def test_what_is_at_work_comes_again_when_it_is_given_back(url: str) -> None:
    """A run that is handed over: it is offered while the job of it has not ended here."""
    leaver, heir = Worker(), Worker()
    async with runtime(url) as replica, runtime(url, leaver, 1) as leaving:
        await replica.offer(run("t", "a"))
        async with asyncio.timeout(LONGEST):
            await leaver.reached("a")
            await leaving.stop()
            await leaving.offer(run("t", "a"))
            await leaver.let("a")
            async with runtime(url, heir, 1):
                await heir.reached("a")
                await heir.let("a")


async def test_who_stops_takes_no_more_and_ends_what_is_at_work(url: str) -> None:
    worker, other = Worker(), Worker()
    async with runtime(url) as replica, runtime(url, worker, 1) as stopping:
        await replica.offer(run("t", "a"))
        async with asyncio.timeout(LONGEST):
            await worker.reached("a")
            await stopping.stop()
            await replica.offer(run("t", "b"))
            async with runtime(url, other, 1):
                await other.reached("b")
                await other.let("b")
        assert worker.begun == [("t", "a")]
        await worker.let("a")


async def test_the_jobs_of_a_worker_that_is_killed_are_done_by_another_one(url: str) -> None:
    """kill -9 with six of them at work, and nobody who sweeps: the queue alone gives them back."""
    names = {f"job {number}" for number in range(6)}
    async with runtime(url) as replica:
        for name in sorted(names):
            await replica.offer(run("t", name))
        worker = await asyncio.create_subprocess_exec(sys.executable, "-m", __name__, url, stdout=subprocess.PIPE)
        assert worker.stdout
        taken = {(await worker.stdout.readline()).decode().strip() for _ in names}
        worker.kill()
        await worker.wait()
        assert taken == names
        done = asyncio.Queue[str]()

        async def execute(job: Job) -> None:
            done.put_nowait(job.id)

        async with runtime(url, execute), asyncio.timeout(LONGEST):
            again = set[str]()
            while again != names:
                again.add(await done.get())


@pytest.mark.parametrize("scheme", QUEUED)
async def test_a_server_that_is_just_starting_is_waited_for(scheme: str) -> None:
    with own(scheme) as database:
        database.kill()
        async with asyncio.timeout(LONGEST), asyncio.TaskGroup() as group:
            opening = group.create_task(opened(runtime_of(database.url)))
            await asyncio.sleep(0)
            group.create_task(asyncio.to_thread(database.start))
        assert await opening.result().waiting() == 0
        await opening.result().close()


@pytest.mark.parametrize("scheme", QUEUED)
async def test_a_job_ends_while_the_server_is_away(scheme: str) -> None:
    """Nobody is taken by surprise, and jobs are taken again when it is back."""
    surprises = list[str]()
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: surprises.append(context["message"]))
    worker = Worker()
    with own(scheme) as database:
        async with runtime(runtime_of(database.url), worker, 1) as here, asyncio.timeout(LONGEST):
            await here.offer(run("t", "a"))
            await worker.reached("a")
            database.kill()  # nobody has seen it when the job ends
            await worker.let("a")
            await asyncio.sleep(0)
            await asyncio.to_thread(database.start)
            while ("t", "b") not in worker.begun:
                await here.offer(run("t", "b"))
                await asyncio.sleep(0.2)
            await worker.let("b")
        gc.collect()
    assert surprises == []


async def opened(url: str) -> Shared:
    made = open_runtime(url, 1)
    assert isinstance(made, Shared)
    await made.open()
    return made


@pytest.mark.parametrize("place", ["postgresql://nobody@127.0.0.1:1/x", "redis://127.0.0.1:1/0"])
async def test_a_server_that_is_not_there_is_one_line(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graph.runtime.shared.START_SECONDS", 0.5)
    opened = open_runtime(place, 1)
    with pytest.raises(RuntimeFailed) as failed:
        await opened.open()
    assert "\n" not in str(failed.value)
    await opened.close()


async def next_begun(worker: Worker) -> None:
    """Returns when the worker has begun something."""
    for name in "ab":
        worker.gates.setdefault(name, Gate())
    waits = [asyncio.create_task(gate.reached.wait()) for gate in worker.gates.values()]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()


async def _work(url: str) -> None:
    """A worker that tells what it takes, and ends none of it."""

    async def execute(job: Job) -> None:
        sys.stdout.write(f"{job.id}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()

    async with runtime(url, execute):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_work(sys.argv[1]))
