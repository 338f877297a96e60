"""The `ddgs` provider: what the package is asked, and what its failures mean."""

from __future__ import annotations

import importlib.util
import inspect
import threading
from collections.abc import Callable
from typing import Any

import ddgs
import pytest
from ddgs.exceptions import DDGSException, RatelimitException, TimeoutException

from agents.tools.port import Place
from agents.tools.settings import ToolNotConfigured, ToolSettings
from agents.tools.web.ddgs import provider
from agents.tools.web.port import Query, Result, SearchFailed

ROW = {"title": "Rome", "href": "https://example.org/rome", "body": "Rome is\n a city."}


class Package:
    """What the package has been asked, by whom; `answer` gives what it answers."""

    def __init__(self, answer: Callable[[], list[dict[str, Any]]]) -> None:
        self._answer = answer
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.threads: list[str] = []

    def __call__(self, timeout: int) -> Package:
        return self

    def text(self, query: str, **options: Any) -> list[dict[str, Any]]:
        self.asked.append((query, options))
        self.threads.append(threading.current_thread().name)
        return self._answer()


Install = Callable[[Callable[[], list[dict[str, Any]]]], Package]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    def install(answer: Callable[[], list[dict[str, Any]]]) -> Package:
        package = Package(answer)
        monkeypatch.setattr(ddgs, "DDGS", package)
        return package

    return install


async def searched(query: Query) -> list[Result]:
    opened = provider(ToolSettings("ddgs"))
    try:
        return list(await opened.search(query))
    finally:
        await opened.close()


def failing(error: Exception) -> Callable[[], list[dict[str, Any]]]:
    def fail() -> list[dict[str, Any]]:
        raise error

    return fail


async def test_results(install: Install) -> None:
    package = install(lambda: [ROW, {"title": None, "href": "https://example.org/2"}, ROW])
    assert await searched(Query("rome", 2)) == [
        Result("Rome", "https://example.org/rome", "Rome is a city."),
        Result("", "https://example.org/2"),
    ]
    assert package.asked == [("rome", {"region": "us-en", "max_results": 2})]
    assert package.threads[0].startswith("ddgs"), "it blocks: never on the event loop"


@pytest.mark.parametrize(
    ("country", "region"), [("DE", "de-de"), ("GB", "uk-en"), ("US", "us-en"), ("CH", "us-en"), (None, "us-en")]
)
async def test_the_users_country_is_its_region(install: Install, country: str | None, region: str) -> None:
    package = install(lambda: [])
    await searched(Query("rome", 2, Place(country)))
    assert package.asked[0][1]["region"] == region


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (RatelimitException("https://... 202"), "takes no more searches"),
        (TimeoutException("timed out"), "did not answer within 10 seconds"),
        (DDGSException("SomeEngine: 403"), "none of its engines has answered"),
        (RuntimeError("a page looks different today"), "none of its engines has answered"),
    ],
)
async def test_failures(install: Install, error: Exception, told: str) -> None:
    install(failing(error))
    with pytest.raises(SearchFailed, match=told):
        await searched(Query("rome", 2))


async def test_finding_nothing_is_no_failure(install: Install) -> None:
    install(failing(DDGSException("No results found.")))
    assert await searched(Query("rome", 2)) == []


def test_the_package_takes_what_it_is_given() -> None:
    from ddgs.ddgs import DDGS

    assert "timeout" in inspect.signature(DDGS).parameters
    assert {"region", "max_results"} <= inspect.signature(DDGS._search_sync).parameters.keys()


def test_without_the_package_there_is_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ToolNotConfigured, match="ddgs"):
        provider(ToolSettings("ddgs"))
