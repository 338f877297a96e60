"""Durable runs where one server accepts them and others carry them, over stores that processes share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import Final

from benchmarks.bench import Bench, question
from benchmarks.bench import Fleet as Processes
from benchmarks.client import Connection, Target, spread
from benchmarks.figures import Figure
from benchmarks.rows.assistants import assistant, check
from benchmarks.stores import Opened, Store, shared

TITLE = "an assistant's run of 64 tokens, polled: one server alone, then with 1, 2 and 4 workers"
AT_ONCE, RUNS = 48, 480
WORKERS: Final = (0, 1, 2, 4)
FLAT: Final = 1.25  # times the CPU of a run with one worker that one with four may take


@dataclass(slots=True)
class Costs:
    """What a fleet's runs cost, round by round: runs a second, milliseconds of CPU, bytes."""

    rate: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    door: list[float] = field(default_factory=list)
    database: list[float] = field(default_factory=list)
    stored: list[float] = field(default_factory=list)


async def measure(bench: Bench) -> list[Figure]:
    return [
        figure
        for name, opened in shared().items()
        for figure in figures(name, {workers: await _measured(bench, opened, workers) for workers in WORKERS})
    ]


def figures(name: str, costs: dict[int, Costs]) -> list[Figure]:
    """A store's figures, of the costs by the number of workers."""
    told = [figure for workers, each in costs.items() for figure in _of_fleet(name, workers, each)]
    few, many = min(filter(None, costs)), max(costs)
    ratios = [more / less for more, less in zip(costs[many].cpu, costs[few].cpu, strict=True)]
    return [*told, Figure(f"{name}: CPU per run, {many} workers / {few}", ratios, "x", FLAT)]


def _of_fleet(name: str, workers: int, costs: Costs) -> list[Figure]:
    who = f"{workers} worker{'s' if workers > 1 else ''}" if workers else "no workers"
    told = [
        Figure(f"{name}, {who}: runs per second", costs.rate, "/s"),
        Figure(f"{name}, {who}: CPU per run, all processes", costs.cpu, "ms"),
    ]
    if workers == 1:
        told.append(Figure(f"{name}, {who}: of which the accepting server's", costs.door, "ms"))
    if workers < 2:
        told.append(Figure(f"{name}, {who}: the database's CPU per run", costs.database, "ms"))
    if not workers:
        told.append(Figure(f"{name}: bytes that a run leaves there, with thread and message", costs.stored, "B"))
    return told


async def _measured(bench: Bench, opened: Opened, workers: int) -> Costs:
    costs, many = Costs(), bench.many(RUNS, AT_ONCE)
    with opened() as store:
        async with bench.fleet("chat64", workers, STORAGE_URL=store.url) as fleet:
            ask = partial(_run, fleet.door.target, await assistant(fleet.door.target))
            await spread(fleet.door.target, ask, max(AT_ONCE, many // 4), AT_ONCE)
            for _ in range(bench.rounds):
                await _round(costs, fleet, store, lambda: spread(fleet.door.target, ask, many, AT_ONCE), many)
    return costs


async def _round(
    costs: Costs, fleet: Processes, store: Store, load: Callable[[], Awaitable[object]], many: int
) -> None:
    assert store.size
    assert store.cpu
    size, spent = store.size(), store.cpu()
    cpu, door, began = fleet.cpu(), fleet.door.cpu(), monotonic()
    await load()
    costs.rate.append(many / (monotonic() - began))
    costs.cpu.append((fleet.cpu() - cpu) / many * 1000)
    costs.door.append((fleet.door.cpu() - door) / many * 1000)
    costs.database.append((store.cpu() - spent) / many * 1000)
    costs.stored.append((store.size() - size) / many)


async def _run(target: Target, known: str, connection: Connection, number: int) -> None:
    """A run with its thread, to its end."""
    thread = {"messages": [{"role": "user", "content": question()}]}
    run = (await connection.ask(target.post("/threads/runs", {"assistant_id": known, "thread": thread}))).json()
    where = target.get(f"{target.path}/threads/{run['thread_id']}/runs/{run['id']}")
    while run["status"] in ("queued", "in_progress"):
        answer = await connection.ask(where)
        run = answer.json()
        if run["status"] in ("queued", "in_progress"):
            await asyncio.sleep(answer.poll_after)
    check(run["status"] == "completed", run)
