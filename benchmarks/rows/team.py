"""A run of the whole team: the supervisor four times, the three agents once each."""

from __future__ import annotations

from benchmarks.bench import Bench, chat, question
from benchmarks.client import Load, Target, load
from benchmarks.figures import Figure

TITLE = "supervisor and three agents, 7 upstream calls of 64 tokens, 8 runs at a time"
AT_ONCE, TOKENS, RUNS, CALLS = 8, 64, 160, 7


async def measure(bench: Bench) -> list[Figure]:
    count = bench.many(RUNS, AT_ONCE)
    cpu, rate, calls = list[float](), list[float](), list[float]()
    async with bench.product("team") as product:
        await _ask(product.target, bench.many(RUNS // 4, AT_ONCE))
        for _ in range(bench.rounds):
            await bench.tally()
            before = product.cpu()
            rate.append((await _ask(product.target, count)).rate)
            cpu.append((product.cpu() - before) / count * 1000)
            calls.append((await bench.tally())["calls"] / count)
    return [
        Figure("CPU per run", cpu, "ms", goal=7),
        Figure("upstream calls per run", calls, "", goal=CALLS),
        Figure("runs per second", rate, "/s"),
    ]


async def _ask(target: Target, count: int) -> Load:
    return await load(target, lambda number: target.request(chat(question())), count, AT_ONCE, tokens=TOKENS)
