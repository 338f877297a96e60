"""Texts cut into chunks: so many tokens at most, whole sentences where there are any, each with its place in the text."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from graph.vector_stores.values import Chunking

_PIECE: Final = re.compile(
    r"\s*+(?:[^\n]{1,300}?(?:[.!?…](?=\s)|[。！？]|(?=\n)|\Z)|[^\n]{1,300}(?=\s)|[^\n]{1,300})\s*+"  # a sentence, or a part
)


class Span(NamedTuple):
    """A part of a text, without white space at its ends."""

    start: int
    end: int


class _Piece(NamedTuple):
    start: int
    end: int
    tokens: int


def split(text: str, count: Callable[[str], int], chunking: Chunking) -> Iterator[Span]:
    """The chunks of a text in order. A chunk begins with the sentences at the end of the one before that have `overlap`
    tokens at most. Sentences that are longer than a chunk are cut, and so is the text where there is nothing but white space
    for longer than that."""
    window, tokens = deque[_Piece](), 0
    for piece in _pieces(text, count, chunking.size):
        if window and piece.start > window[-1].end:
            yield _span(text, window[0].start, window[-1].end)
            window.clear()
            tokens = 0
        if window and tokens + piece.tokens > chunking.size:
            yield _span(text, window[0].start, window[-1].end)
            while window and (tokens > chunking.overlap or tokens + piece.tokens > chunking.size):
                tokens -= window.popleft().tokens
        window.append(piece)
        tokens += piece.tokens
    if window:
        yield _span(text, window[0].start, window[-1].end)


def _pieces(text: str, count: Callable[[str], int], most: int) -> Iterator[_Piece]:
    for found in _PIECE.finditer(text, 0, len(text.rstrip())):
        yield from _cut(text, found.start(), found.end(), count, most)


def _cut(text: str, start: int, end: int, count: Callable[[str], int], most: int) -> Iterator[_Piece]:
    part = text[start:end]
    tokens = count(part)
    if part.isspace():
        return
    if tokens <= most or end - start == 1:
        yield _Piece(start, end, tokens)
        return
    middle = (start + end) // 2
    yield from _cut(text, start, middle, count, most)
    yield from _cut(text, middle, end, count, most)


def _span(text: str, start: int, end: int) -> Span:
    part = text[start:end]
    return Span(start + len(part) - len(part.lstrip()), end - len(part) + len(part.rstrip()))
