"""Who runs where: the product alone on one core, the upstream and the load generator on the others."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

CAN_PIN = sys.platform == "linux"


@dataclass(frozen=True, slots=True)
class Cores:
    """The cores of each side; both empty: nothing is pinned, and the figures say less."""

    product: frozenset[int] = frozenset()
    others: frozenset[int] = frozenset()

    @property
    def pinned(self) -> bool:
        return bool(self.product)


def choose() -> Cores:
    """The last core that this process may use for the product, the rest for everybody else; nothing is pinned where
    there is one core only, or where the system can't pin."""
    if not CAN_PIN:
        return Cores()
    *others, last = sorted(os.sched_getaffinity(0))
    return Cores(frozenset({last}), frozenset(others)) if others else Cores()


def pin(cores: frozenset[int]) -> None:
    """Keep this process, and those it starts from now on, on these cores; none: wherever it may."""
    if CAN_PIN and cores:
        os.sched_setaffinity(0, cores)


@contextmanager
def on(cores: frozenset[int]) -> Iterator[None]:
    """This process, and those that are started meanwhile, run on these cores."""
    before = frozenset(os.sched_getaffinity(0)) if CAN_PIN else frozenset()
    pin(cores)
    try:
        yield
    finally:
        pin(before)
