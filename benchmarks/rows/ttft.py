"""Time to the first token of a streamed answer, one at a time, over the direct upstream's."""

from __future__ import annotations

from statistics import median

from benchmarks.bench import Bench, chat, question
from benchmarks.client import Connection, Target, connect
from benchmarks.figures import Figure, against_direct

TITLE = "time to the first token, streamed, one at a time"
REQUESTS = 200


async def measure(bench: Bench) -> list[Figure]:
    direct = bench.direct("chat64")
    over, ours, bare = list[float](), list[float](), list[float]()
    async with bench.product("chat64") as product:
        there, here = await connect(direct), await connect(product.target)
        await _firsts(there, direct, here, product.target, bench.many(REQUESTS // 4))
        for _ in range(bench.rounds):
            upstream, through = await _firsts(there, direct, here, product.target, bench.many(REQUESTS))
            bare.append(median(upstream) * 1000)
            ours.append(median(through) * 1000)
            over.append(ours[-1] - bare[-1])
        there.close()
        here.close()
    return [
        Figure("p50 over the direct upstream", over, "ms", goal=3),
        Figure("p50", ours, "ms"),
        Figure("the direct upstream's p50", bare, "ms"),
        against_direct(ours, bare),
    ]


async def _firsts(
    there: Connection, direct: Target, here: Connection, ours: Target, count: int
) -> tuple[list[float], list[float]]:
    """Seconds to the first token, one request to each side in turn."""
    upstream, through = list[float](), list[float]()
    for _ in range(count):
        upstream.append(await _first(there, direct))
        through.append(await _first(here, ours))
    return upstream, through


async def _first(connection: Connection, target: Target) -> float:
    answer = await connection.ask(target.request(chat(question(), stream=True)))
    return answer.first - answer.began
