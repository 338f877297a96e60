"""Cutting texts: so many tokens at most, at their places, and nothing lost."""

from __future__ import annotations

import random
import re
from itertools import pairwise

import pytest

from graph.tokens import open_tokenizer
from graph.vector_stores.parsing.splitting import split
from graph.vector_stores.values import Chunking

COUNT = open_tokenizer("gpt-4").count
WORDS = [
    "The",
    "whale",
    "eats",
    "krill.",
    "Does",
    "it?",
    "Yes!",
    "東京は大きい。",
    "naïve\n\n-",
    "a\n\t42",
    "🐋🐋",
    "https://example.org/aaa?b=c",
    "",
]


def text_of(seed: int, length: int) -> str:
    chosen = random.Random(seed)
    return "".join(f"{chosen.choice(WORDS)}{chosen.choice([' ', ' ', ' ', chr(10), ''])}" for _ in range(length))


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(("size", "overlap"), [(100, 0), (100, 50), (800, 400)])
def test_chunks_cover_the_text_and_keep_their_size(seed: int, size: int, overlap: int) -> None:
    text = text_of(seed, 3000)
    spans = list(split(text, COUNT, Chunking(size, overlap)))
    assert all(COUNT(text[start:end]) <= size for start, end in spans)
    covered = bytearray(len(text))
    for start, end in spans:
        assert text[start:end] == text[start:end].strip() != ""
        covered[start:end] = b"\1" * (end - start)
    assert not re.sub(r"\s", "", "".join(char for char, there in zip(text, covered, strict=True) if not there))
    assert [start for start, _ in spans] == sorted(start for start, _ in spans)
    for (_, before), (start, _) in pairwise(spans):
        assert COUNT(text[start:before]) <= overlap + 1


@pytest.mark.parametrize("text", ["a" * 50_000, "🐋" * 5_000, " " * 50_000 + "x", "\n" * 50_000, "字" * 9_000])
def test_texts_without_pauses(text: str) -> None:
    spans = list(split(text, COUNT, Chunking(100, 20)))
    assert all(COUNT(text[start:end]) <= 100 for start, end in spans)
    assert sum(end - start for start, end in spans) >= len(text.strip())


def test_a_short_text_is_one_chunk() -> None:
    assert list(split(" Hello. World. ", COUNT, Chunking())) == [(1, 14)]
    assert list(split(" \n ", COUNT, Chunking())) == []


def test_a_chunk_does_not_reach_over_a_void() -> None:
    text = f"Here it begins.{' ' * 200_000}There it goes on."
    spans = list(split(text, COUNT, Chunking(100, 50)))
    assert [text[start:end] for start, end in spans] == ["Here it begins.", "There it goes on."]
