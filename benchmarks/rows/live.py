"""How long a token is on its way: from the upstream's write until the run's client has it, who listens at another process."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from statistics import median
from typing import Final

from benchmarks.bench import Bench, question
from benchmarks.client import Connection, Target, spread
from benchmarks.figures import Figure
from benchmarks.profiles import STAMPED
from benchmarks.rows.assistants import assistant, check
from benchmarks.rows.queue import p95
from benchmarks.stores import Opened, shared
from benchmarks.tokens import since

TITLE = "a token's way from upstream to client, 8 streams of 10 tokens/s: carried where it is heard, and by a worker"
AT_ONCE, STREAMS = 8, 16
_STAMP: Final = re.compile(rb" w(\d{8})")


async def measure(bench: Bench) -> list[Figure]:
    return [figure for name, opened in shared().items() for figure in await _compared(bench, name, opened)]


async def _compared(bench: Bench, name: str, opened: Opened) -> list[Figure]:
    here, there = await _measured(bench, opened, 0), await _measured(bench, opened, 1)
    return figures(name, here, there)


def figures(name: str, here: Sequence[Sequence[float]], there: Sequence[Sequence[float]]) -> list[Figure]:
    """A store's figures, of each round's milliseconds."""
    rounds = list(zip(here, there, strict=True))
    return [
        Figure(f"{name}: in the same process, p50", [median(each) for each in here], "ms"),
        Figure(f"{name}: from a worker, p50", [median(each) for each in there], "ms"),
        Figure(f"{name}: from a worker, p95", [p95(each) for each in there], "ms"),
        Figure(f"{name}: the worker adds, p50", [median(more) - median(less) for less, more in rounds], "ms"),
        Figure(f"{name}: the worker adds, p95", [p95(more) - p95(less) for less, more in rounds], "ms"),
    ]


async def _measured(bench: Bench, opened: Opened, workers: int) -> list[list[float]]:
    many = bench.many(STREAMS, AT_ONCE // 2)
    with opened() as store:
        async with bench.fleet("stamped", workers, STORAGE_URL=store.url) as fleet:
            target = fleet.door.target
            known = await assistant(target)
            await _streamed(target, known, 2)
            return [await _streamed(target, known, many) for _ in range(bench.rounds)]


async def _streamed(target: Target, known: str, many: int) -> list[float]:
    """The milliseconds of every token."""
    waits = list[float]()
    await spread(target, partial(_stream, waits, target, known), many, min(many, AT_ONCE))
    return waits


async def _stream(waits: list[float], target: Target, known: str, connection: Connection, number: int) -> None:
    said = list[float]()
    connection.heard = lambda data: said.extend(since(told) * 1000 for told in _STAMP.findall(data))
    thread = {"messages": [{"role": "user", "content": question()}]}
    answer = await connection.ask(
        target.post("/threads/runs", {"assistant_id": known, "thread": thread, "stream": True})
    )
    check(b"event: thread.run.completed" in answer.body, answer.body[-500:])
    waits += said[:STAMPED]  # the rest is the whole text, told again at the end
