"""Chat that is not streamed: 64 tokens, 8 at a time."""

from __future__ import annotations

from benchmarks.bench import Bench, chat, question
from benchmarks.client import Load, Target, load
from benchmarks.figures import Figure, against_direct

TITLE = "chat, not streamed, 64 tokens, 8 at a time"
AT_ONCE, TOKENS, REQUESTS = 8, 64, 600


async def measure(bench: Bench) -> list[Figure]:
    direct, count = bench.direct("chat64"), bench.many(REQUESTS, AT_ONCE)
    cpu, ours, bare = list[float](), list[float](), list[float]()
    async with bench.product("chat64") as product:
        await _ask(product.target, bench.many(REQUESTS // 4, AT_ONCE))
        for _ in range(bench.rounds):
            bare.append((await _ask(direct, count)).rate)
            before = product.cpu()
            ours.append((await _ask(product.target, count)).rate)
            cpu.append((product.cpu() - before) / count * 1000)
    return [
        Figure("CPU per request", cpu, "ms", goal=1.7),
        Figure("requests per second", ours, "/s"),
        Figure("the direct upstream's", bare, "/s"),
        against_direct(bare, ours),
    ]


async def _ask(target: Target, count: int) -> Load:
    return await load(target, lambda number: target.request(chat(question())), count, AT_ONCE, tokens=TOKENS)
