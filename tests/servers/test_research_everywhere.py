"""Research by the offline model in a thread's files, on the web and in the library at once: each fact is quoted from where
it stands, with a citation whose range is exact."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from servers.app import App
from tests.agents.tools.web.site import Answer, Site, opened
from tests.servers.conftest import Configure
from tests.servers.resources.test_vector_stores import at, filled
from tests.servers.test_web_research import WebBackend

SHELF = {
    "budgets.md": "# Budgets\n\nEvery team has a travel budget of 4000 euros.",
    "rooms.md": "# Rooms\n\nMeeting rooms are booked for two hours at most.",
    "badges.md": "# Badges\n\nA lost badge is reported to the reception within a day.",
    "lunch.md": "# Lunch\n\nLunch vouchers are worth seven euros.",
    "parking.md": "# Parking\n\nParking lots on level two are for visitors.",
}
FILES = (
    ("trains.txt", "Travel by train is in second class, and the travel budget pays for it. 🚆"),
    ("garden.txt", "The garden opens at nine."),
)
PAGE = {
    "title": "Travel budgets",
    "url": "https://travel.example/budget",
    "highlights": ["A travel budget is a limit."],
}


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with opened() as site:
        site.answers["/search"] = Answer(orjson.dumps({"results": [PAGE]}), "application/json")
        yield site


@pytest.fixture
async def app(configure: Configure, site: Site, tmp_path: Path) -> AsyncIterator[App]:
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    for name, text in SHELF.items():
        (shelf / name).write_text(text)
    settings = configure(api_keys="k", search_provider="exa", exa_api_key="x", library_path=shelf)
    app = App(settings, WebBackend(settings, site))
    async with app.lifespan():
        await app.opened()
        yield app


async def answered(app: App, question: str, *stores: str) -> dict[str, Any]:
    """The text content of an assistant's answer."""
    tools = [{"type": "file_search"}] if stores else []
    resources = {"file_search": {"vector_store_ids": list(stores)}}
    assistant = (await at(app, "POST", "/assistants", json={"model": "cortex-flow", "tools": tools})).json()["id"]
    thread = {"messages": [{"role": "user", "content": question}], "tool_resources": resources if stores else None}
    body = {"assistant_id": assistant, "thread": thread, "stream": True}
    events = (await at(app, "POST", "/threads/runs", json=body)).body.decode()
    [said] = re.findall(r"event: thread\.message\.completed\nid: \S+\ndata: (.*)\n", events)
    [content] = orjson.loads(said)["content"]
    text: dict[str, Any] = content["text"]
    return text


def cited(text: dict[str, Any]) -> dict[str, str]:
    """What stands in front of each citation, by what it cites."""
    found = {}
    for mark in text["annotations"]:
        start, end = mark["start_index"], mark["end_index"]
        assert text["value"][start:end] == mark["text"]
        assert re.fullmatch("【\\d+†[^】]+】", mark["text"])
        citation = mark["file_citation"]
        line = text["value"][:start].rpartition("\n")[2]
        found[citation.get("url") or citation["file_id"]] = line.removeprefix("- ").strip()
    return found


async def test_files_the_web_and_the_library_are_all_quoted(app: App) -> None:
    store = await filled(app, *FILES)
    text = await answered(app, "What do you know about the travel budget?", store)
    assert text["value"].startswith("Here is what the files, the library and the web say about “")
    found = cited(text)
    files = [id for id in found if id.startswith("file-")]
    assert len(files) == 1
    assert found.pop(files[0]) == "Travel by train is in second class, and the travel budget pays for it. 🚆"
    assert found == {
        "https://travel.example/budget": "A travel budget is a limit.",
        "Budgets": "Every team has a travel budget of 4000 euros.",
    }


async def test_the_others_are_quoted_where_the_web_fails(app: App, site: Site) -> None:
    site.answers["/search"] = Answer("<html>busy</html>")
    store = await filled(app, *FILES)
    text = await answered(app, "What do you know about the travel budget?", store)
    assert text["value"].startswith("Here is what the files and the library say about “")
    assert "Budgets" in cited(text)


@pytest.mark.parametrize(
    ("question", "said", "name"),
    [
        ("What are lunch vouchers worth?", "Lunch vouchers are worth seven euros.", "Lunch"),
        ("Who has to hear of a lost badge?", "A lost badge is reported to the reception within a day.", "Badges"),
        ("For how long are meeting rooms booked?", "Meeting rooms are booked for two hours at most.", "Rooms"),
    ],
)
async def test_of_five_documents_the_right_one_is_quoted(app: App, question: str, said: str, name: str) -> None:
    assert cited(await answered(app, question))[name] == said
    chat = await at(app, "POST", "/chat/completions", json={"messages": [{"role": "user", "content": question}]})
    content = chat.json()["choices"][0]["message"]["content"]
    assert re.search(rf"{re.escape(said)} 【\d+†{name}】", content)
