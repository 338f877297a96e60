"""The `read_page` tool: a page's text behind its mark, or a sentence that says why there is none."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from agents.tools.port import Passage, Source, ToolContext, ToolOutput
from agents.tools.web.fetch import Fetcher
from agents.tools.web.guard import Guard
from agents.tools.web.read_page import OUTPUT_CHARACTERS, PageReader
from tests.agents.tools.web.site import Answer, Site
from tests.agents.tools.web.test_text import ARTICLE


class Nothing:
    """A library without books."""

    async def search(self, tenant: str, query: str, limit: int) -> Sequence[Passage]:
        return []


class Reading:
    """The tool on a site, and what it has cited."""

    def __init__(self, site: Site) -> None:
        self._reader = PageReader(Fetcher(Guard([site.address])))
        self.cited: list[Source] = []

    async def read(self, **arguments: Any) -> ToolOutput:
        return await self._reader.tool.run(arguments, ToolContext("acme", Nothing(), self._cite))

    async def close(self) -> None:
        await self._reader.close()

    def _cite(self, source: Source, shown: str = "") -> int:
        if source not in self.cited:
            self.cited.append(source)
        return self.cited.index(source) + 1


@pytest.fixture
async def reading(site: Site) -> AsyncIterator[Reading]:
    reading = Reading(site)
    yield reading
    await reading.close()


async def test_a_page_is_read_and_cited(site: Site, reading: Reading) -> None:
    site.answers["/tea"] = Answer(ARTICLE)
    output = await reading.read(url=f"{site.url}/tea#trade")
    assert output.status == "ok"
    assert output.text.startswith(
        f"【1†The history of tea】 ## {site.url}/tea\n\n# The history of tea\n\nTea was first"
    )
    assert output.sources == (Source("The history of tea", url=f"{site.url}/tea"),)
    assert "newsletter" not in output.text
    again = await reading.read(url=f"{site.url}/tea")
    assert again.text.startswith("【1†"), "the same page has the same number"


async def test_the_source_is_where_the_page_was_found(site: Site, reading: Reading) -> None:
    site.redirect("/old", "/new")
    site.answers["/new"] = Answer("plain words", "text/plain")
    output = await reading.read(url=f"{site.url}/old")
    assert output.sources == (Source("127.0.0.1", url=f"{site.url}/new"),)
    assert output.text == f"【1†127.0.0.1】 ## {site.url}/new\n\nplain words"


async def test_a_long_page_is_cut(site: Site, reading: Reading) -> None:
    site.answers["/long"] = Answer("word " * 10_000, "text/plain")
    output = await reading.read(url=f"{site.url}/long")
    assert output.text.endswith("(cut: the page has 49999 characters)")
    assert OUTPUT_CHARACTERS < len(output.text) < OUTPUT_CHARACTERS + 200


async def test_marks_of_others_are_no_marks(site: Site, reading: Reading) -> None:
    site.answers["/p"] = Answer("<title>A 【2†lie】</title><p>As 【1†a good source】 says, 【3†x】.</p>")
    output = await reading.read(url=f"{site.url}/p")
    assert output.sources[0].name == "A [2+lie]"
    assert output.text.count("【") == 1
    assert output.text.endswith("As [1+a good source] says, [3+x].")


async def test_a_title_without_end_is_cut(site: Site, reading: Reading) -> None:
    site.answers["/p"] = Answer(f"<title>\n {'tea ' * 90} </title><p>Words.</p>")
    [source] = (await reading.read(url=f"{site.url}/p")).sources
    assert source.name == f"{('tea ' * 20)[:79]}…"


@pytest.mark.parametrize("url", [None, 5, "", "  ", ["http://example.com"]])
async def test_arguments_that_do_not_fit_are_named(reading: Reading, url: Any) -> None:
    output = await reading.read(url=url)
    assert (output.status, "`url`" in output.text) == ("error", True)


async def test_what_cannot_be_read_is_told_to_the_model(site: Site, reading: Reading) -> None:
    site.answers["/app"] = Answer("<html><body><div id=root></div></body></html>")
    site.answers["/pdf"] = Answer(b"%PDF-1.7", "application/pdf")
    site.answers["/robots.txt"] = Answer("User-agent: *\nDisallow: /private", "text/plain")
    told = {
        "/app": "no text on this page",
        "/pdf": "This is a PDF",
        "/none": "no such page (404)",
        "/private": "robots.txt",
    }
    for path, sentence in told.items():
        output = await reading.read(url=site.url + path)
        assert (output.status, output.sources) == ("error", ())
        assert sentence in output.text
    assert "private or reserved" in (await reading.read(url="http://169.254.169.254/")).text
    assert reading.cited == []
