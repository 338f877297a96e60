"""The gate on a streaming answer: what comes out is the same however the text was split."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.limits import AnswerGate
from graph.tokens import Tokenizer, open_tokenizer
from graph.vocabularies import FourCharacters

PIECES = [
    "a",
    "b",
    "Word",
    " the",
    "'s",
    "12",
    "3",
    " ",
    "  ",
    "\n",
    "\n\n",
    ".",
    "!?",
    "é",
    "e\u0301",
    "漢字",
    "。",
    "😀",
    "/",
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=30).map("".join)
STOPS = st.lists(st.sampled_from(["ab", "aba", "b", "\n\n", "the", " the", "字。", "😀😀", "1212"]), max_size=3).map(
    tuple
)
LIMITS = st.none() | st.integers(0, 25)


@cache
def tokenizer_named(name: str) -> Tokenizer:
    return Tokenizer(FourCharacters) if name == "four_characters" else open_tokenizer(name)


TOKENIZERS = st.sampled_from(["cl100k_base", "o200k_base", "four_characters"]).map(tokenizer_named)


@pytest.fixture
def tokenizer() -> Tokenizer:
    return tokenizer_named("cl100k_base")


def stopped(text: str, stop: tuple[str, ...]) -> tuple[str, bool]:
    """What a reader sees who gets the text letter by letter and stops at the first complete sequence."""
    for end in range(1, len(text) + 1):
        starts = [end - len(each) for each in stop if text[:end].endswith(each)]
        if starts:
            return text[: min(starts)], True
    return text, False


@settings(derandomize=True, max_examples=400, deadline=None)
@given(data=st.data(), text=TEXTS, stop=STOPS, limit=LIMITS, tokenizer=TOKENIZERS)
def test_any_split_shows_the_text_cut_as_a_whole(
    data: st.DataObject, text: str, stop: tuple[str, ...], limit: int | None, tokenizer: Tokenizer
) -> None:
    places = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=len(text))))
    feeds = [text[start:end] for start, end in zip([0, *places], [*places, len(text)], strict=True)]
    gate = AnswerGate(tokenizer, limit, stop)
    shown = "".join([gate.feed(part) for part in feeds] + [gate.flush()])

    before, found = stopped(text, stop)
    too_long = limit is not None and tokenizer.count(before) > limit
    assert shown == (tokenizer.cut(before, limit or 0) if too_long else before)
    assert gate.cut == ("length" if too_long else "stop" if found else None)
    assert gate.text == shown
    assert gate.tokens == tokenizer.count(shown)
    assert limit is None or gate.tokens <= limit


@settings(derandomize=True, max_examples=100, deadline=None)
@given(text=TEXTS, limit=st.integers(0, 25), tokenizer=TOKENIZERS)
def test_what_was_shown_is_never_taken_back(text: str, limit: int, tokenizer: Tokenizer) -> None:
    gate, shown = AnswerGate(tokenizer, limit), ""
    for letter in text:
        shown += gate.feed(letter)
        assert tokenizer.count(shown) <= limit or tokenizer.cut(text, limit).startswith(shown)
    assert (shown + gate.flush()) == gate.text


def test_without_limits_everything_passes_at_once(tokenizer: Tokenizer) -> None:
    gate = AnswerGate(tokenizer)
    assert [gate.feed("Hello"), gate.feed(", world"), gate.flush()] == ["Hello", ", world", ""]
    assert (gate.text, gate.cut, gate.tokens) == ("Hello, world", None, tokenizer.count("Hello, world"))


def test_a_stop_sequence_split_over_feeds_never_comes_out(tokenizer: Tokenizer) -> None:
    gate = AnswerGate(tokenizer, stop=("END",))
    assert [gate.feed(part) for part in ("one E", "N", "Dtwo", "more")] == ["one ", "", "", ""]
    assert (gate.flush(), gate.text, gate.cut) == ("", "one ", "stop")


def test_what_only_looked_like_a_stop_sequence_comes_out(tokenizer: Tokenizer) -> None:
    gate = AnswerGate(tokenizer, stop=("\n\nUser:",))
    assert [gate.feed(part) for part in ("Yes.\n", "\nUse", "ful.")] == ["Yes.", "", "\n\nUseful."]
    assert [gate.feed("\n"), gate.flush()] == ["", "\n"]
    assert gate.cut is None


def test_empty_stop_sequences_are_no_stop_sequences(tokenizer: Tokenizer) -> None:
    gate = AnswerGate(tokenizer, stop=("", ""))
    assert (gate.feed("text"), gate.cut) == ("text", None)


def test_an_answer_of_exactly_the_limit_is_not_cut(tokenizer: Tokenizer) -> None:
    text = "The quick brown fox"
    gate = AnswerGate(tokenizer, tokenizer.count(text))
    shown = "".join([gate.feed(letter) for letter in text] + [gate.flush()])
    assert (shown, gate.cut, gate.tokens) == (text, None, 4)


def test_the_length_wins_where_the_stop_sequence_comes_later(tokenizer: Tokenizer) -> None:
    gate = AnswerGate(tokenizer, 2, ("jumps",))
    assert gate.feed("The quick brown fox jumps") == "The quick"
    assert gate.cut == "length"


def test_no_code_point_is_broken(tokenizer: Tokenizer) -> None:
    text = "🦖" * 5
    assert tokenizer.count("🦖") > 1
    for limit in range(tokenizer.count(text)):
        gate = AnswerGate(tokenizer, limit)
        shown = gate.feed(text) + gate.flush()
        assert text.startswith(shown)
        assert gate.tokens <= limit
        assert gate.cut == "length"


class Counting(FourCharacters):
    """Remembers how many characters it was asked to look at."""

    def __init__(self) -> None:
        self.looked = 0

    def encode(self, text: str) -> list[int]:
        self.looked += len(text)
        return super().encode(text)


def test_a_long_answer_is_looked_at_once() -> None:
    codec = Counting()
    gate = AnswerGate(Tokenizer(lambda: codec), 30_000)
    for _ in range(20_000):
        gate.feed("word ")
    gate.flush()
    assert len(gate.text) == 100_000
    assert codec.looked <= 100_000 + 4


def test_a_run_without_end_is_cut_too(tokenizer: Tokenizer) -> None:
    gate = AnswerGate(tokenizer, 4000)
    for _ in range(3000):
        if gate.cut:
            break
        gate.feed("a" * 40)
    assert gate.cut == "length"
    assert gate.tokens == 4000
    assert set(gate.text) == {"a"}
