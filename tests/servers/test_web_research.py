"""Research on the web, from the request to the citations: the real engine and tools, a scripted upstream, a site and a
search on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import orjson
import pytest

from agents import Agent
from agents.tools import Toolbox
from agents.tools.web import Web
from agents.tools.web.exa import Exa
from agents.tools.web.guard import Guard
from agents.tools.web.http import HttpProvider
from servers.app import App
from servers.backend import Backend
from servers.settings import BadSettings, Settings
from servers.team import Team, team_of
from tests.agents.tools.web.site import Answer, Site, opened
from tests.servers.asgi import Connection, ask
from tests.servers.conftest import Configure, Serve
from tests.servers.openai_schema import check
from tests.upstream import Reply, Upstream, by_agent, transfer

PAGE = "<html><head><title>Tea 🍵, explained</title></head><body><article><p>Tea is 4700 years old.</p></article></body></html>"
OLD, SITE = "【1†History of tea】", "【3†Tea 🍵, explained】"
FOUND = f"Tea is old{OLD}, 4700 years{SITE}."
ANSWER = f"🍵 Tea is 4700 years old{SITE}, says one; “old”, another{OLD}{OLD}【1†nobody】【9†x】."


class WebBackend(Backend):
    """Searches and reads on one site of loopback, which is exempt from the guard."""

    def __init__(self, settings: Settings, site: Site, team: Team | None = None) -> None:
        super().__init__(settings, team=team)
        self._site = site

    async def _tools(self) -> Toolbox:
        tools = Toolbox(Web(HttpProvider(Exa("key", f"{self._site.url}/search")), Guard([self._site.address])))
        self._closers.push_async_callback(tools.close)
        return tools


@dataclass(frozen=True)
class Service:
    """The application, and what it talks to."""

    app: App
    upstream: Upstream
    site: Site

    async def chat(self, question: str = "How old is tea?", **fields: Any) -> Connection:
        messages = [{"role": "user", "content": question}]
        return await ask(self.app, "POST", "/v1/chat/completions", json={"messages": messages, **fields})

    @property
    def outputs(self) -> list[str]:
        """What the researcher's tools have told it, in order."""
        last = [request.body for request in self.upstream.requests if request.agent == "researcher"][-1]
        return [message["content"] for message in last["messages"] if message["role"] == "tool"]


@pytest.fixture
def team() -> Team:
    return Team()


@pytest.fixture
async def service(configure: Configure, team: Team) -> AsyncIterator[Service]:
    async with opened() as site:
        upstream = Upstream()
        await upstream.start()
        site.answers["/search"] = Answer(
            orjson.dumps(
                {
                    "results": [
                        {"title": "History of tea", "url": "https://tea.example/old", "highlights": ["Tea is old."]},
                        {"title": "Tea", "url": f"{site.url}/tea", "highlights": ["Age?"]},
                    ]
                }
            ),
            "application/json",
        )
        site.answers["/tea"] = Answer(PAGE)
        settings = configure(
            llm_model="openai:scripted",
            openai_base_url=upstream.url,
            openai_api_key="upstream-key",
            search_provider="exa",
        )
        app = App(settings, WebBackend(settings, site, team))
        async with app.lifespan():
            await app.opened()
            yield Service(app, upstream, site)
        await upstream.stop()


def research(service: Service, *supervisor: Reply | str) -> None:
    """The supervisor asks the researcher, who searches, reads and reports."""
    service.upstream.script = by_agent(
        supervisor=supervisor or [Reply(calls=[transfer("researcher", "How old is tea?")]), ANSWER],
        researcher=[
            Reply(calls=[("search", {"query": "camellia sinensis"})]),
            Reply(calls=[("read_page", {"url": f"{service.site.url}/tea"})]),
            FOUND,
        ],
        writer=[ANSWER],
    )


def cited(message: Any) -> list[tuple[str, str, str]]:
    """(what stands at the place, URL, title) of each citation."""
    places = [annotation["url_citation"] for annotation in message["annotations"]]
    return [
        (message["content"][each["start_index"] : each["end_index"]], each["url"], each["title"]) for each in places
    ]


def expected(service: Service) -> list[tuple[str, str, str]]:
    page = (SITE, f"{service.site.url}/tea", "Tea 🍵, explained")
    old = (OLD, "https://tea.example/old", "History of tea")
    return [page, old, old]


