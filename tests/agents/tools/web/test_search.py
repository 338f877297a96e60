"""The `search` tool with a provider: the web and the library together, each page once, and what happens without either."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from agents.tools.port import Passage, Place, SearchOptions, Source, ToolContext, ToolOutput
from agents.tools.web.port import Query, Result, SearchFailed
from agents.tools.web.search import LIMITS, web_search


class Pages:
    """A provider that knows these pages, or fails; `gate` is waited for before it answers."""

    def __init__(self, *results: Result, error: SearchFailed | None = None) -> None:
        self.results, self.error = results, error
        self.asked: list[Query] = []
        self.gate: asyncio.Barrier | None = None

    async def search(self, query: Query) -> Sequence[Result]:
        self.asked.append(query)
        if self.gate:
            await self.gate.wait()
        if self.error:
            raise self.error
        return self.results[: query.limit]

    async def close(self) -> None:
        """Nothing to give back."""


class Shelf:
    """A library with so many passages."""

    def __init__(self, count: int = 0) -> None:
        self.passages = [Passage(Source(f"{n}.md", f"Book {n}"), f"Book {n}\n", 1.0) for n in range(count)]
        self.asked: list[tuple[str, str, int]] = []
        self.gate: asyncio.Barrier | None = None

    async def search(self, tenant: str, query: str, limit: int) -> Sequence[Passage]:
        self.asked.append((tenant, query, limit))
        if self.gate:
            await self.gate.wait()
        return self.passages[:limit]


def page(number: int) -> Result:
    return Result(f"Page {number}", f"https://example.org/{number}", f"Text {number}")


async def search(
    provider: Pages, shelf: Shelf | None = None, options: SearchOptions | None = None, query: object = "tea"
) -> ToolOutput:
    cited: list[Source] = []

    def cite(source: Source) -> int:
        if source not in cited:
            cited.append(source)
        return cited.index(source) + 1

    context = ToolContext("acme", shelf or Shelf(), cite, options or SearchOptions())
    return await web_search(provider).run({"query": query}, context)


def names(output: ToolOutput) -> list[str]:
    return [source.name for source in output.sources]


async def test_pages_and_passages_carry_marks() -> None:
    output = await search(Pages(page(1)), Shelf(1))
    assert output.text == "【1†Page 1】 ## https://example.org/1\n\nText 1\n\n【2†0.md】 Book 0"
    assert output.sources == (Source("Page 1", url="https://example.org/1"), Source("0.md", "Book 0"))
    assert output.status == "ok"


async def test_both_are_asked_at_the_same_time() -> None:
    pages, shelf = Pages(page(1)), Shelf(1)
    pages.gate = shelf.gate = asyncio.Barrier(2)
    assert len((await search(pages, shelf)).sources) == 2
    assert shelf.asked == [("acme", "tea", 8)]


@pytest.mark.parametrize(
    ("web", "library", "expected"),
    [
        (20, 20, (6, 2)),
        (20, 1, (7, 1)),
        (20, 0, (8, 0)),
        (3, 20, (3, 5)),
        (0, 20, (0, 8)),
        (2, 2, (2, 2)),
    ],
)
async def test_each_has_the_room_that_the_other_leaves(web: int, library: int, expected: tuple[int, int]) -> None:
    found = names(await search(Pages(*map(page, range(web))), Shelf(library)))
    assert (sum(name.startswith("Page") for name in found), sum(name.endswith(".md") for name in found)) == expected
    assert found[: expected[0]] == [f"Page {n}" for n in range(expected[0])], "the best first"


@pytest.mark.parametrize("size", ["low", "medium", "high"])
async def test_a_request_says_how_much_and_for_whom(size: str) -> None:
    pages, place = Pages(*map(page, range(50))), Place("DE", city="Berlin")
    output = await search(pages, options=SearchOptions(size, place))  # type: ignore[arg-type]
    assert pages.asked == [Query("tea", LIMITS[size], place)]
    assert len(output.sources) == LIMITS[size]


async def test_a_page_comes_once() -> None:
    same = ["http://example.org/a", "https://www.example.org/a/", "https://example.org/a?utm_source=x#part"]
    other = ["https://example.org/a?page=2", "https://example.org/A", "https://other.example.org/a"]
    output = await search(Pages(*(Result(f"Page {n}", url) for n, url in enumerate([*same, *other]))))
    assert [source.url for source in output.sources] == ["http://example.org/a", *other]


async def test_what_is_no_address_of_the_web_is_left_out() -> None:
    odd = [
        "",
        "javascript:alert(1)",
        "ftp://example.org",
        "http://",
        "http://[",
        "https://example.org/\n",
        "/a",
        f"https://a/{'x' * 3000}",
    ]
    output = await search(Pages(page(1), *(Result("x", url, "x") for url in odd)))
    assert names(output) == ["Page 1"]


async def test_names_are_short_and_hold_no_marks() -> None:
    titles = ["", "two\nlines", "【1†x】", "x" * 500, "  "]
    found = names(await search(Pages(*(Result(title, f"https://example.org/{n}") for n, title in enumerate(titles)))))
    assert found == ["example.org", "two lines", "[1+x]", f"{'x' * 79}…", "example.org"]


async def test_snippets_hold_no_marks() -> None:
    output = await search(Pages(Result("x", "https://example.org", "As 【7†y】 says")))
    assert output.text == "【1†x】 ## https://example.org\n\nAs [7+y] says"


async def test_the_library_goes_on_without_the_web() -> None:
    output = await search(Pages(error=SearchFailed("Tavily is out of order (500).")), Shelf(2))
    assert output.status == "ok"
    assert output.text.startswith("The web could not be searched: Tavily is out of order (500).")
    assert output.text.endswith("【1†0.md】 Book 0\n\n【2†1.md】 Book 1")
    assert names(output) == ["0.md", "1.md"]


async def test_without_either_it_is_an_error() -> None:
    output = await search(Pages(error=SearchFailed("Tavily is out of order (500).")))
    assert (output.status, output.sources) == ("error", ())
    assert output.text == "The web could not be searched: Tavily is out of order (500). The library has nothing on it."


async def test_nothing_found_is_said_plainly() -> None:
    output = await search(Pages())
    assert (output.status, output.sources) == ("ok", ())
    assert output.text.startswith("Nothing was found for 'tea'.")


@pytest.mark.parametrize("query", [None, "", "  ", 5, ["tea"]])
async def test_a_query_must_be_words(query: object) -> None:
    pages = Pages(page(1))
    output = await search(pages, query=query)
    assert (output.status, "`query`" in output.text) == ("error", True)
    assert pages.asked == []
