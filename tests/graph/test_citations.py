"""The numbers of sources: the same source has the same one, a mark in a text is found again, also after a pause."""

from __future__ import annotations

import re

import pytest

from agents.models.port import Usage
from agents.tools.port import Source
from graph import events as ev
from graph.citations import Citations
from graph.items import Annotation

TEA = Source("tea.md", "Tea is brewed.")
TEA_TWO = Source("tea.md", "Tea is drunk.")
COFFEE = Source("coffee.md", "Coffee is roasted.", url="https://example.org/coffee")


def answer(citations: Citations, text: str) -> ev.CallAnswered:
    """An answer as the engine records it."""
    return ev.CallAnswered("c", text, "ok", "agent", citations.cited(text))


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


def shown() -> Citations:
    """Two sources, and what of them was shown."""
    citations = Citations()
    citations.cite(TEA, "Green tea is steeped at 70 degrees.")
    citations.cite(COFFEE, "Coffee is brewed at 95 degrees.")
    return citations


def numbers(citations: Citations, text: str, asked: str = "") -> list[str]:
    return [mark.mark[1] for mark in citations.annotations(text, asked)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("“Green tea is steeped at 70 degrees” 【1†tea.md】", ["1"]),
        ("“green tea … 70 degrees.”【1†tea.md】", ["1"]),
        ("“Tea is brewed” 【1†tea.md】", ["1"]),
        ("“Green tea is steeped at 80 degrees” 【1†tea.md】", []),
        ("“Green tea is steeped at 70 degrees” 【2†coffee.md】", []),
        ("“Green tea is steeped at 70 degrees” 【1†tea.md】【2†coffee.md】", ["1"]),
        ("“Nobody says this” 【1†tea.md】【2†coffee.md】", []),
        ("“Green tea” and “Coffee is brewed” 【1†tea.md】【2†coffee.md】", ["1", "2"]),
        ("“Never” 【1†tea.md】, but at 70 degrees 【1†tea.md】", ["1"]),
        ("Says “coffee.md” 【2†coffee.md】", ["2"]),
    ],
)
def test_a_mark_beside_words_that_its_source_does_not_say_is_no_annotation(text: str, expected: list[str]) -> None:
    assert numbers(shown(), text) == expected
    assert len(shown().cited(text)) == len(set(re.findall("【.", text))), "its number is known all the same"


def test_the_users_words_may_be_quoted_back() -> None:
    text = "Whether “tea should be boiled” is answered by the handbook 【1†tea.md】."
    assert numbers(shown(), text) == []
    assert numbers(shown(), text, "Is it true that tea should be boiled?") == ["1"]
    assert numbers(shown(), "“tea should be boiled”【1†tea.md】", "tea should be boiled?") == [], (
        "it is no source for that"
    )


def test_a_source_that_was_never_shown_is_taken_at_its_word() -> None:
    citations = Citations()
    citations.cite(Source("a tool's"))
    assert numbers(citations, "“Whatever it says” 【1†a tool's】") == ["1"]


def test_passages_of_one_document_prove_each_other() -> None:
    citations = Citations()
    citations.cite(Source("a.txt", "One.", file_id="file-1"), "The first half of it.")
    citations.cite(Source("a.txt", "Two.", file_id="file-1"), "The second half of it.")
    assert numbers(citations, "“The second half” 【1†a.txt】") == ["1"]


def test_pages_are_known_by_their_address() -> None:
    citations = Citations()
    citations.cite(Source("Result", url="http://www.example.org/tea/?utm_source=x"), "Tea")
    citations.cite(Source("Tea, explained", url="https://example.org/tea"), "Tea is 4700 years old.")
    assert numbers(citations, "“4700 years old” 【1†Result】") == ["1"]


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        ("“Green tea is steeped” 【1†tea.md】.", None),
        ("Tea 【1†tea.md】, coffee 【2†coffee.md】.", None),
        ("“Tea is free” 【1†tea.md】. More.", "“Tea is free” 【1†tea.md】 (not found in the source). More."),
        (
            "“Tea is free”【1†tea.md】【2†coffee.md】",
            "“Tea is free”【1†tea.md】【2†coffee.md】 (not found in the source)",
        ),
        ("“Coffee is brewed”【1†tea.md】!", "“Coffee is brewed”【2†coffee.md】!"),
        (
            "“Green tea” and “Tea is free”【1†tea.md】, “Coffee is brewed”【1†tea.md】",
            "“Green tea” and “Tea is free”【1†tea.md】 (not found in the source), “Coffee is brewed”【2†coffee.md】",
        ),
    ],
)
def test_a_report_says_what_was_not_found(report: str, expected: str | None) -> None:
    assert shown().checked(report) == (expected or report)
    assert shown().checked(shown().checked(report)).count("not found") <= 2


def test_what_was_shown_is_known_after_a_pause() -> None:
    before = shown()
    output = "【1†tea.md】 Green tea is steeped at 70 degrees.\n\n【2†coffee.md】 Coffee is brewed at 95 degrees."
    call = ev.AgentCall("tool", "search", "{}", output, "ok", 0, 0)
    report = "Tea 【1†tea.md】, coffee 【2†coffee.md】."
    after = Citations([ev.AgentFinished("c", "researcher", "ok", Usage(), (call,)), answer(before, report)])
    assert numbers(after, "“steeped at 70 degrees” 【1†tea.md】") == ["1"]
    assert numbers(after, "“brewed at 95 degrees” 【1†tea.md】, “brewed at 95 degrees” 【2†coffee.md】") == ["2"]


def test_an_output_without_marks_shows_nothing() -> None:
    call = ev.AgentCall("tool", "python", "{}", "391", "ok", 0, 0)
    after = Citations(
        [ev.AgentFinished("c", "analyst", "ok", Usage(), (call,)), ev.CallAnswered("c", "391", "ok", "agent")]
    )
    assert after.cited("391") == ()
