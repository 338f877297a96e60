"""Where the CPU went, from what the sampler saw."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.processes import ROOT

Stack = Sequence[str]
_PACKAGE: Final = re.compile(r"/site-packages/([^/]+)")
_OURS: Final = re.compile(rf"^{re.escape(str(ROOT))}/((?:servers|graph|agents)/.*)")


@dataclass(frozen=True, slots=True)
class Costs:
    """Shares (0 to 1) of the samples. `packages`: by whose code was at work; `ours`: by our functions with all that they
    call; `own`: by single functions alone, whoever's."""

    samples: int
    packages: list[tuple[str, float]]
    ours: list[tuple[str, float]]
    own: list[tuple[str, float]]


def read(folder: Path) -> Costs:
    """The costs in the files of a folder that the sampler has written."""
    packages, ours, own = Counter[str](), Counter[str](), Counter[str]()
    for stack, count in _stacks(folder):
        packages[_owner(stack[-1])] += count
        own[_short(stack[-1])] += count
        for function in {_short(frame) for frame in stack if _OURS.match(frame)}:
            ours[function] += count
    total = packages.total()
    return Costs(total, *(_shares(counter, total) for counter in (packages, ours, own)))


def table(costs: Costs, rows: int = 30) -> str:
    """The three lists as Markdown."""
    parts = [f"{costs.samples} samples"]
    for title, shares in (
        ("package (its own code)", costs.packages),
        ("our function (with what it calls)", costs.ours),
        ("function (alone)", costs.own),
    ):
        parts.append("\n".join([f"| {title} | share |", "|---|---|", *_lines(shares[:rows])]))
    return "\n\n".join(parts)


def _stacks(folder: Path) -> Iterator[tuple[Stack, int]]:
    for path in folder.iterdir():
        for line in path.read_text().splitlines():
            stack, count = json.loads(line)
            yield stack, count


def _lines(shares: Iterable[tuple[str, float]]) -> Iterable[str]:
    return (f"| `{name}` | {share:.1%} |" for name, share in shares)


def _shares(counter: Counter[str], total: int) -> list[tuple[str, float]]:
    return [(name, count / total) for name, count in counter.most_common()]


def _owner(frame: str) -> str:
    if _OURS.match(frame):
        return "cortex-flow"
    found = _PACKAGE.search(frame)
    return found[1] if found else "python"


def _short(frame: str) -> str:
    """A frame's function, in its file as it is seen from its package."""
    path, line, function = frame.rsplit(":", 2)
    ours, package = _OURS.match(path), _PACKAGE.search(path)
    shown = ours[1] if ours else path[package.start(1) :] if package else path.rpartition("/lib/")[2]
    return f"{shown}:{line} {function}"
