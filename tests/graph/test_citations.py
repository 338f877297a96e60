"""The numbers of sources: the same source has the same one, a mark in a text is found again, also after a pause."""

from __future__ import annotations

import pytest

from agents.tools.port import Source
from graph.citations import Citations
from graph.items import Annotation, Answer

TEA = Source("tea.md", "Tea is brewed.")
TEA_TWO = Source("tea.md", "Tea is drunk.")
COFFEE = Source("coffee.md", "Coffee is roasted.", url="https://example.org/coffee")


def answer(citations: Citations, text: str) -> Answer:
    """An answer as the engine records it."""
    return Answer("c", text, "ok", "agent", citations.cited(text))


def test_a_source_keeps_its_number() -> None:
    citations = Citations()
    assert [citations.cite(source) for source in (TEA, COFFEE, TEA_TWO, TEA, Source("tea.md", "Tea is brewed."))] == [
        1,
        2,
        3,
        1,
        1,
    ]


def test_marks_become_annotations_in_code_points() -> None:
    citations = Citations()
    citations.cite(TEA)
    citations.cite(COFFEE)
    text = "😀 é 【2†coffee.md】 and 【1†tea.md】."
    found = citations.annotations(text)
    assert found == (Annotation(4, 17, "【2†coffee.md】", COFFEE), Annotation(22, 32, "【1†tea.md】", TEA))
    assert [text[each.start : each.end] for each in found] == [each.mark for each in found]


@pytest.mark.parametrize(
    "text",
    [
        "nothing",
        "【9†tea.md】",
        "【1†coffee.md】",
        "【1†tea】",
        "【1†】",
        "【†tea.md】",
        "[1†tea.md]",
        "【1:tea.md】",
        "【1†tea.md",
        "【-1†tea.md】",
        "【" + "9" * 5000 + "†tea.md】",
        "【1†" * 2000,
    ],
)
def test_what_is_no_mark_of_a_known_source_is_text(text: str) -> None:
    citations = Citations()
    citations.cite(TEA)
    assert citations.annotations(text) == ()
    assert citations.cited(text) == ()


@pytest.mark.parametrize("name", ["a 】 b.md", "【1†x】", "a†b", "two\nlines", "(*)", " "])
def test_any_name_can_be_cited(name: str) -> None:
    citations = Citations()
    source = Source(name)
    mark = f"【{citations.cite(source)}†{name}】"
    text = f"So {mark}, {mark}."
    assert [each.mark for each in citations.annotations(text)] == [mark, mark]
    assert Citations([answer(citations, text)]).annotations(text) == citations.annotations(text)


def test_each_cited_source_is_named_once() -> None:
    citations = Citations()
    for source in (TEA, COFFEE, TEA_TWO):
        citations.cite(source)
    text = "【2†coffee.md】【1†tea.md】【2†coffee.md】"
    assert len(citations.annotations(text)) == 3
    assert citations.cited(text) == (COFFEE, TEA)


def test_numbers_are_the_same_after_a_pause() -> None:
    before = Citations()
    for source in (TEA, COFFEE):
        before.cite(source)
    after = Citations([answer(before, "One 【1†tea.md】."), answer(before, "Two 【2†coffee.md】.")])
    text = "【2†coffee.md】【1†tea.md】"
    assert after.annotations(text) == before.annotations(text)
    assert (after.cite(COFFEE), after.cite(TEA), after.cite(TEA_TWO)) == (2, 1, 3)


def test_passages_of_one_document_keep_their_numbers_after_a_pause() -> None:
    before = Citations()
    for source in (TEA, TEA_TWO, COFFEE):
        before.cite(source)
    text = "【2†tea.md】, 【2†tea.md】, 【1†tea.md】, 【2†tea.md】 and 【3†coffee.md】"
    after = Citations([answer(before, text)])
    assert after.annotations(text) == before.annotations(text)
    assert [after.cite(source) for source in (TEA, TEA_TWO, COFFEE)] == [1, 2, 3]


def test_the_same_passage_in_two_answers_keeps_its_number() -> None:
    before = Citations()
    for source in (TEA, TEA_TWO):
        before.cite(source)
    answers = [
        answer(before, "【2†tea.md】"),
        answer(before, "【1†tea.md】 and 【2†tea.md】"),
        answer(before, "【1†tea.md】"),
    ]
    after = Citations(answers)
    assert (after.cite(TEA), after.cite(TEA_TWO)) == (1, 2)


def test_a_number_that_is_free_after_a_pause_is_not_given_twice() -> None:
    before = Citations()
    for source in (TEA, COFFEE):
        before.cite(source)
    after = Citations([answer(before, "【2†coffee.md】")])
    assert after.cite(TEA_TWO) == 3
    assert after.annotations("【1†tea.md】") == ()
