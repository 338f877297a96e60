"""The offline model as researcher: what it searches for, and what it quotes."""

from __future__ import annotations

import json
from collections.abc import Sequence

from agents import RESEARCHER
from agents.briefing import brief
from agents.models.port import (
    Message,
)
from agents.tools import TOOLS
from tests.agents.models.offline.rehearsal import (
    AGENTS_DOCUMENT,
    AGENTS_MARK,
    TRENDS_DOCUMENT,
    TRENDS_MARK,
    answered,
    reply,
    user,
)


async def search_queries(task: str, outputs: Sequence[str], request: str = "") -> tuple[list[str], str]:
    """What the researcher searches for, one search after another, and its report."""
    messages, queries = brief(RESEARCHER, task, request, []), list[str]()
    for output in (*outputs, None):
        turn = await reply(messages, [TOOLS["search"].spec])
        if not turn.tool_calls:
            return queries, turn.text
        queries += [json.loads(call.arguments)["query"] for call in turn.tool_calls]
        assert output is not None
        messages = [*messages, *answered(turn, output)]
    raise AssertionError("unreachable")


async def test_the_researcher_searches_for_the_words_of_its_task() -> None:
    queries, report = await search_queries(
        "Find facts about the newest AI agents.", [f"{AGENTS_MARK} {AGENTS_DOCUMENT}"]
    )
    assert queries == ["newest ai agents"]
    assert f"An AI agent is a program in which a model decides what to do next. {AGENTS_MARK}" in report
    assert "Bread" not in report


async def test_the_researcher_searches_again_with_other_words() -> None:
    found = "【3†Storage】 ## Files\n\nOne file holds the storage."
    queries, report = await search_queries("Which database?", ["Nothing was found.", found])
    assert queries == ["database", "storage sqlite"]
    assert "One file holds the storage. 【3†Storage】" in report


async def test_the_researcher_says_that_there_is_nothing() -> None:
    queries, report = await search_queries(
        "Find facts about pink unicorns.", ["Nothing was found.", "Nothing was found."]
    )
    assert queries == ["pink unicorns", "unicorns"]
    assert report == ("The library has nothing on “pink unicorns”. I searched for “pink unicorns” and for “unicorns”.")


async def test_passages_that_miss_the_topic_are_not_quoted() -> None:
    passage = "【1†Bread】 Bread is baked in hot ovens every morning."
    _, report = await search_queries("Find facts about hot quantum computing trends.", [passage, passage])
    assert "Bread" not in report


async def test_the_researcher_alone_reads_the_newest_message() -> None:
    tools = [TOOLS["search"].spec]
    messages = [
        Message("system", RESEARCHER.instructions),
        user("Hello"),
        Message("assistant", "Hi."),
        user("Any AI trends?"),
    ]
    turn = await reply(messages, tools)
    assert [json.loads(call.arguments) for call in turn.tool_calls] == [{"query": "ai trends"}]
    last = await reply([*messages, *answered(turn, f"{TRENDS_MARK} {TRENDS_DOCUMENT}")], tools)
    assert TRENDS_MARK in last.text
    withdrawn = await reply([*messages, *answered(turn, f"{TRENDS_MARK} {TRENDS_DOCUMENT}")], [])
    assert TRENDS_MARK in withdrawn.text
    assert (await reply([messages[0], user("Hello")], tools)).text.startswith("Hello!")
