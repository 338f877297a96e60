"""What stands in quotation marks beside the mark of a source, and whether a text says so."""

from __future__ import annotations

import re
import time

import pytest

from graph.quotations import claims, normal, stands_in

MARK = re.compile(r"【(\d)†[^】]*】")
SOURCE = """# Tea

Green tea is *steeped* at 70 degrees – “never hotter”, says the well-known
hand-
book. It’s  drunk   hot; 1.5 litres a day, not 15. Set `LLM_MODEL` first. 緑茶は七十度で二分ほど蒸らす。"""


def ascribed(text: str, *, json: bool = False) -> list[tuple[str, list[str]]]:
    """Quotations with the numbers of the marks that they are ascribed to."""
    marks = list(MARK.finditer(text))
    found = claims(text, [mark.span() for mark in marks], json=json)
    return [(claim.quotation, [marks[number][1] for number in claim.marks]) for claim in found if claim.binds]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("“Tea is hot” 【1†a】.", [("Tea is hot", ["1"])]),
        ("“Tea is hot.”【1†a】", [("Tea is hot.", ["1"])]),
        ("“Tea is hot.” 【1†a】 Coffee too.", [("Tea is hot.", ["1"])]),
        ('It says "Tea is hot" of tea【1†a】.', [("Tea is hot", ["1"])]),
        ("Il dit « Le thé est chaud » 【1†a】", [(" Le thé est chaud ", ["1"])]),
        ("Es heißt „Tee ist heiß“ 【1†a】", [("Tee ist heiß", ["1"])]),
        ("Es heißt »Tee ist heiß« 【1†a】", [("Tee ist heiß", ["1"])]),
        ("「お茶は熱い」【1†a】", [("お茶は熱い", ["1"])]),
        ("【1†a】: “Tea is hot”", [("Tea is hot", ["1"])]),
        ("【1†a】 says “Tea is hot” of tea.", [("Tea is hot", ["1"])]),
        ("“Tea is hot 【1†a】”", [("Tea is hot ...", ["1"])]),
        ("“Tea is hot”【1†a】【2†b】, 【3†c】", [("Tea is hot", ["1", "2", "3"])]),
        ("“Tea is hot”【1†a】 and “so is coffee”【2†b】", [("Tea is hot", ["1"]), ("so is coffee", ["2"])]),
        ("- “Tea is hot” 【1†a】\n- “Ice is cold” 【2†b】", [("Tea is hot", ["1"]), ("Ice is cold", ["2"])]),
        ("“Tea\nis hot”\n【1†a】", [("Tea\nis hot", ["1"])]),
        ("A “hot” 【1†a】", [("hot", ["1"])]),
    ],
)
def test_quotations_beside_marks(text: str, expected: list[tuple[str, list[str]]]) -> None:
    assert ascribed(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "“Tea is hot”, they say.",
        "Tea is hot 【1†a】.",
        "You asked “is tea hot?”. It is 【1†a】.",
        "“Tea is hot”\n\nIt is 【1†a】.",
        "- “Tea is hot”\n- It is 【1†a】.",
        "The so-called “hot path” is short 【1†a】.",
        'A 5" pot and a 6" cup 【1†a】.',
        "Don't say it's 'hot' 【1†a】",
        "“” 【1†a】 “…” 【1†a】",
        "“Tea is hot 【1†a】",
    ],
)
def test_what_is_no_quotation_of_a_source(text: str) -> None:
    assert ascribed(text) == []


def test_the_strings_of_json_are_no_quotations() -> None:
    text = r'{"answer": "It says \"tea is hot\" 【1†a】", "more": "“ice is cold” 【2†b】"}'
    assert ascribed(text, json=True) == [("tea is hot", ["1"]), ("ice is cold", ["2"])]
    assert ascribed('{"answer": "Tea is hot 【1†a】"}', json=True) == []


@pytest.mark.parametrize(
    "quotation",
    [
        "Green tea is steeped at 70 degrees",
        "green TEA is  steeped\nat 70 degrees,",
        "at 70 degrees - 'never hotter', says the well‑known handbook.",
        "Green tea … never hotter",
        "Green tea [...] it's drunk hot",
        "[The leaf] is steeped at [about] 70 degrees",
        "It's drunk hot; 1.5 litres a day",
        "set LLM_MODEL first",
        "七十度で二分",
        "(at 70 degrees)",
        "Ｇｒｅｅｎ ｔｅａ",
        "70 degrees—never hotter",
        "…",
    ],
)
def test_what_a_source_says(quotation: str) -> None:
    assert stands_in(quotation, normal(SOURCE))


@pytest.mark.parametrize(
    "quotation",
    [
        "Green tea is steeped at 80 degrees",
        "Green tea is not steeped",
        "reen tea",
        "70 degree",
        "never hotter … Green tea",
        "5 litres a day",
        "not 1",
        "三分ほど",
        "Black tea",
    ],
)
def test_what_a_source_does_not_say(quotation: str) -> None:
    assert not stands_in(quotation, normal(SOURCE))


@pytest.mark.parametrize("text", ["“" * 50_000, "“a" * 25_000, '"a ' * 25_000, "»a«" * 20_000, "“" + "\n \n " * 20_000])
def test_hostile_texts_take_no_time(text: str) -> None:
    began = time.thread_time()
    claims(f"{text}【1†a】", [(len(text), len(text) + 5)])
    assert time.thread_time() - began < 5, "not even where others use the machine; quadratic time would be minutes"
