"""One conversation that grows: turn 500 against turn 10, where the client sends the new turn alone, and where it sends
everything again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from benchmarks.bench import Bench, question
from benchmarks.client import Connection, connect
from benchmarks.figures import Figure
from benchmarks.processes import Product

TITLE = "a conversation's turn 500 against its turn 10, one request at a time"
CONVERSATIONS, AROUND = 6, 4  # of each kind; how many turns on both sides of a place are measured with it
EARLY, FULL, LATE = 10, 150, 500  # 8000 tokens, the default window, are full at turn 80 or so
ROUNDS = 3  # at most: each is six thousand turns

Message = Mapping[str, str]


@dataclass(slots=True)
class Talk:
    """A conversation as its client knows it. `text` counts the bytes of what was said."""

    name: str
    said: list[Message] = field(default_factory=list)
    text: int = 0

    @property
    def turns(self) -> int:
        return len(self.said) // 2

    def next(self, *, resend: bool) -> dict[str, Any]:
        """The request of its next turn."""
        self._add("user", question())
        messages = self.said if resend else self.said[-1:]
        return {"model": "cortex-flow", "conversation_id": self.name, "messages": messages}

    def hear(self, answer: Mapping[str, Any]) -> None:
        self._add("assistant", answer["choices"][0]["message"]["content"])

    def _add(self, role: str, text: str) -> None:
        self.said.append({"role": role, "content": text})
        self.text += len(text.encode())


@dataclass(frozen=True, slots=True)
class Cost:
    """What a turn costs around some place of the conversation: milliseconds."""

    latency: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Grown:
    """A round: costs by turn, for clients that send the new turn and for those that send everything; bytes on disk per
    turn beyond the text."""

    new: Mapping[int, Cost]
    everything: Mapping[int, Cost]
    disk: float


async def measure(bench: Bench) -> list[Figure]:
    rounds = [await _grow(bench) for _ in range(min(bench.rounds, ROUNDS))]
    new, everything = [each.new for each in rounds], [each.everything for each in rounds]
    early, full, late = sorted(new[0])
    return [
        *_ratios("new turn alone", new, late, early, goal=1.1),
        Figure(f"new turn alone: CPU, {late} / {full}, the window full at both", _cpu(new, late, full), "x", goal=1.1),
        Figure("bytes on disk per turn beyond the text", [each.disk for each in rounds], "B", goal=1536),
        *_ratios("everything again", everything, late, early),  # no goal: the request itself grows
    ]


def _ratios(
    name: str, rounds: Sequence[Mapping[int, Cost]], late: int, early: int, goal: float | None = None
) -> list[Figure]:
    latency = _against(rounds, late, early, lambda cost: cost.latency)
    return [
        Figure(f"{name}: latency, {late} / {early}", latency, "x", goal),
        Figure(f"{name}: CPU, {late} / {early}", _cpu(rounds, late, early), "x", goal),
        Figure(f"{name}: CPU at turn {early}", [each[early].cpu for each in rounds], "ms"),
        Figure(f"{name}: CPU at turn {late}", [each[late].cpu for each in rounds], "ms"),
    ]


def _cpu(rounds: Sequence[Mapping[int, Cost]], late: int, early: int) -> list[float]:
    return _against(rounds, late, early, lambda cost: cost.cpu)


def _against(rounds: Sequence[Mapping[int, Cost]], late: int, early: int, cost: Callable[[Cost], float]) -> list[float]:
    return [cost(each[late]) / cost(each[early]) for each in rounds]


async def _grow(bench: Bench) -> Grown:
    """One round: both kinds of conversations grow, and are looked at around the places."""
    places = [EARLY, bench.many(FULL, EARLY + 2 * AROUND), bench.many(LATE, EARLY + 4 * AROUND)]
    news = [Talk(f"new {number}") for number in range(CONVERSATIONS)]
    alls = [Talk(f"everything {number}") for number in range(CONVERSATIONS)]
    new, everything = dict[int, Cost](), dict[int, Cost]()
    async with bench.product("chat64") as product:
        connection = await connect(product.target)
        for place in places:
            await _turns(connection, product, [*news, *alls], place - AROUND)
            new[place] = await _cost(connection, product, news, place + AROUND)
            everything[place] = await _cost(connection, product, alls, place + AROUND, resend=True)
        connection.close()
    stored = product.left_behind - sum(talk.text for talk in (*news, *alls))
    return Grown(new, everything, stored / sum(talk.turns for talk in (*news, *alls)))


async def _cost(
    connection: Connection, product: Product, talks: Sequence[Talk], until: int, *, resend: bool = False
) -> Cost:
    before = product.cpu()
    latencies = await _turns(connection, product, talks, until, resend=resend)
    return Cost(median(latencies) * 1000, (product.cpu() - before) / len(latencies) * 1000)


async def _turns(
    connection: Connection, product: Product, talks: Sequence[Talk], until: int, *, resend: bool = False
) -> list[float]:
    """Let every conversation go on until that turn, one after the other; the seconds of each turn."""
    latencies = list[float]()
    while talks[0].turns < until:
        for talk in talks:
            answer = await connection.ask(product.target.request(talk.next(resend=resend)))
            talk.hear(answer.json())
            latencies.append(answer.seconds)
    return latencies
