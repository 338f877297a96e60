"""Passages of several sources as one list: the best of each by turns, and what says the same only once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from agents.tools.pages import identity
from agents.tools.port import Passage
from agents.words import words

_SHINGLE: Final = 4  # words in a row, by which texts are compared
_FEWEST: Final = 8  # words; shorter texts are alike too easily
_INSIDE: Final = 0.8  # the share of a text that another holds, from which on it says nothing new
_ALIKE: Final = 0.6  # the share that two texts have in common, from which on they are one


@dataclass(frozen=True, slots=True)
class Ranking:
    """What a source has found, best first. By its `weight` it counts beside the others."""

    passages: Sequence[Passage]
    weight: float = 1.0


@dataclass(slots=True)
class _Entry:
    """A passage on its way into the list. `order` is its source's: of two that say the same, the first one's stays."""

    passage: Passage
    order: int
    value: float
    page: str | None
    shingles: frozenset[tuple[str, ...]]


def fused(rankings: Sequence[Ranking], limit: int) -> list[Passage]:
    """At most `limit` passages, by the sum of the weights that their sources give them, each divided by its rank there.
    Where sources have the same, the source that stands first in `rankings` is named."""
    entries = [
        _entry(passage, order, ranking.weight / rank)
        for order, ranking in enumerate(rankings)
        for rank, passage in enumerate(ranking.passages[:limit], 1)
    ]
    kept: list[_Entry] = []
    for entry in entries:
        same = next((other for other in kept if _same(other, entry)), None)
        if same is None:
            kept.append(entry)
        elif same.order != entry.order:  # found twice by one source, it is no better for it
            same.value += entry.value
    kept.sort(key=lambda entry: -entry.value)
    return [entry.passage for entry in kept[:limit]]


def _entry(passage: Passage, order: int, value: float) -> _Entry:
    url = passage.source.url
    said = [line for line in passage.text.splitlines() if not line.startswith("## ")]
    return _Entry(passage, order, value, identity(url) if url else None, _shingles("\n".join(said)))


def _shingles(text: str) -> frozenset[tuple[str, ...]]:
    """All runs of a few words in a text; none where it is too short to be compared."""
    said = words(text)
    if len(said) < _FEWEST:
        return frozenset()
    return frozenset(tuple(said[at : at + _SHINGLE]) for at in range(len(said) - _SHINGLE + 1))


def _same(kept: _Entry, entry: _Entry) -> bool:
    """Whether an entry says nothing that the kept one does not say."""
    if kept.page is not None and kept.page == entry.page:
        return True
    one, other = kept.passage, entry.passage
    if one.source.file_id is not None and one.source.file_id == other.source.file_id:
        return one.text == other.text  # neighbours in a file have a part of their texts in common
    if not kept.shingles or not entry.shingles:
        return one == other
    common = len(kept.shingles & entry.shingles)
    alike = common / (len(kept.shingles) + len(entry.shingles) - common)
    return alike >= _ALIKE or common / len(entry.shingles) >= _INSIDE
