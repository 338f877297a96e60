"""A question to an assistant, as its clients ask it: thread, message, run, and the way to its end, over durable storage and
over memory. Polled as the SDKs' `create_and_poll` does it, at once and then after what the server says; or streamed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from statistics import median
from time import monotonic
from typing import Any, Final

from benchmarks.bench import Bench, question
from benchmarks.client import Connection, Target, Unanswered, ask, spread
from benchmarks.figures import Figure
from benchmarks.processes import Product

TITLE = "an assistant's run of 64 tokens with its thread and message, 8 at a time"
AT_ONCE, TOKENS, RUNS = 8, 64, 320
GOAL: Final = 1000 / 300  # milliseconds: 300 runs a second on one core
STORES: Final = {"SQLite": {}, "memory": {"STORAGE_URL": "memory://"}}

Asked = Callable[[Connection, int], Awaitable[float]]


async def measure(bench: Bench) -> list[Figure]:
    return [figure for store, settings in STORES.items() for figure in await _measure(bench, store, settings)]


async def _measure(bench: Bench, store: str, settings: dict[str, str]) -> list[Figure]:
    count = bench.many(RUNS, AT_ONCE)
    polled_cpu, polled, cpu, streamed, rate = (list[float]() for _ in range(5))
    async with bench.product("chat64", **settings) as product:
        known = await assistant(product.target)
        polling, streaming = (partial(way, product.target, known) for way in (_polled, _streamed))
        await _load(product, streaming, bench.many(RUNS // 4, AT_ONCE))
        for _ in range(bench.rounds):
            seconds, spent, _ = await _load(product, polling, count)
            polled.append(median(seconds) * 1000)
            polled_cpu.append(spent / count * 1000)
            seconds, spent, wall = await _load(product, streaming, count)
            streamed.append(median(seconds) * 1000)
            cpu.append(spent / count * 1000)
            rate.append(count / wall)
    goal = GOAL if store == "SQLite" else None
    return [
        Figure(f"{store}, polled: CPU per run", polled_cpu, "ms", goal),
        Figure(f"{store}, polled: runs per second of CPU", [1000 / each for each in polled_cpu], "/s"),
        Figure(f"{store}, polled: p50", polled, "ms"),
        Figure(f"{store}, streamed: CPU per run", cpu, "ms", goal),
        Figure(f"{store}, streamed: runs per second", rate, "/s"),
        Figure(f"{store}, streamed: p50", streamed, "ms"),
    ]


async def _load(product: Product, asked: Asked, count: int) -> tuple[list[float], float, float]:
    """The seconds of each run, the product's CPU seconds, and the seconds of all together."""
    before, began = product.cpu(), monotonic()
    seconds = await spread(product.target, asked, count, AT_ONCE)
    return seconds, product.cpu() - before, monotonic() - began


async def assistant(target: Target) -> str:
    """A new assistant's id."""
    given = {"model": "cortex-flow", "name": "Planner", "instructions": "Answer briefly."}
    created = await ask(target, target.post("/assistants", given))
    return str(created.json()["id"])


async def _polled(target: Target, assistant: str, connection: Connection, number: int) -> float:
    """Seconds from the thread to the answer in the thread's messages."""
    began = monotonic()
    runs = await _asked(target, connection)
    run = (await connection.ask(target.post(runs, {"assistant_id": assistant}))).json()
    while run["status"] in ("queued", "in_progress"):
        answer = await connection.ask(target.get(f"{target.path}{runs}/{run['id']}"))
        run = answer.json()
        if run["status"] in ("queued", "in_progress"):
            await asyncio.sleep(answer.poll_after)
    check(run["status"] == "completed", run)
    return monotonic() - began


async def _streamed(target: Target, assistant: str, connection: Connection, number: int) -> float:
    """Seconds from the thread to the end of the run's stream."""
    began = monotonic()
    runs = await _asked(target, connection)
    answer = await connection.ask(target.post(runs, {"assistant_id": assistant, "stream": True}))
    check(answer.tokens >= TOKENS and b"event: thread.run.completed" in answer.body, answer.body[-500:])
    return monotonic() - began


async def _asked(target: Target, connection: Connection) -> str:
    """A new thread with a question; where its runs are."""
    thread = (await connection.ask(target.post("/threads", {}))).json()["id"]
    await connection.ask(target.post(f"/threads/{thread}/messages", {"role": "user", "content": question()}))
    return f"/threads/{thread}/runs"


def check(well: bool, told: Any) -> None:
    """Raises `Unanswered` for a run that did not end well."""
    if not well:
        raise Unanswered(f"the run did not end well: {told!r}")
