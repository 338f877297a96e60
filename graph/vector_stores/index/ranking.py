"""Rankings of what was found, by words and by meaning, made one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeVar

K = TypeVar("K")

DEPTH: Final = 4
"""Times as many as are wanted are ranked."""

_RRF: Final = 60
_WORDS: Final = 8.0  # what words weigh against meanings where a chunk holds all of them: then meanings only lose


def scaled(found: Mapping[K, float]) -> dict[K, float]:
    """Ranks by words alone: as much of the best one's value as each has."""
    best = max(found.values(), default=0.0)
    return {key: score / best if best > 0 else 1.0 for key, score in found.items()}


def fused(lexical: Mapping[K, float], cosine: Mapping[K, float], covered: float) -> dict[K, float]:
    """By the sum of the reciprocal ranks, 1 for what is first everywhere. `covered` is the share of the question's words that
    the first by words holds: the more, the more words weigh."""
    words = _WORDS * covered**3
    sums: dict[K, float] = {}
    for weight, ranking in ((words, lexical), (1.0, cosine)):
        for rank, key in enumerate(ranking, 1):
            sums[key] = sums.get(key, 0.0) + weight * (_RRF + 1) / ((_RRF + rank) * (words + 1.0))
    return dict(sorted(sums.items(), key=lambda item: -item[1]))
