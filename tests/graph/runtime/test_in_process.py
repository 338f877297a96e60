"""The runtime of a single process."""

from __future__ import annotations

import asyncio

import pytest

from graph.runtime import InProcess, Job
from tests.graph.doubles import Gate


def run(tenant: str, id: str) -> Job:
    return Job("run", tenant, id)


class Worker:
    """Carries out runs until it is let on."""

    def __init__(self) -> None:
        self.begun: list[tuple[str, str]] = []
        self.gates: dict[str, Gate] = {}

    async def __call__(self, job: Job) -> None:
        self.begun.append((job.tenant, job.id))
        gate = self.gates.setdefault(job.id, Gate())
        gate.reached.set()
        await gate.open.wait()

    async def let(self, run_id: str) -> None:
        self.gates.setdefault(run_id, Gate()).open.set()

    async def reached(self, run_id: str) -> None:
        await self.gates.setdefault(run_id, Gate()).reached.wait()


async def test_runs_start_in_order_and_so_many_at_a_time() -> None:
    worker, runtime = Worker(), InProcess(2)
    for name in "abcd":
        await runtime.submit(run("t", name))
    await runtime.start(worker)
    await worker.reached("b")
    assert worker.begun == [("t", "a"), ("t", "b")]
    await worker.let("b")
    await worker.reached("c")
    assert worker.begun[2:] == [("t", "c")]
    for name in "acd":
        await worker.let(name)
    await worker.reached("d")


async def test_one_that_waits_already_keeps_its_place() -> None:
    begun: list[tuple[str, str]] = []
    last = asyncio.Event()

    async def execute(job: Job) -> None:
        begun.append((job.tenant, job.id))
        if job.tenant == "u":
            last.set()

    runtime = InProcess(1)
    for name in "abaab":
        await runtime.submit(run("t", name))
    await runtime.submit(run("u", "a"))
    await runtime.start(execute)
    await last.wait()
    assert begun == [("t", "a"), ("t", "b"), ("u", "a")]


async def test_a_run_may_come_again_when_it_is_at_work() -> None:
    worker, runtime = Worker(), InProcess(2)
    await runtime.start(worker)
    await runtime.submit(run("t", "a"))
    await worker.reached("a")
    worker.gates["a"].reached.clear()
    await runtime.submit(run("t", "a"))
    await worker.reached("a")
    assert worker.begun == [("t", "a"), ("t", "a")]
    await worker.let("a")


async def test_a_stopped_runtime_hands_nothing_out_and_forgets_what_waits() -> None:
    worker, runtime = Worker(), InProcess(1)
    await runtime.start(worker)
    await runtime.submit(run("t", "a"))
    await runtime.submit(run("t", "b"))
    await worker.reached("a")
    await runtime.stop()
    await worker.let("a")
    await runtime.submit(run("t", "c"))
    await runtime.start(worker)
    await worker.reached("c")
    assert worker.begun == [("t", "a"), ("t", "c")]
    await worker.let("c")


@pytest.mark.parametrize("limit", [1, 3])
async def test_many_runs_all_get_their_turn(limit: int) -> None:
    done: list[str] = []
    finished = asyncio.Event()

    async def execute(job: Job) -> None:
        await asyncio.sleep(0)
        done.append(job.id)
        if len(done) == 50:
            finished.set()

    runtime = InProcess(limit)
    await runtime.start(execute)
    for number in range(50):
        await runtime.submit(run("t", f"{number:02}"))
    await finished.wait()
    assert sorted(done) == [f"{number:02}" for number in range(50)]


async def test_a_tenant_with_enough_at_work_holds_nobody_up() -> None:
    worker, runtime = Worker(), InProcess(3, of_tenant=1)
    await runtime.start(worker)
    for tenant, name in ("ta", "tb", "uc", "td"):
        await runtime.submit(run(tenant, name))
    await worker.reached("c")
    assert worker.begun == [("t", "a"), ("u", "c")]
    assert await runtime.waiting() == 2
    assert not runtime.has_room("t")
    assert runtime.has_room("v")
    await worker.let("a")
    await worker.reached("b")
    assert worker.begun[2:] == [("t", "b")]
    for name in "bcd":
        await worker.let(name)
    await worker.reached("d")


async def test_who_waits_for_a_job_hears_of_its_end_or_that_it_will_not_be_done() -> None:
    worker, runtime = Worker(), InProcess(1)
    await runtime.start(worker)
    first = asyncio.create_task(runtime.carried(run("t", "a")))
    second = asyncio.create_task(runtime.carried(run("t", "b")))
    await worker.reached("a")
    assert runtime.clear() == [run("t", "b")]
    await second
    assert not first.done()
    await worker.let("a")
    await first
    assert worker.begun == [("t", "a")]
