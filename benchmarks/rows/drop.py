"""Clients that leave in the middle: how soon the upstream is free of them."""

from __future__ import annotations

from time import monotonic

from benchmarks.bench import Bench
from benchmarks.client import Target
from benchmarks.figures import Figure, against_direct
from benchmarks.paced import Paced

TITLE = "20 open streams dropped by their clients"
STREAMS = 20


async def measure(bench: Bench) -> list[Figure]:
    direct, ours, bare = bench.direct("paced"), list[float](), list[float]()
    async with bench.product("paced") as product:
        for _ in range(bench.rounds):
            bare.append(await _dropped(bench, direct))
            ours.append(await _dropped(bench, product.target))
    return [
        Figure("the last upstream call closed after", ours, "ms", goal=25),
        Figure("straight at the upstream", bare, "ms"),
        against_direct(ours, bare),
    ]


async def _dropped(bench: Bench, target: Target) -> float:
    """Milliseconds from the moment in which all clients hang up to the last close that the upstream sees."""
    await bench.tally()
    async with Paced(target, STREAMS) as paced:
        left = monotonic()
        paced.drop()
        closed: list[float] = (await bench.tally(hung_up=STREAMS))["hung_up"]
    return (max(closed) - left) * 1000
