"""`docs/benchmarks.md`: the part between the marks is written here, the rest by people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from benchmarks import beside
from benchmarks.beside import Beside
from benchmarks.cores import Cores
from benchmarks.figures import Result
from benchmarks.machine import describe
from benchmarks.table import table

BEGIN: Final = "<!-- figures: written by `uv run poe bench --write` -->"
END: Final = "<!-- end of the figures -->"


@dataclass(frozen=True, slots=True)
class Circumstances:
    """How the results came about. `disturbed` is the share of the machine that others used (0 to 1), `speed` what
    `machine.yardstick` told before each row."""

    command: str
    rounds: int
    cores: Cores
    disturbed: float
    speed: Sequence[float]


def report(results: Sequence[Result], how: Circumstances, others: Sequence[Beside] = ()) -> str:
    """How, where and when it was measured, and the tables."""
    pinned = "the product alone on one core, upstream and load generator on the others"
    lines = [
        f"- Machine: {describe()}",
        f"- Command: `{how.command}`, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {how.rounds} rounds",
        f"- Cores: {pinned if how.cores.pinned else 'not pinned, so compare nothing but ratios'}",
        f"- Quiet? Other processes used {how.disturbed:.0%} of the machine; a fixed piece of Python took "
        f"{min(how.speed):.0f} to {max(how.speed):.0f} ms of CPU on the product's core",
        "",
        table(results),
        "",
        _missed(results),
        *(
            ["", "Beside other servers, each with the core to itself, medians:", "", beside.table(others)]
            if others
            else []
        ),
    ]
    return "\n".join(lines)


def write(path: Path, text: str) -> None:
    """Put the text between the marks of a page. Raises `ValueError` for a page that has none."""
    page = path.read_text(encoding="utf-8")
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{path} has no place for figures: it needs the lines {BEGIN!r} and {END!r}")
    path.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")


def _missed(results: Sequence[Result]) -> str:
    missed = [
        f"{result.row}: {figure.name}" for result in results for figure in result.figures if figure.verdict == "MISS"
    ]
    return f"Missed: {'; '.join(missed)}." if missed else "Every goal is kept."
