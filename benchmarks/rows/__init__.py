"""The rows, by name, in the order in which they are measured. To add one, write a file with `TITLE` and `measure`, and
name it here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.bench import Bench
from benchmarks.figures import Figure
from benchmarks.peers import PEERS
from benchmarks.rows import (
    assistants,
    chat,
    drop,
    fleet,
    grow,
    growth,
    live,
    parallel,
    queue,
    retrieval,
    start,
    stores,
    stream,
    team,
    ttft,
    wide,
)


@dataclass(frozen=True, slots=True)
class Row:
    """Something to measure. `usual`: part of a run that names no rows. `peers`: the names of those who can do it too."""

    title: str
    measure: Callable[[Bench], Awaitable[Sequence[Figure]]]
    usual: bool = True
    peers: Sequence[str] = ()


ALL: Final = tuple(PEERS)


ROWS: Final = {
    "chat": Row(chat.TITLE, chat.measure, peers=ALL),
    "ttft": Row(ttft.TITLE, ttft.measure, peers=ALL),
    "stream": Row(stream.TITLE, stream.measure, peers=ALL),
    "team": Row(team.TITLE, team.measure, peers=["naive"]),
    "assistants": Row(assistants.TITLE, assistants.measure),
    "growth": Row(growth.TITLE, growth.measure),
    "grow": Row(grow.TITLE, grow.measure, usual=False, peers=["naive"]),
    "start": Row(start.TITLE, start.measure, peers=ALL),
    "parallel": Row(parallel.TITLE, parallel.measure),
    "retrieval": Row(retrieval.TITLE, retrieval.measure),
    "drop": Row(drop.TITLE, drop.measure, peers=ALL),
    "wide": Row(wide.TITLE, wide.measure, usual=False, peers=ALL),
    "stores": Row(stores.TITLE, stores.measure, usual=False),
    "fleet": Row(fleet.TITLE, fleet.measure, usual=False),
    "queue": Row(queue.TITLE, queue.measure, usual=False),
    "live": Row(live.TITLE, live.measure, usual=False),
}
