"""Results as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from benchmarks.figures import Figure, Result

HEAD = ("| row | figure | median | min - max | goal | |", "|---|---|---|---|---|---|")


def table(results: Iterable[Result]) -> str:
    """One line per figure: the median of the rounds, the range, the goal and whether it is kept."""
    return "\n".join([*HEAD, *(line for result in results for line in _lines(result))])


def _lines(result: Result) -> Iterator[str]:
    for place, figure in enumerate(result.figures):
        row = "" if place else f"{result.row}: {result.title}"
        span = f"{number(min(figure.values))} - {number(max(figure.values))}"
        cells = (row, figure.name, f"{number(figure.value)} {figure.unit}".strip(), span, _goal(figure))
        yield f"| {' | '.join(cells)} | {figure.verdict} |"


def _goal(figure: Figure) -> str:
    if figure.goal is None:
        return "-"
    return f"{'>=' if figure.at_least else '<='} {number(figure.goal)}"


def number(value: float) -> str:
    """Three digits that count; whole above a hundred."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
