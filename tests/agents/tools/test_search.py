"""The `search` tool: queries go to the run's tenant, passages come back with their marks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from agents.tools import TOOLS
from agents.tools.port import Passage, Source, ToolContext, ToolOutput

STORAGE = Passage(Source("storage.md", "One file."), "One file.\n", 2.0)
MODELS = Passage(Source("Models", "Offline by default."), "Offline by default.", 1.0)


class Shelf:
    """A library that has two passages and remembers what it was asked."""

    def __init__(self, *passages: Passage) -> None:
        self.passages = passages
        self.asked: list[tuple[str, str, int]] = []

    async def search(self, tenant: str, query: str, limit: int) -> Sequence[Passage]:
        self.asked.append((tenant, query, limit))
        return self.passages[:limit]


async def search(shelf: Shelf, **arguments: Any) -> ToolOutput:
    cited: list[Source] = []

    def cite(source: Source, shown: str = "") -> int:
        if source not in cited:
            cited.append(source)
        return cited.index(source) + 1

    return await TOOLS["search"].run(arguments, ToolContext("acme", shelf, cite))


async def test_passages_carry_marks_and_are_sources() -> None:
    shelf = Shelf(STORAGE, MODELS)
    output = await search(shelf, query="where is data kept?")
    assert output.text == "【1†storage.md】 One file.\n\n【2†Models】 Offline by default."
    assert output.sources == (STORAGE.source, MODELS.source)
    assert output.status == "ok"
    assert shelf.asked == [("acme", "where is data kept?", 5)]


async def test_the_limit_reaches_the_library() -> None:
    shelf = Shelf(STORAGE, MODELS)
    assert (await search(shelf, query="data", limit=1)).sources == (STORAGE.source,)
    await search(shelf, query="data", limit=None)
    assert [limit for _, _, limit in shelf.asked] == [1, 5]


async def test_nothing_found_is_said_plainly() -> None:
    output = await search(Shelf(), query="unicorns")
    assert output.status == "ok"
    assert output.sources == ()
    assert output.text.startswith("Nothing was found for 'unicorns'.")


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({}, "query"),
        ({"query": "  "}, "query"),
        ({"query": ["a"]}, "query"),
        ({"query": "a", "limit": 0}, "limit"),
        ({"query": "a", "limit": 11}, "limit"),
        ({"query": "a", "limit": "many"}, "limit"),
    ],
)
async def test_arguments_that_do_not_fit_are_named(arguments: dict[str, Any], name: str) -> None:
    shelf = Shelf(STORAGE)
    output = await search(shelf, **arguments)
    assert output.status == "error"
    assert f"`{name}`" in output.text
    assert shelf.asked == []
