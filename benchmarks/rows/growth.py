"""One conversation that grows: turn 500 against turn 10, where the client sends the new turn alone, and where it sends
everything again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from benchmarks.bench import Bench, question
from benchmarks.client import Connection, Target, connect
from benchmarks.figures import Figure
from benchmarks.processes import Product

TITLE = "a conversation's turn 500 against its turn 10, one request at a time"
CONVERSATIONS, AROUND = 6, 4  # at each place; how many turns on both sides of it are measured with it
EARLY, FULL, LATE = 10, 150, 500  # 8000 tokens, the default window, are full at turn 80 or so
ROUNDS = 3  # at most: each is six thousand turns

Message = Mapping[str, str]


@dataclass(slots=True)
class Talk:
    """A conversation as its client knows it. `text` counts the bytes of what was said, `left_out` the messages that the
    server's last prompt did not hold."""

    name: str
    said: list[Message] = field(default_factory=list)
    text: int = 0
    left_out: int = 0

    @property
    def turns(self) -> int:
        return len(self.said) // 2

    def next(self, *, resend: bool) -> dict[str, Any]:
        """The request of its next turn."""
        self._add("user", question())
        messages = self.said if resend else self.said[-1:]
        return {"model": "cortex-flow", "conversation_id": self.name, "messages": messages}

    def hear(self, answer: Mapping[str, Any]) -> None:
        self.left_out = answer.get("metadata", {}).get("truncated_messages", 0)
        self._add("assistant", answer["choices"][0]["message"]["content"])

    @property
    def prompt(self) -> dict[str, Any]:
        """What the server has asked its upstream in the last turn."""
        return {"model": "scripted", "messages": self.said[self.left_out : -1]}

    def _add(self, role: str, text: str) -> None:
        self.said.append({"role": role, "content": text})
        self.text += len(text.encode())


@dataclass(frozen=True, slots=True)
class Cost:
    """What a turn costs around some place of the conversation: milliseconds, the latency beyond that of the upstream, which
    has a longer prompt to read too."""

    latency: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Pair:
    """The costs of young conversations and of old ones, by turns of both in alternation: the machine was as fast for these
    as for those."""

    early: Cost
    late: Cost

    @property
    def latency(self) -> float:
        return self.late.latency / self.early.latency

    @property
    def cpu(self) -> float:
        return self.late.cpu / self.early.cpu


Pairs = Mapping[int, Pair]


@dataclass(frozen=True, slots=True)
class Grown:
    """A round: pairs by the old ones' turn, for clients that send the new turn and for those that send everything; bytes
    on disk per turn beyond the text."""

    new: Pairs
    everything: Pairs
    disk: float


async def measure(bench: Bench) -> list[Figure]:
    rounds = [await _grow(bench) for _ in range(min(bench.rounds, ROUNDS))]
    new, everything = [each.new for each in rounds], [each.everything for each in rounds]
    full, late = sorted(new[0])
    beyond = [pairs[late].cpu / pairs[full].cpu for pairs in new]
    return [
        *ratios("new turn alone", [pairs[late] for pairs in new], late, goal=1.1),
        Figure(f"new turn alone: CPU, {late} / {full}, the window full at both", beyond, "x", goal=1.1),
        Figure("bytes on disk per turn beyond the text", [each.disk for each in rounds], "B", goal=1536),
        *ratios("everything again", [pairs[late] for pairs in everything], late),  # no goal: the request itself grows
    ]


def ratios(name: str, pairs: Sequence[Pair], late: int, goal: float | None = None) -> list[Figure]:
    """What a turn costs, late against early."""
    return [
        Figure(
            f"{name}: latency over the direct upstream, {late} / {EARLY}", [pair.latency for pair in pairs], "x", goal
        ),
        Figure(f"{name}: CPU, {late} / {EARLY}", [pair.cpu for pair in pairs], "x", goal),
        Figure(f"{name}: CPU at turn {EARLY}", [pair.early.cpu for pair in pairs], "ms"),
        Figure(f"{name}: CPU at turn {late}", [pair.late.cpu for pair in pairs], "ms"),
    ]


@dataclass(frozen=True, slots=True)
class Ends:
    """The server and its upstream, with a connection to each."""

    product: Product
    direct: Target
    here: Connection
    there: Connection

    async def turn(self, talk: Talk, *, resend: bool) -> float:
        """The next turn of a conversation; its seconds."""
        answer = await self.here.ask(self.product.target.request(talk.next(resend=resend)))
        talk.hear(answer.json())
        return answer.seconds

    async def upstream(self, talk: Talk) -> float:
        """The seconds of the upstream alone for what it was asked in that turn."""
        return (await self.there.ask(self.direct.request(talk.prompt))).seconds

    async def grow(self, talks: Sequence[Talk], until: int) -> None:
        """Let every conversation go on until that turn."""
        while talks[0].turns < until:
            for talk in talks:
                await self.turn(talk, resend=False)

    def close(self) -> None:
        self.here.close()
        self.there.close()


async def _grow(bench: Bench) -> Grown:
    """One round: conversations of both kinds grow, and are looked at around the places, beside young ones."""
    places = [bench.many(FULL, EARLY + 2 * AROUND), bench.many(LATE, EARLY + 4 * AROUND)]
    news, alls = talks_named("new"), talks_named("everything")
    talks = [*news, *alls]
    new, everything = dict[int, Pair](), dict[int, Pair]()
    direct = bench.direct("chat64")
    async with bench.product("chat64") as product:
        ends = Ends(product, direct, await connect(product.target), await connect(direct))
        for place in places:
            young, young_alls = talks_named(f"new before {place}"), talks_named(f"everything before {place}")
            talks += [*young, *young_alls]
            await ends.grow([*news, *alls], place - AROUND)
            await ends.grow([*young, *young_alls], EARLY - AROUND)
            new[place] = await pair(ends, young, news)
            everything[place] = await pair(ends, young_alls, alls, resend=True)
        ends.close()
    stored = product.left_behind - sum(talk.text for talk in talks)
    return Grown(new, everything, stored / sum(talk.turns for talk in talks))


def talks_named(name: str) -> list[Talk]:
    """Conversations that have not begun."""
    return [Talk(f"{name} {number}") for number in range(CONVERSATIONS)]


async def pair(ends: Ends, young: Sequence[Talk], old: Sequence[Talk], *, resend: bool = False) -> Pair:
    """One turn of every young conversation, one of every old one, and again."""
    early, late = list[Cost](), list[Cost]()
    for _ in range(2 * AROUND):
        early.append(await _cost(ends, young, resend=resend))
        late.append(await _cost(ends, old, resend=resend))
    return Pair(_middle(early), _middle(late))


def _middle(costs: Sequence[Cost]) -> Cost:
    return Cost(median(cost.latency for cost in costs), median(cost.cpu for cost in costs))


async def _cost(ends: Ends, talks: Sequence[Talk], *, resend: bool) -> Cost:
    """What the next turn of each conversation costs."""
    before = ends.product.cpu()
    latencies = [await ends.turn(talk, resend=resend) for talk in talks]
    cpu = (ends.product.cpu() - before) / len(talks)
    upstream = [await ends.upstream(talk) for talk in talks]
    return Cost((median(latencies) - median(upstream)) * 1000, cpu * 1000)
