"""Words of ordinary language."""

from __future__ import annotations

import pytest

from agents.words import spread, telling_words, words


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("What's LLM_MODEL?", ["what", "s", "llm", "model"]),
        ("Straße, CAFE\u0301", ["strasse", "café"]),
        ("AI技術東京", ["ai", "技術", "術東", "東京"]),
        ("字", ["字"]),
        ("🎉 ?!", []),
        ("", []),
    ],
)
def test_a_text_is_taken_apart(text: str, found: list[str]) -> None:
    assert words(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("What is the AI of the AI team?", ["ai", "team"]),
        ("Che cosa sono gli agenti e 3 modelli", ["agenti", "3", "modelli"]),
        ("Was ist denn ein Agent", ["agent"]),
        ("a b c 字", ["字"]),
    ],
)
def test_words_that_say_nothing_are_left_out(text: str, found: list[str]) -> None:
    assert telling_words(text) == found


def test_unspaced_runs_are_spread_for_an_index() -> None:
    assert spread("in 東京都 today").split() == ["in", "東京", "京都", "today"]
