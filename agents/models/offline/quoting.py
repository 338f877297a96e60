"""Passages and sentences: which ones speak of a topic, and the marks they carry."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agents.words import stems, telling_words

MARK = re.compile(r"【\d+†[^】]*】")
_PASSAGE = re.compile(r"(【\d+†[^】]*】)(.*?)(?=【\d+†|\Z)", re.S)
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[\"'“(`A-ZÀ-Þ0-9])|(?<=[。！？])(?!\s*\ue000)")
_HIDDEN = re.compile(r"\ue000(\d+)\ue001")
_AFTER_MARKS = re.compile(r"(?<=\ue001)\s*(?=[^\s\ue000])")
_PER_PASSAGE = 3


@dataclass(frozen=True, slots=True)
class Quote:
    """A sentence, and the mark of the source that says it (empty where there is none)."""

    sentence: str
    mark: str

    def __str__(self) -> str:
        return f"{self.sentence} {self.mark}".strip()


def sentences(text: str) -> list[str]:
    """The sentences of a text, list items among them; headings are left out."""
    lines = [line.strip() for line in re.split(r"\n\s*\n|\n(?=\s*(?:[-*#]|\d+\.)\s)|(?<=\S)\n(?=#)", text)]
    blocks = [" ".join(line.lstrip("-* ").split()) for line in lines if line and not line.startswith("#")]
    return [sentence.strip() for block in blocks for sentence in _SENTENCE.split(block) if sentence.strip()]


def passages(text: str) -> list[tuple[str, str]]:
    """(mark, passage) of a text in which each passage stands behind its mark, as the search tool writes them."""
    return [(mark, passage) for mark, passage in _PASSAGE.findall(text)]


def best(found: Sequence[tuple[str, str]], topic: Sequence[str], limit: int = 6, least: int = 1) -> list[Quote]:
    """The sentences that speak most of the topic, a few of each passage, in the order of the passages.

    A sentence must hold half of the topic's words, and `least` of them, together with its heading and the name of its source.
    """
    wanted = stems(topic)
    least = max(least, -(-len(wanted) // 2))
    rated = [item for mark, passage in found for item in _rated(mark, passage, wanted)]
    fitting = [item for item in rated if item[0][0] >= least]
    chosen = sorted(fitting, key=lambda item: item[0], reverse=True)[:limit]
    return list(dict.fromkeys(quote for rating, quote in rated if (rating, quote) in chosen))


def fit(quote: Quote, topic: Sequence[str]) -> int:
    """How many of the topic's words a sentence holds, together with the name of its source."""
    return _hits(f"{quote.mark} {quote.sentence}", stems(topic))


def quotes(text: str) -> list[Quote]:
    """The sentences of a finding, each with the marks that stand behind it."""
    marks = MARK.findall(text)
    numbers = iter(range(len(marks)))
    hidden = MARK.sub(lambda _: f"\ue000{next(numbers)}\ue001", text)  # a name may look like the end of a sentence
    pieces = (piece for sentence in sentences(hidden) for piece in _AFTER_MARKS.split(sentence))
    return [_quote(piece, marks) for piece in pieces if _HIDDEN.sub("", piece).strip()]


def overlap(words: Sequence[str], others: Sequence[str]) -> int:
    """How many of the words occur among the others, in any form."""
    known = stems(others)
    return sum(1 for stem in stems(words) if stem in known)


def _quote(piece: str, marks: Sequence[str]) -> Quote:
    behind = "".join(marks[int(number)] for number in _HIDDEN.findall(piece))
    return Quote(" ".join(_HIDDEN.sub("", piece).split()), behind)


def _rated(mark: str, passage: str, wanted: Mapping[str, None]) -> list[tuple[tuple[int, int], Quote]]:
    """The best sentences of a passage in their order, rated by (words said with source and heading, with heading)."""
    heading = " ".join(line for line in passage.splitlines() if line.startswith("#"))
    rated = [
        ((_hits(f"{mark} {heading} {sentence}", wanted), _hits(f"{heading} {sentence}", wanted)), Quote(sentence, mark))
        for sentence in sentences(passage)
    ]
    chosen = sorted(rated, key=lambda item: item[0], reverse=True)[:_PER_PASSAGE]
    return [item for item in rated if item in chosen]


def _hits(text: str, wanted: Mapping[str, None]) -> int:
    known = stems(telling_words(text))
    return sum(1 for stem in wanted if stem in known)