def told(stream: Connection) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The message that a stream adds up to, and its deltas."""
    deltas = [event["choices"][0]["delta"] for event in stream.events()[:-1]]
    annotations = [each for delta in deltas for each in delta.get("annotations", ())]
    return {"content": "".join(delta.get("content", "") for delta in deltas), "annotations": annotations}, deltas


async def test_an_answer_cites_the_pages_it_stands_on(service: Service) -> None:
    research(service)
    answer = await service.chat()
    check("CreateChatCompletionResponse", answer.json())
    message = answer.json()["choices"][0]["message"]
    assert message["content"] == ANSWER
    assert cited(message) == expected(service)
    assert {each["type"] for each in message["annotations"]} == {"url_citation"}
    assert answer.json()["metadata"]["agents_used"] == ["researcher"]


async def test_a_streamed_answer_too(service: Service) -> None:
    research(service)
    stream = await service.chat(stream=True)
    for event in stream.events()[:-1]:
        check("CreateChatCompletionStreamResponse", event)
    message, deltas = told(stream)
    assert message["content"] == ANSWER
    assert cited(message) == expected(service)
    assert ["annotations" in delta for delta in deltas[-2:]] == [True, False], "in one frame, before the last"
    assert deltas[-1] == {}


async def test_the_writers_answer_too(service: Service) -> None:
    final = Reply(calls=[transfer("writer", "Write it.", final=True)])
    research(service, Reply(calls=[transfer("researcher", "How old is tea?")]), final)
    message, _ = told(await service.chat(stream=True))
    assert cited(message) == expected(service)


async def test_what_the_researcher_gets(service: Service) -> None:
    research(service)
    await service.chat()
    found, page = service.outputs
    assert found == (f"{OLD} ## https://tea.example/old\n\nTea is old.\n\n【2†Tea】 ## {service.site.url}/tea\n\nAge?")
    assert page == f"{SITE} ## {service.site.url}/tea\n\nTea is 4700 years old."
    offered = {request.agent: request.body.get("tools", ()) for request in service.upstream.requests}
    assert [tool["function"]["name"] for tool in offered["researcher"]] == ["search", "read_page"]
    transfers = {tool["function"]["name"]: tool["function"]["description"] for tool in offered["supervisor"]}
    assert "web" in transfers["transfer_to_researcher"]


async def test_the_researcher_alone(service: Service) -> None:
    research(service)
    answer = await service.chat(model="cortex-flow-researcher")
    message = answer.json()["choices"][0]["message"]
    assert [title for _, _, title in cited(message)] == ["History of tea", "Tea 🍵, explained"]


FALSE = "“Tea is 5000 years old”"
QUOTED = f"“Tea is … years old” {SITE}. {FALSE} {SITE}. “Tea is old”, says one {OLD}. 🍵 {FALSE}, they say, {OLD}."


@pytest.mark.parametrize("stream", [False, True])
async def test_a_mark_behind_words_that_no_page_says_is_no_citation(service: Service, stream: bool) -> None:
    research(service, Reply(calls=[transfer("researcher", "How old is tea?")]), QUOTED)
    answer = await service.chat(stream=stream)
    message = told(answer)[0] if stream else answer.json()["choices"][0]["message"]
    assert message["content"] == QUOTED, "what was said is not unsaid"
    assert [title for _, _, title in cited(message)] == ["Tea 🍵, explained", "History of tea"]
    assert [each["url_citation"]["start_index"] for each in message["annotations"]] == [
        QUOTED.index(SITE),
        QUOTED.index(OLD),
    ]


async def test_the_supervisor_is_told_which_quotations_were_not_found(service: Service) -> None:
    searched = Reply(calls=[("search", {"query": "camellia sinensis"})])
    report = f"{FALSE}{OLD}. “Age?”{OLD}. “Tea is old.”{OLD}"
    service.upstream.script = by_agent(
        supervisor=[Reply(calls=[transfer("researcher", "How old is tea?")]), "Nobody knows."],
        researcher=[searched, report],
    )
    await service.chat()
    finding = service.upstream.requests[-1].body["messages"][-1]["content"]
    assert finding == f"{FALSE}{OLD} (not found in the source). “Age?”【2†Tea】. “Tea is old.”{OLD}", (
        "a mark is mended too"
    )


def archive(topic: str) -> str:
    """What the archive has."""
    return f"The archive has a box on {topic}."


CHECKER = Agent("checker", "Checks what is said.", "You check.", ("read_page", "search", "archive"))


@pytest.mark.parametrize("team", [team_of([CHECKER], [archive], come_along=["search", "read_page"])])
async def test_a_team_of_ones_own_has_the_web_beside_its_own_tools(service: Service) -> None:
    calls = [
        ("search", {"query": "camellia sinensis"}),
        ("archive", {"topic": "tea"}),
        ("read_page", {"url": f"{service.site.url}/tea"}),
    ]
    service.upstream.script = by_agent(
        supervisor=[Reply(calls=[transfer("checker", "How old is tea?")]), ANSWER],
        stranger=[Reply(calls=[call]) for call in calls] + [FOUND],
    )
    answer = await service.chat()
    assert cited(answer.json()["choices"][0]["message"]) == expected(service)
    asked = [request.body for request in service.upstream.requests if request.agent == "stranger"]
    assert [tool["function"]["name"] for tool in asked[0]["tools"]] == list(CHECKER.tools)
    found, box, page = [each["content"] for each in asked[-1]["messages"] if each["role"] == "tool"]
    assert OLD in found
    assert box == "The archive has a box on tea."
    assert SITE in page


async def test_a_request_may_say_how_much_and_for_whom(service: Service) -> None:
    research(service)
    place = {"type": "approximate", "approximate": {"country": "it", "city": "Rome", "timezone": "Europe/Rome"}}
    await service.chat(web_search_options={"search_context_size": "high", "user_location": place})
    [asked] = [asked.json for asked in service.site.asked if asked.path == "/search"]
    assert (asked["query"], asked["numResults"], asked["userLocation"]) == ("camellia sinensis", 16, "IT")


async def test_a_run_goes_on_without_the_web(service: Service) -> None:
    research(service)
    service.site.answers["/search"] = Answer(status=429)
    service.site.redirect("/tea", "http://169.254.169.254/latest/meta-data/")
    answer = await service.chat()
    assert answer.status == 200
    assert "annotations" not in answer.json()["choices"][0]["message"], "nobody was cited by a tool"
    found, page = service.outputs
    assert "Exa takes no more searches at the moment (429)" in found
    assert "private or reserved network" in page


@pytest.mark.parametrize(
    ("options", "param"),
    [
        ("high", "web_search_options"),
        ({"search_context_size": "huge"}, "web_search_options.search_context_size"),
        ({"user_location": {"type": "exact"}}, "web_search_options.user_location.type"),
        ({"user_location": {"type": "approximate"}}, "web_search_options.user_location.approximate"),
        (
            {"user_location": {"type": "approximate", "approximate": {"country": "Italy"}}},
            "web_search_options.user_location.approximate.country",
        ),
        (
            {"user_location": {"type": "approximate", "approximate": {"city": "Rome\r\nX: y"}}},
            "web_search_options.user_location.approximate.city",
        ),
    ],
)
async def test_options_that_are_wrong(service: Service, options: Any, param: str) -> None:
    answer = await service.chat(web_search_options=options)
    assert (answer.status, answer.json()["error"]["param"]) == (400, param)


async def test_options_of_a_server_that_searches_no_web(serve: Serve) -> None:
    app = await serve()
    body = {"messages": [{"role": "user", "content": "Hi"}], "web_search_options": {}}
    answer = await ask(app, "POST", "/v1/chat/completions", json=body)
    error = answer.json()["error"]
    assert (answer.status, error["param"], error["code"]) == (400, "web_search_options", "unsupported_value")
    assert "SEARCH_PROVIDER" in error["message"]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"search_provider": "tavily"}, "TAVILY_API_KEY"),
        ({"search_provider": "brave"}, "BRAVE_API_KEY"),
        ({"search_provider": "Exa"}, "EXA_API_KEY"),
        ({"search_provider": "searxng"}, "SEARXNG_URL"),
        ({"search_provider": "wikipedia", "wikipedia_language": "../"}, "WIKIPEDIA_LANGUAGE"),
        ({"search_provider": "altavista"}, "SEARCH_PROVIDER"),
    ],
)
async def test_a_setting_that_is_missing_is_named_at_the_start(
    configure: Configure, fields: dict[str, str], told: str
) -> None:
    backend = Backend(configure(**fields))
    with pytest.raises(BadSettings, match=told) as caught:
        await backend.open(await backend.claim())
    await backend.close()
    assert "\n" not in str(caught.value)
