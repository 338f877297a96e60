"""Three agents that don't need each other: their wall time against the slowest of them."""

from __future__ import annotations

from statistics import median

from benchmarks.bench import Bench, chat, question
from benchmarks.client import connect
from benchmarks.figures import Figure
from benchmarks.profiles import BRANCH

TITLE = "three independent agents of 200 ms each"
RUNS = 10


async def measure(bench: Bench) -> list[Figure]:
    walls = list[float]()
    async with bench.product("parallel") as product:
        connection = await connect(product.target)
        await connection.ask(product.target.request(chat(question())))
        for _ in range(bench.rounds):
            answers = [await connection.ask(product.target.request(chat(question()))) for _ in range(bench.many(RUNS))]
            walls.append(median(answer.seconds for answer in answers))
        connection.close()
    return [
        Figure("the whole run against the slowest branch", [wall / BRANCH for wall in walls], "x", goal=1.15),
        Figure("wall", [wall * 1000 for wall in walls], "ms"),
    ]
