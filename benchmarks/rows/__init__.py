"""The rows, by name, in the order in which they are measured. To add one, write a file with `TITLE` and `measure`, and
name it here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.bench import Bench
from benchmarks.figures import Figure
from benchmarks.rows import chat, drop, growth, parallel, start, stream, team, ttft, wide


@dataclass(frozen=True, slots=True)
class Row:
    """Something to measure. `usual`: part of a run that names no rows."""

    title: str
    measure: Callable[[Bench], Awaitable[Sequence[Figure]]]
    usual: bool = True


ROWS: Final = {
    "chat": Row(chat.TITLE, chat.measure),
    "ttft": Row(ttft.TITLE, ttft.measure),
    "stream": Row(stream.TITLE, stream.measure),
    "team": Row(team.TITLE, team.measure),
    "growth": Row(growth.TITLE, growth.measure),
    "start": Row(start.TITLE, start.measure),
    "parallel": Row(parallel.TITLE, parallel.measure),
    "drop": Row(drop.TITLE, drop.measure),
    "wide": Row(wide.TITLE, wide.measure, usual=False),
}
