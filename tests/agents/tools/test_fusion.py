"""Fusing what several sources have found: the best by turns, and what says the same once."""

from __future__ import annotations

from agents.tools.fusion import Ranking, fused
from agents.tools.port import Passage, Source

TEA = "Green tea is steeped at seventy degrees for two minutes, black tea with boiling water for four minutes at least."
COFFEE = "Coffee is ground just before it is brewed, because what makes its taste is gone within a quarter of an hour."


def book(text: str, name: str = "book.md") -> Passage:
    return Passage(Source(name, text), text, 1.0)


def file(text: str, id: str = "file-1") -> Passage:
    return Passage(Source("notes.txt", text, file_id=id), text, 1.0)


def web(text: str, url: str = "https://example.org/a") -> Passage:
    return Passage(Source("A page", url=url), f"## {url}\n\n{text}", 0.0)


def test_sources_take_turns_by_rank_and_weight() -> None:
    one = [book(f"one {n}") for n in range(9)]
    other = [book(f"other {n}") for n in range(9)]
    assert [each.text for each in fused([Ranking(one), Ranking(other)], 4)] == ["one 0", "other 0", "one 1", "other 1"]
    weighed = fused([Ranking(one), Ranking(other, 1 / 3)], 8)
    assert [each.text for each in weighed if each.text.startswith("other")] == ["other 0", "other 1"]
    assert fused([], 4) == fused([Ranking([])], 4) == []


def test_what_two_sources_have_counts_twice() -> None:
    library = [book(COFFEE, "coffee.md"), book(TEA, "tea.md")]
    pages = [web("short"), web(TEA, "https://example.org/tea")]
    found = fused([Ranking(pages), Ranking(library)], 8)
    assert [each.source.name for each in found] == ["A page", "A page", "coffee.md"]
    assert found[0].source.url == "https://example.org/a"
    more = fused([Ranking([*pages[::-1]]), Ranking(library[::-1])], 8)
    assert more[0].source.url == "https://example.org/tea"


def test_the_same_document_in_the_library_and_among_the_files_is_the_files() -> None:
    found = fused([Ranking([file(f"{TEA} {COFFEE}")]), Ranking([book(TEA.upper()), book(f"## Coffee\n\n{COFFEE}")])], 8)
    assert [each.source.file_id for each in found] == ["file-1"]


def test_a_text_that_is_nearly_the_same_comes_once() -> None:
    copied = TEA.replace("minutes, black", "minutes; Black").replace("at least.", "or so.")
    assert len(fused([Ranking([web(TEA), web(copied, "https://other.org/b")])], 8)) == 1


def test_what_says_more_is_kept() -> None:
    found = fused(
        [Ranking([web(TEA)]), Ranking([book(f"{TEA} {COFFEE} Cocoa is made with hot milk, and never with water.")])], 8
    )
    assert len(found) == 2


def test_short_texts_are_alike_only_where_their_sources_are() -> None:
    assert (
        len(fused([Ranking([web("Tea", "https://a.org"), web("Tea", "https://b.org"), web("", "https://c.org")])], 8))
        == 3
    )
    assert len(fused([Ranking([book("Tea")]), Ranking([book("Tea")])], 8)) == 1


def test_neighbours_in_a_file_stay() -> None:
    """Chunks overlap: the last one may be in the one before but for a few words."""
    chunks = [file(f"{TEA} {COFFEE}"), file(f"{COFFEE} Cocoa.")]
    assert len(fused([Ranking(chunks)], 8)) == 2
    assert len(fused([Ranking([*chunks, chunks[0]])], 8)) == 2


def test_texts_without_spaces_are_compared_too() -> None:
    text = "緑茶は七十度のお湯で二分ほど蒸らして淹れるのがよいとされている。"
    assert len(fused([Ranking([web(text), web(f"{text} ", "https://b.org")])], 8)) == 1
