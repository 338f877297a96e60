"""Very many streams, opened at once. Not part of a usual run: name the row, and the numbers with `--streams`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import monotonic

from benchmarks.bench import Bench, chat, question
from benchmarks.client import Answer, Target, Unanswered, connect
from benchmarks.figures import Figure
from benchmarks.paced import Paced

TITLE = "many open streams of 10 tokens/s"
TOKENS, SECONDS = 60, 4.0


async def measure(bench: Bench) -> list[Figure]:
    return [figure for streams in bench.open_streams for figure in await _measure(bench, streams)]


async def _measure(bench: Bench, streams: int) -> list[Figure]:
    cpu, memory, wall, errors = list[float](), list[float](), list[float](), list[float]()
    for _ in range(bench.rounds):
        async with bench.product("paced") as product:
            async with Paced(product.target, 2):
                before = product.resident()
            async with Paced(product.target, streams) as paced:
                memory.append((product.resident() - before) / streams / 1024)
                cpu.append(await paced.cpu_per_token(product, SECONDS * bench.scale))
        async with bench.product("paced60") as product:
            bare, _ = await _at_once(bench.direct("paced60"), streams)
            ours, failed = await _at_once(product.target, streams)
            wall.append(ours / bare)
            errors.append(failed)
    return [
        Figure(f"{streams} streams: CPU per token", cpu, "us", goal=170),
        Figure(f"{streams} streams: memory per stream", memory, "KB", goal=85),
        Figure(f"{streams} opened at once, {TOKENS} tokens each: wall against direct", wall, "x", goal=2),
        Figure(f"{streams} opened at once: errors", errors, "", goal=0),
    ]


async def _at_once(target: Target, streams: int) -> tuple[float, int]:
    """The wall time of so many streams that begin together, and how many of them failed."""
    began = monotonic()
    answers = await asyncio.gather(*(_stream(target) for _ in range(streams)), return_exceptions=True)
    return monotonic() - began, _failures(answers)


async def _stream(target: Target) -> Answer:
    connection = await connect(target)
    try:
        return await connection.ask(target.request(chat(question(), stream=True)))
    finally:
        connection.close()


def _failures(answers: Sequence[Answer | BaseException]) -> int:
    """Answers that did not come, or not whole. Raises what is no such failure."""
    for answer in answers:
        if isinstance(answer, BaseException) and not isinstance(answer, Unanswered | OSError):
            raise answer
    return sum(not isinstance(answer, Answer) or answer.tokens < TOKENS for answer in answers)
