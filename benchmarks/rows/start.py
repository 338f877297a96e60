"""From the command to the first answer, and the memory it takes: the usual command in an empty folder, offline model."""

from __future__ import annotations

from time import monotonic

from benchmarks.bench import Bench, chat
from benchmarks.client import ask
from benchmarks.figures import Figure
from benchmarks.processes import Product

TITLE = "start and memory, offline model"
MB = 1024 * 1024


async def measure(bench: Bench) -> list[Figure]:
    async with bench.product(None):
        pass  # the first start after a change compiles what has changed
    health, answer, cpu = list[float](), list[float](), list[float]()
    fresh, used = list[float](), list[float]()
    for _ in range(bench.rounds):
        async with bench.started() as product:
            await product.health()
            health.append(monotonic() - product.began)
            await _first_answer(product)
            answer.append(monotonic() - product.began)
            cpu.append(product.cpu())
        async with bench.product(None) as product:
            fresh.append(product.resident() / MB)
            await _first_answer(product)
            used.append(product.resident() / MB)
    return [
        Figure("start to /health 200", health, "s", goal=0.6),
        Figure("start to the first answer", answer, "s", goal=1.8),
        Figure("CPU until then", cpu, "s"),
        Figure("memory before the first request", fresh, "MB", goal=110),
        Figure("memory after it", used, "MB", goal=150),
    ]


async def _first_answer(product: Product) -> None:
    await ask(product.target, product.target.request(chat("What is Cortex Flow, and which agents does it have?")))
