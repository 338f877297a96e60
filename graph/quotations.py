"""Quotations in a text: which of them stand beside the marks of sources, and whether a source really says so."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from agents.words import unspaced, words

_LENGTH: Final = 2000
_TERM: Final = 3  # words
_FAR: Final = 500  # characters; marks that are further away are another sentence's
_SPANS: Final = ("“”", "„“”", "«»", "»«", "「」", "『』")


def _span(opening: str, closing: str) -> str:
    return f"{opening}(?:(?!\\n[ \\t]*\\n)[^{opening}{closing}]){{1,{_LENGTH}}}[{closing}]"


_CURLY: Final = "|".join(_span(marks[0], marks[1:]) for marks in _SPANS)
_STRAIGHT: Final = rf'(?<![\w"\\])"(?!\s)[^"\n]{{1,{_LENGTH}}}(?<![\s\\])"(?!\w)'
_ESCAPED: Final = rf'\\"(?!\s)[^"\\\n]{{1,{_LENGTH}}}(?<!\s)\\"'
_IN_PROSE: Final = re.compile(f"{_CURLY}|{_STRAIGHT}")
_IN_JSON: Final = re.compile(f"{_CURLY}|{_ESCAPED}")  # its own strings are no quotations

_MARK: Final = re.compile(r"【[0-9]{1,9}†[^】]*】")
_BETWEEN_MARKS: Final = re.compile(r"[\s,;]*")
_SENTENCE_ENDS: Final = re.compile(r"[.!?…]['\")\]’”»]*\s+\w|[。！？]\s*\w|\n\s*\n|\n\s*(?:[-*+#|]|\d+[.)])\s")
_WORD: Final = re.compile(r"\w")

_GAP: Final = re.compile(r"\[[^\[\]]{0,200}\]|\(\.\.\.+\)|\.\.\.+|\. \. \.")
_EDGES: Final = " .,;:!?-()"
_QUOTES: Final = "\"'“”„‟‘’‚‛«»‹›「」『』〝〞＂＇`´"
_HYPHENS: Final = "‐‑﹣－"
_DASHES: Final = "‒–—―−﹘"
_INVISIBLE: Final = "\u00ad\u200b\u200c\u200d\u2060\ufeff*_#>~"  # among them what Markdown decorates words with
_SAME: Final = str.maketrans(
    {
        **dict.fromkeys(_QUOTES + _INVISIBLE),
        **dict.fromkeys(_HYPHENS, "-"),
        **dict.fromkeys(_DASHES, "—"),
        "|": " ",
        "【": "[",
        "】": "]",
        "†": "+",
    }
)
_FROM_TO: Final = re.compile(r"(?<=\d)\s?[—-]\s?(?=\d)")
_DASH: Final = re.compile(r"\s?—\s?|\s-\s")
_HYPHEN: Final = re.compile(r"(?<=[^\W\d])-\s?(?=[^\W\d])")  # also where a line was broken in the middle of a word


@dataclass(frozen=True, slots=True)
class Claim:
    """A quotation that is ascribed to sources. `marks` are their places in the list that `claims` was given, `beside` says
    that nothing but spaces and stops stand between."""

    quotation: str
    marks: Sequence[int]
    beside: bool

    @property
    def binds(self) -> bool:
        """Whether the source has to say it: a few words further away may be a name, or a way of speaking."""
        return self.beside or len(words(self.quotation)) >= _TERM


@dataclass(frozen=True, slots=True)
class _Group:
    """Marks that stand together."""

    start: int
    end: int
    marks: tuple[int, ...]


def claims(text: str, marks: Sequence[tuple[int, int]], *, json: bool = False) -> list[Claim]:
    """The quotations of a text that stand beside these marks, which come in order: in front of them in the same sentence,
    around them, else behind them. `json`: the text is JSON, and its strings are the prose."""
    if not marks:
        return []
    groups = _groups(text, marks)
    found = (_claim(text, groups, match) for match in (_IN_JSON if json else _IN_PROSE).finditer(text))
    return [claim for claim in found if claim]


def stands_in(quotation: str, normal_text: str) -> bool:
    """Whether a text in its normal form says this, in whole words. What an ellipsis or square brackets leave out may be
    anything."""
    place = 0
    for piece in _pieces(quotation):
        place = _find(piece, normal_text, place)
        if place < 0:
            return False
    return True


def normal(text: str) -> str:
    """A text without what may differ between a quotation and its source: case, spaces, dashes, quotation marks, Markdown."""
    plain = unicodedata.normalize("NFKC", text).casefold().translate(_SAME)
    return _HYPHEN.sub("", _DASH.sub(" ", _FROM_TO.sub("-", " ".join(plain.split()))))


def _groups(text: str, marks: Sequence[tuple[int, int]]) -> list[_Group]:
    groups: list[_Group] = []
    for number, (start, end) in enumerate(marks):
        last = groups[-1] if groups else None
        if last and _BETWEEN_MARKS.fullmatch(text, last.end, start):
            groups[-1] = _Group(last.start, end, (*last.marks, number))
        else:
            groups.append(_Group(start, end, (number,)))
    return groups


def _claim(text: str, groups: Sequence[_Group], match: re.Match[str]) -> Claim | None:
    start, end = match.span()
    width = 2 if text[start] == "\\" else 1
    quotation = text[start + width : end - width]
    if not _WORD.search(_MARK.sub("", quotation)):
        return None
    first = bisect_right(groups, start, key=lambda group: group.start)
    next_one = bisect_left(groups, end, key=lambda group: group.start)
    if around := [number for group in groups[first:next_one] for number in group.marks]:
        return Claim(_MARK.sub("...", quotation), tuple(around), True)
    behind = groups[next_one] if next_one < len(groups) else None
    before = groups[first - 1] if first else None
    to_behind = text[end : behind.start] if behind and behind.start - end <= _FAR else None
    to_before = text[before.end : start] if before and start - before.end <= _FAR else None
    if before and to_before and ":" in to_before and not _WORD.search(to_before):
        return Claim(quotation, before.marks, True)
    if behind and to_behind is not None and not _SENTENCE_ENDS.search(to_behind):
        return Claim(quotation, behind.marks, not _WORD.search(to_behind))
    if before and to_before is not None and not _SENTENCE_ENDS.search(f"{to_before}x"):
        return Claim(quotation, before.marks, not _WORD.search(to_before))
    return None


def _pieces(quotation: str) -> Iterator[str]:
    for piece in _GAP.split(normal(quotation)):
        if _WORD.search(piece):
            yield piece.strip(_EDGES)


def _find(piece: str, text: str, place: int) -> int:
    """Where a piece ends in a text, at or behind a place; -1 where it is not."""
    while (start := text.find(piece, place)) >= 0:
        end = start + len(piece)
        if not (_joined(text, start) or _joined(text, end)):
            return end
        place = start + 1
    return -1


def _joined(text: str, at: int) -> bool:
    """Whether a word or a number goes on across a place."""
    if not 0 < at < len(text):
        return False
    before, behind = text[at - 1], text[at]
    if before.isalnum() and behind.isalnum():
        return not (unspaced(before) or unspaced(behind))
    if before in ".," and behind.isdigit():
        return text[at - 2 : at - 1].isdigit()
    return before.isdigit() and behind in ".," and text[at + 1 : at + 2].isdigit()
