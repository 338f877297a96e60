"""Streamed chat: 200 tokens as fast as they come, and tokens at a reader's pace."""

from __future__ import annotations

from benchmarks.bench import Bench, chat, question
from benchmarks.client import Load, Target, load
from benchmarks.figures import Figure, against_direct
from benchmarks.paced import Paced

TITLE = "streamed, 200 tokens, 16 at a time; paced, 50 at a time"
AT_ONCE, TOKENS, REQUESTS = 16, 200, 320
STREAMS, SECONDS = 50, 6.0


async def measure(bench: Bench) -> list[Figure]:
    return [*await _fast(bench), *await _slow(bench)]


async def _fast(bench: Bench) -> list[Figure]:
    direct, count = bench.direct("stream200"), bench.many(REQUESTS, AT_ONCE)
    cpu, ours, bare = list[float](), list[float](), list[float]()
    async with bench.product("stream200") as product:
        await _ask(product.target, bench.many(REQUESTS // 4, AT_ONCE))
        for _ in range(bench.rounds):
            bare.append((await _ask(direct, count)).rate)
            before = product.cpu()
            ours.append((await _ask(product.target, count)).rate)
            cpu.append((product.cpu() - before) / count * 1000)
    return [
        Figure("CPU per request", cpu, "ms", goal=3.3),
        Figure("requests per second", ours, "/s"),
        Figure("the direct upstream's", bare, "/s"),
        against_direct(bare, ours),
    ]


async def _slow(bench: Bench) -> list[Figure]:
    cpu = list[float]()
    async with bench.product("paced") as product:
        for _ in range(bench.rounds):
            async with Paced(product.target, bench.many(STREAMS, 2)) as paced:
                cpu.append(await paced.cpu_per_token(product, SECONDS * bench.scale))
    return [Figure("CPU per token, 50 streams of 10 tokens/s", cpu, "us", goal=170)]


async def _ask(target: Target, count: int) -> Load:
    return await load(
        target, lambda number: target.request(chat(question(), stream=True)), count, AT_ONCE, tokens=TOKENS
    )
