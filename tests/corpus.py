"""A generated corpus in which it is known which file answers a question, and how well a search does on it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from agents.words import STOP_WORDS
from tests.meaning import LIKE

CONSONANTS, VOWELS = "bcdfgklmnprstvz", "aeiou"
QUERY: Final = "What is said about {} and {} in the records?"


@dataclass(frozen=True, slots=True)
class Corpus:
    """Files by their names; questions in the files' own words, and the same `reworded`, each with the name of the file that
    answers it."""

    files: Sequence[tuple[str, str]]
    questions: Sequence[tuple[str, str]]
    reworded: Sequence[tuple[str, str]]


def word(chosen: random.Random) -> str:
    return "".join(chosen.choice(CONSONANTS) + chosen.choice(VOWELS) for _ in range(chosen.choice((2, 3, 4))))


def corpus(seed: int, topics: int = 60, sentences: int = 40) -> Corpus:
    """Files, each about its own topic in words that others use too."""
    chosen = random.Random(seed)
    shared = [word(chosen) for _ in range(400)]
    fillers = [each for each in sorted(STOP_WORDS) if each.isascii()][:80]
    files, questions, reworded = [], [], []
    for number in range(topics):
        own = chosen.sample(shared, 3) + [word(chosen) for _ in range(3)]
        said = [_sentence(chosen, fillers, shared, own) for _ in range(sentences)]
        name = f"record-{number}.txt"
        files.append((name, " ".join(said)))
        questions.append((QUERY.format(own[0], own[1]), name))
        reworded.append((QUERY.format(own[0] + LIKE, own[1] + LIKE), name))
    return Corpus(files, questions, reworded)


def _sentence(chosen: random.Random, fillers: Sequence[str], shared: Sequence[str], own: Sequence[str]) -> str:
    said = chosen.choices(fillers, k=6) + chosen.choices(shared, k=4) + chosen.sample(own, 2)
    chosen.shuffle(said)
    return " ".join(said).capitalize() + "."


def judged(found: Sequence[Sequence[str]], right: Sequence[str]) -> tuple[float, float]:
    """Recall among the first five, and the mean reciprocal rank."""
    ranks = [names.index(name) + 1 if name in names else 0 for names, name in zip(found, right, strict=True)]
    return sum(0 < rank <= 5 for rank in ranks) / len(ranks), sum(1 / rank for rank in ranks if rank) / len(ranks)
