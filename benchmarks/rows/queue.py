"""What the way through a queue takes: from a run's request to its first call upstream."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median, quantiles
from time import monotonic

from benchmarks.bench import Bench, question
from benchmarks.client import Target, connect
from benchmarks.figures import Figure
from benchmarks.rows.assistants import assistant
from benchmarks.stores import Opened, shared

TITLE = "from a run's request to its first call upstream, one at a time: in the same process, and through the queue"
RUNS, WARM = 120, 8


async def measure(bench: Bench) -> list[Figure]:
    return [figure for name, opened in shared().items() for figure in await _compared(bench, name, opened)]


async def _compared(bench: Bench, name: str, opened: Opened) -> list[Figure]:
    here, queued = await _measured(bench, opened, 0), await _measured(bench, opened, 1)
    return figures(name, here, queued)


def figures(name: str, here: Sequence[Sequence[float]], queued: Sequence[Sequence[float]]) -> list[Figure]:
    """A store's figures, of each round's milliseconds."""
    rounds = list(zip(here, queued, strict=True))
    return [
        Figure(f"{name}: in the same process, p50", [median(each) for each in here], "ms"),
        Figure(f"{name}: through the queue, p50", [median(each) for each in queued], "ms"),
        Figure(f"{name}: the queue adds, p50", [median(more) - median(less) for less, more in rounds], "ms"),
        Figure(f"{name}: the queue adds, p95", [p95(more) - p95(less) for less, more in rounds], "ms"),
    ]


def p95(values: Sequence[float]) -> float:
    """What 19 of 20 keep within."""
    return quantiles(values, n=20, method="inclusive")[-1]


async def _measured(bench: Bench, opened: Opened, workers: int) -> list[list[float]]:
    many = bench.many(RUNS, 4)
    with opened() as store:
        async with bench.fleet("chat64", workers, STORAGE_URL=store.url) as fleet:
            target = fleet.door.target
            known = await assistant(target)
            await _waits(bench, target, known, WARM)
            return [await _waits(bench, target, known, many) for _ in range(bench.rounds)]


async def _waits(bench: Bench, target: Target, known: str, many: int) -> list[float]:
    """Milliseconds."""
    connection, waits = await connect(target), list[float]()
    await bench.tally()
    for _ in range(many):
        thread = {"messages": [{"role": "user", "content": question()}]}
        request = target.post("/threads/runs", {"assistant_id": known, "thread": thread, "stream": True})
        began = monotonic()
        ended = connection.send(request)  # streamed, so that it is over before the next begins
        [asked] = (await bench.tally(asked=1))["asked"]
        waits.append((asked - began) * 1000)
        await ended
    connection.close()
    return waits
