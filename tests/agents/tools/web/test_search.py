"""The `search` tool with a provider: the web and the library together, each page once, and what happens without either."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from agents.tools.port import Library, Passage, Place, SearchOptions, Source, ToolContext, ToolOutput
from agents.tools.search import search as look
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

    def cite(source: Source, shown: str = "") -> int:
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
    assert [name for name in found if name.startswith("Page")] == [f"Page {n}" for n in range(expected[0])]
    assert found[:3] == [*(f"Page {n}" for n in range(web)), "0.md", "1.md", "2.md"][:3], "three pages, then a passage"


@pytest.mark.parametrize("size", ["low", "medium", "high"])
async def test_a_request_says_how_much_and_for_whom(size: str) -> None:
    pages, place = Pages(*map(page, range(50))), Place("DE", city="Berlin")
    output = await search(pages, options=SearchOptions(size, place))  # type: ignore[arg-type]
    assert pages.asked == [Query("tea", LIMITS[size], place)]
    assert len(output.sources) == LIMITS[size]


async def test_a_page_comes_once() -> None:
    same = [
        "http://example.org/a",
        "https://www.example.org/a/",
        "https://example.org/a?utm_source=x#part",
        "https://EXAMPLE.org:443/a?gclid=1&fbclid=2&MSCLKID=3",
    ]
    other = [
        "https://example.org/a?page=2",
        "http://example.org:8080/a",
        "https://example.org/A",
        "https://other.example.org/a",
    ]
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


class Folder:
    """Files of a run."""

    def __init__(self, *texts: str, gone: bool = False) -> None:
        self.passages = [
            Passage(Source(f"{n}.txt", text, file_id=f"file-{n}"), text, 0.5) for n, text in enumerate(texts)
        ]
        self.gone = gone

    async def search(self, query: str) -> Sequence[Passage]:
        if self.gone:
            raise LookupError("The vector stores of this conversation are gone.")
        return self.passages


class Broken:
    """A library that fails."""

    async def search(self, tenant: str, query: str, limit: int) -> Sequence[Passage]:
        raise RuntimeError("a secret path")


class Silent:
    """A library that never answers."""

    async def search(self, tenant: str, query: str, limit: int) -> Sequence[Passage]:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")


async def everywhere(provider: Pages, library: Library, files: Folder, seconds: float = 30) -> ToolOutput:
    numbers: dict[Source, int] = {}

    def cite(source: Source, shown: str = "") -> int:
        return numbers.setdefault(source, len(numbers) + 1)

    context = ToolContext("acme", library, cite, files=files)
    return await web_search(provider, seconds).run({"query": "tea"}, context)


async def test_files_the_web_and_the_library_take_turns() -> None:
    output = await everywhere(Pages(*map(page, range(9))), Shelf(9), Folder(*map(str, range(9))))
    turns = ["0.txt", "Page 0", "1.txt", "Page 1", "2.txt", "Page 2", "0.md", "3.txt"]
    assert names(output) == turns
    places = [output.text[found.start : found.end] for found in output.found]
    assert places == ["0", "1", "2", "3"], "where the files' passages stand in the output"
    assert [found.file_id for found in output.found] == ["file-0", "file-1", "file-2", "file-3"]


@pytest.mark.parametrize("library", [Broken(), Silent()])
async def test_a_place_that_fails_or_is_slow_costs_the_others_nothing(library: Library) -> None:
    output = await everywhere(Pages(page(1)), library, Folder("A file"), seconds=0.05)
    assert output.status == "ok"
    assert output.text.startswith("The library could not be searched: ")
    assert "secret" not in output.text
    assert names(output) == ["0.txt", "Page 1"]


async def test_each_failure_is_told() -> None:
    output = await everywhere(Pages(error=SearchFailed("It is out of order.")), Broken(), Folder(gone=True))
    assert output.status == "error"
    assert output.text == (
        "The files could not be searched: The vector stores of this conversation are gone. "
        "The web could not be searched: It is out of order. The library could not be searched: it failed."
    )


async def test_what_is_searched_alone_has_all_the_time_it_needs() -> None:
    shelf = Shelf(1)
    shelf.gate = asyncio.Barrier(2)
    context = ToolContext("acme", shelf, lambda source, shown="": 1)
    asked = asyncio.ensure_future(look("tea", 5, context, seconds=0))
    await shelf.gate.wait()
    assert (await asked).status == "ok"


async def test_without_either_it_is_an_error() -> None:
    output = await search(Pages(error=SearchFailed("Tavily is out of order (500).")))
    assert (output.status, output.sources) == ("error", ())
    assert (
        output.text
        == "The web could not be searched: Tavily is out of order (500). There is nothing on it in the library."
    )


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
