"""The door of the web: which provider stands behind a name, and what is said where one can't be had."""

from __future__ import annotations

import pytest

from agents.tools import TOOLS, ToolNotConfigured, ToolSettings, open_tools, tool_names
from agents.tools.web import PROVIDERS

CONFIGURED = [
    ToolSettings("tavily", tavily_api_key="k"),
    ToolSettings("brave", brave_api_key="k"),
    ToolSettings("exa", exa_api_key="k"),
    ToolSettings("searxng", searxng_url="http://localhost:8888/"),
    ToolSettings("searxng", searxng_url="https://search.example.org/searx/search"),
    ToolSettings("wikipedia"),
    ToolSettings("wikipedia", wikipedia_language="zh-yue"),
    ToolSettings("ddgs"),
]


def test_who_lives_here() -> None:
    assert set(PROVIDERS) == {settings.search_provider for settings in CONFIGURED}


async def test_the_library_alone() -> None:
    toolbox = open_tools(ToolSettings())
    assert toolbox.tools == TOOLS
    assert set(toolbox.tools) == set(tool_names(ToolSettings())) == {"search", "python"}
    await toolbox.close()


@pytest.mark.parametrize("settings", CONFIGURED, ids=lambda settings: settings.search_provider)
async def test_the_web(settings: ToolSettings) -> None:
    toolbox = open_tools(settings)
    assert set(toolbox.tools) == set(tool_names(settings)) == {"search", "python", "read_page"}
    assert {name: tool.spec.name for name, tool in toolbox.tools.items()} == {name: name for name in toolbox.tools}
    assert toolbox.tools["python"] is TOOLS["python"]
    assert toolbox.tools["search"] is not TOOLS["search"]
    await toolbox.close()


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (ToolSettings("tavily"), "TAVILY_API_KEY"),
        (ToolSettings("tavily", brave_api_key="k"), "TAVILY_API_KEY"),
        (ToolSettings("brave"), "BRAVE_API_KEY"),
        (ToolSettings("exa"), "EXA_API_KEY"),
        (ToolSettings("searxng"), "SEARXNG_URL"),
        (ToolSettings("searxng", searxng_url="localhost:8888"), "SEARXNG_URL"),
        (ToolSettings("searxng", searxng_url="http://"), "SEARXNG_URL"),
        (ToolSettings("searxng", searxng_url="http://[x"), "SEARXNG_URL"),
        (ToolSettings("wikipedia", wikipedia_language="en.evil.example/"), "WIKIPEDIA_LANGUAGE"),
        (ToolSettings("wikipedia", wikipedia_language=""), "WIKIPEDIA_LANGUAGE"),
        (ToolSettings("google"), "SEARCH_PROVIDER.*library, tavily, brave"),
        (ToolSettings("http"), "SEARCH_PROVIDER"),
        (ToolSettings(""), "SEARCH_PROVIDER"),
    ],
)
def test_what_is_missing_is_named_in_one_line(settings: ToolSettings, told: str) -> None:
    with pytest.raises(ToolNotConfigured, match=told) as caught:
        open_tools(settings)
    assert "\n" not in caught.value.message


def test_secrets_are_not_shown() -> None:
    settings = ToolSettings("tavily", "secret", "secret", "secret", "http://me:secret@host")
    assert "secret" not in repr(settings)
