"""Each search provider against a stand-in of its HTTP API: what it is asked, what it answers, what goes wrong."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from agents.tools.port import Place
from agents.tools.web.brave import Brave
from agents.tools.web.exa import Exa
from agents.tools.web.http import MAX_BYTES, SNIPPET_CHARACTERS, Api, HttpProvider
from agents.tools.web.port import Query, Result, SearchFailed
from agents.tools.web.searxng import SearXNG
from agents.tools.web.tavily import Tavily
from agents.tools.web.wikipedia import Wikipedia
from tests.agents.tools.web.site import Answer, Asked, Site

KEY = "the-key"
APIS: dict[str, Callable[[str], Api]] = {
    "tavily": lambda url: Tavily(KEY, url),
    "brave": lambda url: Brave(KEY, url),
    "exa": lambda url: Exa(KEY, url),
    "searxng": SearXNG,
    "wikipedia": Wikipedia,
}
ROME, TIBER = "https://example.org/rome", "https://example.org/tiber"

# What each of them answers, with the two results in it.
SAMPLES: dict[str, Any] = {
    "tavily": {
        "query": "rome",
        "answer": None,
        "response_time": 0.9,
        "results": [
            {"title": "Rome", "url": ROME, "content": "Rome is\n a city.", "score": 0.9, "raw_content": None},
            {"title": "The Tiber", "url": TIBER, "content": "A river.", "score": 0.8},
        ],
    },
    "brave": {
        "type": "search",
        "mixed": {"main": []},
        "web": {
            "type": "search",
            "results": [
                {"title": "Rome", "url": ROME, "description": "Rome is <strong>a city</strong>.", "language": "en"},
                {"title": "The <b>Tiber</b>", "url": TIBER, "description": "A&nbsp;river.", "family_friendly": True},
            ],
        },
    },
    "exa": {
        "requestId": "x",
        "results": [
            {"id": ROME, "title": "Rome", "url": ROME, "highlights": ["Rome is a city."], "highlightScores": [0.5]},
            {"id": TIBER, "title": "The Tiber", "url": TIBER, "author": None, "text": "A river."},
        ],
    },
    "searxng": {
        "query": "rome",
        "number_of_results": 0,
        "unresponsive_engines": [["brave", "timeout"]],
        "results": [
            {"title": "Rome", "url": ROME, "content": "Rome is a city.", "engine": "duckduckgo", "score": 2.0},
            {"title": "The Tiber", "url": TIBER, "content": "A river.", "publishedDate": None},
        ],
    },
    "wikipedia": {
        "batchcomplete": True,
        "query": {
            "pages": [
                {"pageid": 2, "ns": 0, "title": "The Tiber", "index": 2, "extract": "A river.", "fullurl": TIBER},
                {"pageid": 1, "ns": 0, "title": "Rome", "index": 1, "extract": "Rome is a city.", "fullurl": ROME},
            ]
        },
    },
}
FOUND = [Result("Rome", ROME, "Rome is a city."), Result("The Tiber", TIBER, "A river.")]

each = pytest.mark.parametrize("name", APIS)


async def searched(site: Site, name: str, query: Query | None = None, seconds: float = 10) -> list[Result]:
    provider = HttpProvider(APIS[name](f"{site.url}/api"), seconds)
    try:
        return list(await provider.search(query or Query("rome", 5)))
    finally:
        await provider.close()


async def asked(site: Site, name: str, query: Query) -> Asked:
    site.answers["/api"] = Answer(orjson.dumps(SAMPLES[name]), "application/json")
    await searched(site, name, query)
    [request] = site.asked
    return request


async def failure(site: Site, name: str, answer: Answer, seconds: float = 10) -> str:
    site.answers["/api"] = answer
    with pytest.raises(SearchFailed) as caught:
        await searched(site, name, seconds=seconds)
    assert KEY not in str(caught.value)
    return str(caught.value)


@each
async def test_results_come_in_order_as_plain_text(site: Site, name: str) -> None:
    site.answers["/api"] = Answer(orjson.dumps(SAMPLES[name]), "application/json")
    assert await searched(site, name) == FOUND
    assert await searched(site, name, Query("rome", 1)) == FOUND[:1]
    assert site.asked[0].headers["User-Agent"].startswith("CortexFlow/")


async def test_tavily_is_asked(site: Site) -> None:
    request = await asked(site, "tavily", Query("rome", 50, Place("IT")))
    assert (request.method, request.headers["Authorization"]) == ("POST", f"Bearer {KEY}")
    assert request.json == {"query": "rome", "max_results": 20, "search_depth": "basic"}


async def test_brave_is_asked(site: Site) -> None:
    place = Place("IT", "Lazio", "Rome", "Europe/Rome")
    request = await asked(site, "brave", Query("rome", 50, place))
    assert (request.method, request.headers["X-Subscription-Token"]) == ("GET", KEY)
    assert request.query == {
        "q": "rome",
        "count": "20",
        "text_decorations": "false",
        "result_filter": "web",
        "country": "IT",
    }
    sent = {name: value for name, value in request.headers.items() if name.startswith("X-Loc-")}
    assert sent == {
        "X-Loc-Country": "IT",
        "X-Loc-State-Name": "Lazio",
        "X-Loc-City": "Rome",
        "X-Loc-Timezone": "Europe/Rome",
    }


async def test_what_brave_would_refuse_is_left_out(site: Site) -> None:
    request = await asked(site, "brave", Query("word " * 80, 5, Place("IS", city="Höfn")))
    assert "country" not in request.query
    assert "X-Loc-City" not in request.headers
    assert request.headers["X-Loc-Country"] == "IS"
    assert request.query["q"].split() == ["word"] * 50
    assert len((await asked_again(site, "brave", Query("x" * 900, 5))).query["q"]) == 400


async def asked_again(site: Site, name: str, query: Query) -> Asked:
    site.asked.clear()
    return await asked(site, name, query)


async def test_exa_is_asked(site: Site) -> None:
    request = await asked(site, "exa", Query("rome", 16, Place("IT")))
    assert (request.method, request.headers["x-api-key"]) == ("POST", KEY)
    assert request.json == {
        "query": "rome",
        "type": "auto",
        "numResults": 16,
        "contents": {"highlights": {"maxCharacters": SNIPPET_CHARACTERS}},
        "userLocation": "IT",
    }
    assert "userLocation" not in (await asked_again(site, "exa", Query("rome", 5))).json


async def test_searxng_is_asked(site: Site) -> None:
    request = await asked(site, "searxng", Query("rome", 5, Place("IT")))
    assert (request.method, request.query) == ("GET", {"q": "rome", "format": "json"})


async def test_wikipedia_is_asked(site: Site) -> None:
    request = await asked(site, "wikipedia", Query("x" * 900, 50))
    assert request.method == "GET"
    assert {name: request.query[name] for name in ("action", "generator", "prop", "gsrlimit")} == {
        "action": "query",
        "generator": "search",
        "prop": "extracts|info",
        "gsrlimit": "20",
    }
    assert request.query["gsrsearch"] == "x" * 300


NOTHING: dict[str, list[Any]] = {
    "tavily": [{"results": []}, {"results": None}, {}],
    "brave": [{"web": {"results": []}}, {"type": "search"}, {"web": None}],
    "exa": [{"results": []}],
    "searxng": [{"results": [], "answers": []}],
    "wikipedia": [{"batchcomplete": True}, {"query": {}}],
}


@each
async def test_finding_nothing_is_no_failure(site: Site, name: str) -> None:
    for body in NOTHING[name]:
        site.answers["/api"] = Answer(orjson.dumps(body), "application/json")
        assert await searched(site, name) == [], body


@each
async def test_odd_results_are_left_out(site: Site, name: str) -> None:
    rows: list[Any] = [None, 5, "x", [], {"url": ROME, "fullurl": ROME, "title": None, "content": 7, "highlights": [1]}]
    bodies: dict[str, Any] = {"brave": {"web": {"results": rows}}, "wikipedia": {"query": {"pages": rows}}}
    site.answers["/api"] = Answer(orjson.dumps(bodies.get(name, {"results": rows})), "application/json")
    assert await searched(site, name) == [Result("", ROME)]


@each
async def test_a_long_snippet_is_cut(site: Site, name: str) -> None:
    body = (
        orjson.dumps(SAMPLES[name]).replace(b"A river.", b"water " * 5000).replace(b"A&nbsp;river.", b"water " * 5000)
    )
    site.answers["/api"] = Answer(body, "application/json")
    assert len((await searched(site, name))[1].snippet) <= SNIPPET_CHARACTERS + 1


@each
@pytest.mark.parametrize(
    ("status", "told"),
    [
        (401, "only its operator can change"),
        (402, "only its operator can change"),
        (429, "takes no more searches at the moment"),
        (422, "fewer or simpler words"),
        (500, "out of order (500)"),
        (503, "out of order (503)"),
    ],
)
async def test_a_refusal_says_what_it_means(site: Site, name: str, status: int, told: str) -> None:
    assert told in await failure(site, name, Answer(f"secret {KEY}", status=status))


@each
async def test_how_long_to_wait_is_passed_on(site: Site, name: str) -> None:
    assert "30 seconds" in await failure(site, name, Answer(status=429, headers={"Retry-After": "30"}))
    assert "wait" not in await failure(site, name, Answer(status=429, headers={"Retry-After": "a <b>while</b>"}))


@pytest.mark.parametrize(("name", "status", "told"), [("tavily", 432, "plan"), ("searxng", 403, "search.formats")])
async def test_a_refusal_that_means_something_of_its_own(site: Site, name: str, status: int, told: str) -> None:
    assert told in await failure(site, name, Answer(status=status))


@each
async def test_redirects_are_not_followed(site: Site, name: str) -> None:
    site.answers["/other"] = Answer(orjson.dumps(SAMPLES[name]), "application/json")
    await failure(site, name, Answer(status=301, headers={"Location": "/other"}))
    assert site.paths == ["/api"]


@each
@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"{", b"[]", b"5", b'"x"', b"null", b'{"results": 5, "web": [5], "query": [5]}', b"\xff"]
)
async def test_nonsense_is_a_failure(site: Site, name: str, body: bytes) -> None:
    assert "makes no sense" in await failure(site, name, Answer(body, "application/json"))


async def test_wikipedia_complains_in_an_answer_of_200(site: Site) -> None:
    body = orjson.dumps({"error": {"code": "ratelimited", "info": "You've exceeded your rate limit."}})
    assert "exceeded your rate limit" in await failure(site, "wikipedia", Answer(body, "application/json"))
    assert "makes no sense" in await failure(site, "wikipedia", Answer(b'{"error": 5}', "application/json"))


@each
async def test_more_than_can_be_read_is_a_failure(site: Site, name: str) -> None:
    assert "more than can be read" in await failure(site, name, Answer([b"x" * 100_000] * (MAX_BYTES // 100_000 + 2)))


@each
async def test_silence_is_a_failure(site: Site, name: str) -> None:
    hold = asyncio.Event()
    assert "did not answer within 0.05 seconds" in await failure(site, name, Answer(hold=hold), seconds=0.05)
    hold.set()


@each
async def test_nobody_there_is_a_failure(site: Site, name: str) -> None:
    await site.stop()
    with pytest.raises(SearchFailed, match="can't be reached"):
        await searched(site, name)


@each
async def test_the_operator_hears_of_it_without_the_key(
    site: Site, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        await failure(site, name, Answer(status=401))
    assert [record.levelname for record in caplog.records if record.name == "agents.tools.web.http"] == ["WARNING"]
    assert KEY not in caplog.text


@each
def test_a_key_is_not_shown(name: str) -> None:
    api = APIS[name]("http://x")
    assert KEY not in repr(api) + repr(api.ask(Query("rome", 5)))
