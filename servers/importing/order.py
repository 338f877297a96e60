"""The order in which a dump's objects came to be. Their times have whole seconds: within one, their places in the list tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Protocol, TypeVar


class Dated(Protocol):
    """What has a time."""

    @property
    def created_at(self) -> int: ...


T = TypeVar("T", bound=Dated)


def oldest_first(listed: Sequence[T], *, newest_first: bool = True) -> list[T]:
    """A list as its objects came to be. `newest_first` is what a list is whose times don't tell: as OpenAI lists."""
    falls = _falls(listed)
    told = listed[::-1] if (newest_first if falls is None else falls) else listed
    return sorted(told, key=lambda each: each.created_at)


def are_newest_first(lists: Iterable[Sequence[Dated]]) -> bool:
    """Whether most lists begin with the newest, of those that show it."""
    shown = Counter(falls for each in lists if (falls := _falls(each)) is not None)
    return shown[True] >= shown[False]


def _falls(listed: Sequence[Dated]) -> bool | None:
    """Whether a list begins with the newest; None where its times don't tell."""
    steps = [after.created_at - before.created_at for before, after in pairwise(listed)]
    signs = [step < 0 for step in steps if step]
    return None if not signs else signs.count(True) >= signs.count(False)
