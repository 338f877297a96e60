"""What is measured: a figure has one value per round, and perhaps a goal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

Verdict = Literal["PASS", "MISS", ""]


@dataclass(frozen=True, slots=True)
class Figure:
    """`values` are in `unit`, one per round. `goal` is an upper bound unless `at_least`; None: it is told for
    comparison alone."""

    name: str
    values: Sequence[float]
    unit: str
    goal: float | None = None
    at_least: bool = False

    @property
    def value(self) -> float:
        """The median of the rounds."""
        return median(self.values)

    @property
    def verdict(self) -> Verdict:
        if self.goal is None:
            return ""
        kept = self.value >= self.goal if self.at_least else self.value <= self.goal
        return "PASS" if kept else "MISS"


def against_direct(longer: Sequence[float], shorter: Sequence[float]) -> Figure:
    """How many times the direct upstream's time something took, or its rate it falls short of, round by round."""
    ratios = [more / less for more, less in zip(longer, shorter, strict=True)]
    return Figure("against the direct upstream", ratios, "x")


@dataclass(frozen=True, slots=True)
class Result:
    """A row's figures."""

    row: str
    title: str
    figures: Sequence[Figure]
