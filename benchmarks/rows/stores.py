"""What a turn of a conversation costs over each store: the server's CPU, the wait, the database's CPU, and the bytes that stay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from statistics import median
from typing import Final

from benchmarks.bench import Bench
from benchmarks.client import Connection, Target, connect, spread
from benchmarks.figures import Figure
from benchmarks.processes import Product
from benchmarks.rows.growth import Talk
from benchmarks.stores import EMULATED, SHARED, Opened, Store, here, memory, sqlite

TITLE = "a turn of a conversation, the new message alone, on each store"
AT_ONCE, TURNS, LENGTH = 8, 480, 20  # turns of a round, and of a conversation
ALONE = 120  # turns one after the other
SLOW: Final = 0.1  # of this many on the emulator

_NUMBERS = count(1)


@dataclass(slots=True)
class Turns:
    """What was found, round by round. Milliseconds, bytes."""

    cpu: list[float] = field(default_factory=list)
    database: list[float] = field(default_factory=list)
    alone: list[float] = field(default_factory=list)
    stored: list[float] = field(default_factory=list)
    text: list[float] = field(default_factory=list)

    def figures(self, name: str) -> list[Figure]:
        told = {
            "CPU per turn, 8 at a time": (self.cpu, "ms"),
            "the database's CPU per turn": (self.database, "ms"),
            "p50, one at a time": (self.alone, "ms"),
            "bytes that a turn leaves there": (self.stored, "B"),
            "of which its text": (self.text if self.stored else [], "B"),
        }
        return [Figure(f"{name}: {what}", values, unit) for what, (values, unit) in told.items() if values]


async def measure(bench: Bench) -> list[Figure]:
    known: dict[str, Opened] = {"memory": memory, "SQLite": sqlite, **here(SHARED)}
    found = [figure for name, opened in known.items() for figure in (await _measured(bench, opened)).figures(name)]
    for name, opened in here(EMULATED).items():
        emulated = await _measured(bench, opened, SLOW)
        found.append(Figure(f"{name}: p50, one at a time", emulated.alone, "ms"))
    return found


async def _measured(bench: Bench, opened: Opened, share: float = 1.0) -> Turns:
    turns = Turns()
    many = bench.many(round(TURNS * share), AT_ONCE)
    with opened() as store:
        async with bench.product("chat64", STORAGE_URL=store.url) as product:
            await _together(product.target, max(AT_ONCE, many // 4))
            for _ in range(bench.rounds):
                await _round(turns, product, store, many)
                turns.alone.append(await _one_by_one(product.target, bench.many(round(ALONE * share), 4)))
    return turns


async def _round(turns: Turns, product: Product, store: Store, many: int) -> None:
    size, spent, before = _size(store), store.cpu() if store.cpu else 0.0, product.cpu()
    talks = await _together(product.target, many)
    made = sum(talk.turns for talk in talks)
    turns.cpu.append((product.cpu() - before) / made * 1000)
    turns.text.append(sum(talk.text for talk in talks) / made)
    if store.cpu:
        turns.database.append((store.cpu() - spent) / made * 1000)
    if store.size:
        turns.stored.append((_size(store) - size) / made)


def _size(store: Store) -> int:
    return store.size() if store.size else 0


async def _together(target: Target, turns: int) -> list[Talk]:
    """About so many turns, of conversations of their own: as many at a time as connections."""
    length = max(1, min(LENGTH, turns // AT_ONCE))

    async def work(connection: Connection, number: int) -> Talk:
        return await _talk(target, connection, length)

    return await spread(target, work, max(AT_ONCE, turns // length), AT_ONCE)


async def _talk(target: Target, connection: Connection, turns: int) -> Talk:
    talk = Talk(f"stores {next(_NUMBERS)}")
    for _ in range(turns):
        await _turn(target, connection, talk)
    return talk


async def _turn(target: Target, connection: Connection, talk: Talk) -> float:
    answer = await connection.ask(target.request(talk.next(resend=False)))
    talk.hear(answer.json())
    return answer.seconds


async def _one_by_one(target: Target, turns: int) -> float:
    """The milliseconds that a turn takes, when there is nothing else to do."""
    connection, seconds = await connect(target), list[float]()
    for _ in range(max(1, turns // LENGTH)):
        talk = Talk(f"stores {next(_NUMBERS)}")
        seconds += [await _turn(target, connection, talk) for _ in range(min(turns, LENGTH))]
    connection.close()
    return _middle(seconds)


def _middle(seconds: Sequence[float]) -> float:
    return median(seconds) * 1000
