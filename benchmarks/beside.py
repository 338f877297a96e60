"""A row's figures beside those of the peers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.bench import Bench
from benchmarks.client import Unanswered
from benchmarks.figures import Result
from benchmarks.peers import PEERS
from benchmarks.peers.peer import Peer
from benchmarks.processes import Failed
from benchmarks.rows import Row
from benchmarks.table import number

NOT_INSTALLED = "it is not installed; `uv run poe bench-peers` does that"
UNMEASURED = "not measured"


@dataclass(frozen=True, slots=True)
class Beside:
    """What was measured of us, and of each peer that can do this row, by its name: a text says why nothing was."""

    ours: Result
    peers: Mapping[str, Result | str]


async def measure(bench: Bench, row: Row, ours: Result) -> Beside:
    """Measure a row's peers, right behind ours. A peer that is absent or breaks is told, and no failure."""
    return Beside(ours, {name: await _peer(bench, row, PEERS[name], ours) for name in row.peers})


async def _peer(bench: Bench, row: Row, peer: Peer, ours: Result) -> Result | str:
    if not peer.installed:
        return NOT_INSTALLED
    try:
        return Result(ours.row, ours.title, await row.measure(bench.of(peer)))
    except (Failed, Unanswered) as error:
        return f"{ours.row} failed: {str(error).splitlines()[0]}"


def table(rows: Sequence[Beside]) -> str:
    """The medians, one column for each server, and why some are missing."""
    servers = " | ".join(f"{peer.title} {peer.version}" for peer in PEERS.values())
    head = (f"| row | figure | Cortex Flow | {servers} |", f"|---|---|---|{'---|' * len(PEERS)}")
    return "\n".join([*head, *(line for row in rows for line in _lines(row)), *_reasons(rows)])


def _lines(row: Beside) -> Iterator[str]:
    ours = _medians(row.ours)
    for place, figure in enumerate(ours):
        title = "" if place else f"{row.ours.row}: {row.ours.title}"
        cells = (title, figure, ours[figure], *(_cell(row.peers.get(name), figure) for name in PEERS))
        yield f"| {' | '.join(cells)} |"


def _cell(result: Result | str | None, figure: str) -> str:
    match result:
        case None:
            return "-"
        case str():
            return UNMEASURED
        case _:
            return _medians(result).get(figure, "-")


def _medians(result: Result) -> Mapping[str, str]:
    return {figure.name: f"{number(figure.value)} {figure.unit}".strip() for figure in result.figures}


def _reasons(rows: Iterable[Beside]) -> list[str]:
    told = {
        f"- {PEERS[name].title} was {UNMEASURED}: {reason}."
        for row in rows
        for name, reason in row.peers.items()
        if isinstance(reason, str)
    }
    return ["", *sorted(told)] if told else []
