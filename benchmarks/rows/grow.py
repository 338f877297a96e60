"""The beginning of `growth`, as far as peers can follow: they are asked for the new turn alone."""

from __future__ import annotations

from benchmarks.bench import Bench
from benchmarks.client import connect
from benchmarks.figures import Figure
from benchmarks.rows.growth import AROUND, EARLY, ROUNDS, Ends, Pair, pair, ratios, talks_named

TITLE = "a conversation's turn 100 against its turn 10, new turns alone"
LATE = 100


async def measure(bench: Bench) -> list[Figure]:
    late = bench.many(LATE, EARLY + 2 * AROUND)
    rounds = [await _grow(bench, late) for _ in range(min(bench.rounds, ROUNDS))]
    return [
        *ratios("new turn alone", [costs for costs, _ in rounds], late),
        Figure("bytes on disk per turn beyond the text", [disk for _, disk in rounds], "B"),
    ]


async def _grow(bench: Bench, late: int) -> tuple[Pair, float]:
    """The costs of young conversations and of old ones, and the bytes on disk per turn beyond the text."""
    young, old = talks_named("young"), talks_named("old")
    direct = bench.direct("chat64")
    async with bench.product("chat64") as product:
        ends = Ends(product, direct, await connect(product.target), await connect(direct))
        await ends.grow(old, late - AROUND)
        await ends.grow(young, EARLY - AROUND)
        costs = await pair(ends, young, old)
        ends.close()
    talks = [*young, *old]
    return costs, (product.left_behind - sum(talk.text for talk in talks)) / sum(talk.turns for talk in talks)
