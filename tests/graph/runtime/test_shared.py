"""The runtime of many processes, over a queue in memory."""

from __future__ import annotations

import asyncio
from functools import partial
from urllib.parse import parse_qs, urlsplit

import pytest

from graph.runtime import Execute, Job, RuntimeFailed, Shared, open_runtime, runtime_of
from tests.graph.runtime.test_in_process import Worker, run


class Line:
    """A queue, as those on servers are."""

    def __init__(self) -> None:
        self.jobs: dict[Job, None] = {}
        self._takers: list[tuple[Execute, asyncio.Semaphore]] = []
        self._at_work: set[asyncio.Task[None]] = set()

    async def open(self) -> None: ...

    async def put(self, job: Job) -> None:
        self.jobs[job] = None
        self._next()

    async def take(self, execute: Execute, limit: int) -> None:
        self._takers.append((execute, asyncio.Semaphore(limit)))
        self._next()

    async def waiting(self) -> int:
        return len(self.jobs)

    async def stop(self) -> None:
        self._takers.clear()

    async def close(self) -> None: ...

    def _next(self) -> None:
        for execute, free in self._takers:
            while self.jobs and not free.locked():
                free._value -= 1
                job = next(iter(self.jobs))
                del self.jobs[job]
                task = asyncio.ensure_future(execute(job))
                self._at_work.add(task)
                task.add_done_callback(partial(self._over, free))

    def _over(self, free: asyncio.Semaphore, task: asyncio.Task[None]) -> None:
        self._at_work.discard(task)
        free.release()
        self._next()


async def test_what_is_accepted_begins_here_as_long_as_there_is_room() -> None:
    worker, line = Worker(), Line()
    runtime = Shared(line, 1)
    await runtime.start(worker)
    assert await runtime.submit(run("t", "a"))
    await worker.reached("a")
    assert not await runtime.submit(run("t", "b"))
    assert worker.begun == [("t", "a")]  # taken from the queue, and waiting for its turn
    await worker.let("a")
    await worker.reached("b")
    await worker.let("b")


async def test_who_does_not_work_leaves_everything_to_others() -> None:
    worker, line = Worker(), Line()
    replica = Shared(line, 9, works=False)
    await replica.start(worker)
    assert not await replica.submit(run("t", "a"))
    assert list(line.jobs) == [run("t", "a")]
    assert await replica.waiting() == 1
    await Shared(line, 9).start(worker)
    await worker.reached("a")
    await worker.let("a")


async def test_what_waits_here_is_left_to_others_at_the_end() -> None:
    worker, line = Worker(), Line()
    runtime = Shared(line, 2, of_tenant=1)
    await runtime.start(worker)
    await runtime.submit(run("t", "a"))
    await worker.reached("a")
    await runtime.submit(run("t", "b"))  # its tenant has enough at work
    await runtime.offer(run("u", "c"))
    await worker.reached("c")
    await runtime.stop()
    assert list(line.jobs) == [run("t", "b")]
    for name in "ac":
        await worker.let(name)


@pytest.mark.parametrize(
    ("storage", "runtime"),
    [
        ("sqlite:///a.db", "memory://"),
        ("memory://", "memory://"),
        ("cosmos://account/database", "memory://"),
        ("redis://host:1/2?prefix=a&ttl=9", "redis://host:1/2?prefix=a&ttl=9"),
        ("postgresql://host/db?schema=mine&table=t", "postgresql://host/db?schema=mine_t_queue&table=t"),
        ("postgresql://host/db?schema=mine", "postgresql://host/db?schema=mine_queue"),
        ("postgresql://host/db?schema=public&table=cortex_flow", "postgresql://host/db?table=cortex_flow"),
        ("postgresql://host/db", "postgresql://host/db"),
        ("postgresql://host/db?password=a+b%20c", "postgresql://host/db?password=a%2Bb%20c"),
    ],
)
def test_the_runtime_beside_a_storage(storage: str, runtime: str) -> None:
    assert runtime_of(storage) == runtime


def test_stores_of_the_longest_names_have_queues_of_their_own() -> None:
    schema, table = "s" * 40, "t" * 39
    urls = [runtime_of(f"postgresql://host/db?schema={schema}&table={table}{last}") for last in "ab"]
    names = [parse_qs(urlsplit(url).query)["schema"][0] for url in urls]
    assert [len(name) for name in names] == [63, 63]
    assert names[0] != names[1]
    for url in urls:
        open_runtime(url, 1)


async def test_a_plus_in_the_url_of_a_database_is_a_plus() -> None:
    with pytest.raises(RuntimeFailed, match=r"/nowhere/a\+b c"):
        await open_runtime("postgresql:///db?host=/nowhere/a+b%20c", 1).open()


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("pigeon://secret@host", "no runtime serves pigeon://"),
        ("nothing", "a URL without a scheme"),
        ("redis://localhost?prefix=a*b", "prefix"),
        ("postgresql://localhost?schema=a;b", "schema"),
        ("postgresql://localhost?nonsense=1", "can't be read"),
    ],
)
def test_a_url_that_can_not_be_used_is_one_line(url: str, why: str) -> None:
    with pytest.raises(RuntimeFailed, match=why) as failed:
        open_runtime(url, 1)
    assert "secret" not in str(failed.value)
    assert "\n" not in str(failed.value)


async def test_what_was_just_put_in_is_counted() -> None:
    replica = Shared(Line(), 1, works=False)
    assert await replica.waiting() == 0
    for name in "abc":
        await replica.submit(run("t", name))
    assert await replica.waiting() == 3
