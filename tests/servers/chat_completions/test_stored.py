"""`store`, and the operations on what was stored: the real engine, the offline model, memory for storage."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from graph.attachments import THRESHOLD
from graph.storage.port import StorageUnavailable
from servers.app import App, create_app
from tests.servers.asgi import Connection, ask
from tests.servers.conftest import Configure
from tests.servers.doubles import WEATHER
from tests.servers.openai_schema import check

PATH = "/v1/chat/completions"
OURS = {"agents_used", "iterations", "execution_time_seconds", "usage_total", "usage_by_agent", "run_id", "thread_id"}


@pytest.fixture
async def app(configure: Configure) -> AsyncIterator[App]:
    app = create_app(configure(api_keys="k,acme:a", model_aliases="gpt-*=cortex-flow"))
    async with app.lifespan():
        await app.opened()
        yield app


async def at(app: App, method: str, path: str = "", key: str = "k", **request: Any) -> Connection:
    return await ask(app, method, PATH + path, headers={"Authorization": f"Bearer {key}"}, **request)


async def chat(app: App, *messages: Any, key: str = "k", **fields: Any) -> Connection:
    said = [{"role": "user", "content": each} if isinstance(each, str) else each for each in messages or ["Hello!"]]
    return await at(app, "POST", key=key, json={"model": "cortex-flow", "messages": said, "store": True, **fields})


async def stored(app: App, *messages: Any, **fields: Any) -> str:
    """The id of a completion that was stored."""
    answer = await chat(app, *messages, **fields)
    assert answer.status == 200, answer.body
    return str(answer.json()["id"])


async def listed(app: App, query: str = "", key: str = "k") -> Any:
    answer = await at(app, "GET", query, key)
    assert answer.status == 200, answer.body
    body = answer.json()
    plain = [{name: value for name, value in each.items() if name != "metadata"} for each in body["data"]]
    check("ChatCompletionList", {**body, "data": plain})
    assert all(isinstance(value, str) for each in body["data"] for value in each["metadata"].values())
    return body


def ids(body: Any) -> list[str]:
    return [each["id"] for each in body["data"]]


async def test_what_is_stored_is_the_answer(app: App) -> None:
    answer = (await chat(app, metadata={"topic": "greeting"})).json()
    assert answer["metadata"].keys() >= OURS, "the answer itself says what it always does"
    kept = (await at(app, "GET", f"/{answer['id']}")).json()
    check("CreateChatCompletionResponse", kept)
    assert kept["metadata"] == {"topic": "greeting"}
    run = kept.pop("run")
    assert run == answer["metadata"]
    assert {**kept, "metadata": answer["metadata"]} == answer


@pytest.mark.parametrize("include_usage", [False, True])
async def test_a_streamed_answer_is_stored_whole(app: App, include_usage: bool) -> None:
    options: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": include_usage}}
    said = {"role": "user", "content": "What is 15% of 240?"}
    *events, done = (await chat(app, said, metadata={"a": "b"}, **options)).events()
    assert done == "[DONE]"
    assert include_usage == ("usage" in events[-1])
    text = "".join(each["choices"][0]["delta"].get("content", "") for each in events if each["choices"])
    kept = (await at(app, "GET", f"/{events[0]['id']}")).json()
    check("CreateChatCompletionResponse", kept)
    plain = (await chat(app, said)).json()
    assert text == kept["choices"][0]["message"]["content"]
    assert (kept["choices"], kept["usage"]) == (plain["choices"], plain["usage"])
    assert (kept["metadata"], kept["run"].keys()) == ({"a": "b"}, OURS)


@pytest.mark.parametrize("store", [None, False])
async def test_nothing_is_stored_unasked(app: App, store: bool | None) -> None:
    id = (await chat(app, store=store)).json()["id"]
    assert (await at(app, "GET", f"/{id}")).status == 404
    assert await listed(app) == {"object": "list", "data": [], "first_id": "", "last_id": "", "has_more": False}


async def test_a_paused_answer_is_stored_and_so_is_the_next(app: App) -> None:
    question = {"role": "user", "content": "What is the weather in Rome?"}
    first = (await chat(app, question, tools=[WEATHER])).json()
    message = first["choices"][0]["message"]
    assert first["choices"][0]["finish_reason"] == "tool_calls"
    output = {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "Sunny, 25 degrees"}
    second = (await chat(app, question, message, output, tools=[WEATHER])).json()
    body = await listed(app)
    assert ids(body) == [first["id"], second["id"]]
    assert [each["choices"] for each in body["data"]] == [first["choices"], second["choices"]]


async def test_pages(app: App) -> None:
    all_of_them = [await stored(app) for _ in range(5)]
    page = await listed(app, "?limit=2")
    assert (ids(page), page["first_id"], page["last_id"]) == (all_of_them[:2], all_of_them[0], all_of_them[1])
    assert page["has_more"] is True
    page = await listed(app, f"?limit=3&after={page['last_id']}")
    assert (ids(page), page["has_more"]) == (all_of_them[2:], False)
    assert ids(await listed(app, "?order=desc")) == all_of_them[::-1]
    assert ids(await listed(app, f"?order=desc&limit=1&after={all_of_them[2]}")) == [all_of_them[1]]
    assert ids(await listed(app, f"?limit=2&before={all_of_them[4]}")) == all_of_them[2:4]


async def test_filters(app: App) -> None:
    tea = await stored(app, metadata={"topic": "tea", "round": "1"})
    more_tea = await stored(app, metadata={"topic": "tea"}, model="gpt-4o")
    coffee = await stored(app, metadata={"topic": "coffee", "a[b]": "c d"})
    assert ids(await listed(app, "?metadata[topic]=tea")) == [tea, more_tea]
    assert ids(await listed(app, "?metadata%5Btopic%5D=tea&metadata%5Bround%5D=1")) == [tea]
    assert ids(await listed(app, "?metadata[a[b]]=c+d")) == [coffee]
    assert ids(await listed(app, "?model=gpt-4o")) == [more_tea]
    assert ids(await listed(app, "?model=cortex-flow&metadata[topic]=tea")) == [tea]
    assert ids(await listed(app, "?model=&metadata[topic]=milk")) == []
    first = await listed(app, "?metadata[topic]=tea&limit=1")
    assert (ids(first), first["has_more"]) == ([tea], True)
    last = await listed(app, f"?metadata[topic]=tea&limit=1&after={tea}")
    assert (ids(last), last["has_more"]) == ([more_tea], False)


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=x", "limit"),
        ("order=up", "order"),
        ("after=chatcmpl-nobody", "after"),
        ("before=chatcmpl-nobody", "before"),
        ("metadata=tea", "metadata"),
        ("metadata[topic=tea", "metadata"),
        ("metadata[a]=1&metadata[a]=2", "metadata[a]"),
        ("model=a&model=b", "model"),
    ],
)
async def test_queries_that_make_no_sense(app: App, query: str, param: str) -> None:
    answer = await at(app, "GET", f"?{query}")
    assert (answer.status, answer.error["type"], answer.error["param"]) == (400, "invalid_request_error", param)


async def test_messages_are_kept_as_sent(app: App) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * THRESHOLD, "detail": "low"}}
    text = {"type": "text", "text": "What is it?"}
    call = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    messages: list[dict[str, Any]] = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [text, image], "name": "Ann"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "A cat."},
        {"role": "user", "content": "Thanks!", "options": {"x": 1}},
    ]
    id = await stored(app, *messages)
    body = (await at(app, "GET", f"/{id}/messages")).json()
    as_answers = [{**each, "role": "assistant"} for each in body["data"]]  # the description knows no other role here
    check("ChatCompletionMessageList", {**body, "data": as_answers})
    assert [each.pop("id") for each in body["data"]] == [f"{id}-{number}" for number in range(5)]
    none = {"refusal": None, "name": None, "content_parts": None}
    assert body["data"] == [
        {**none, **messages[0]},
        {**none, "role": "user", "name": "Ann", "content": None, "content_parts": [text, image]},
        {**none, **messages[2]},
        {**none, **messages[3]},
        {**none, **messages[4]},
    ]


async def test_pages_of_messages(app: App) -> None:
    id = await stored(app, "1", "2", "3")
    page = (await at(app, "GET", f"/{id}/messages?limit=2")).json()
    assert (ids(page), page["last_id"], page["has_more"]) == ([f"{id}-0", f"{id}-1"], f"{id}-1", True)
    page = (await at(app, "GET", f"/{id}/messages?after={id}-1")).json()
    assert (ids(page), page["has_more"]) == ([f"{id}-2"], False)
    assert ids((await at(app, "GET", f"/{id}/messages?order=desc&limit=1")).json()) == [f"{id}-2"]
    answer = await at(app, "GET", f"/{id}/messages?after={id}-3")
    assert (answer.status, answer.error["param"]) == (400, "after")


async def test_other_metadata_takes_the_place_of_what_was_there(app: App) -> None:
    id = await stored(app, metadata={"old": "1"})
    changed = (await at(app, "POST", f"/{id}", json={"metadata": {"new": "2"}})).json()
    check("CreateChatCompletionResponse", changed)
    assert changed["metadata"] == {"new": "2"}
    assert (await at(app, "GET", f"/{id}")).json() == changed
    assert (await at(app, "POST", f"/{id}", json={"metadata": None})).json()["metadata"] == {}


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({}, "metadata", "missing_required_parameter"),
        ({"metadata": "x"}, "metadata", "invalid_type"),
        ({"metadata": {"k": 1}}, "metadata.k", "invalid_type"),
        ({"metadata": {str(n): "" for n in range(17)}}, "metadata", "object_above_max_properties"),
        ([], None, "invalid_type"),
    ],
)
async def test_changes_that_can_not_be(app: App, body: Any, param: str | None, code: str) -> None:
    id = await stored(app)
    answer = await at(app, "POST", f"/{id}", body=orjson.dumps(body))
    assert (answer.status, answer.error["param"], answer.error["code"]) == (400, param, code)


async def test_metadata_of_what_is_stored_is_checked_before_the_work(app: App) -> None:
    answer = await chat(app, metadata={"list": ["a"]})
    assert (answer.status, answer.error["param"]) == (400, "metadata.list")


async def test_deleting(app: App) -> None:
    id = await stored(app)
    answer = (await at(app, "DELETE", f"/{id}")).json()
    check("ChatCompletionDeleted", answer)
    assert answer == {"object": "chat.completion.deleted", "id": id, "deleted": True}
    assert ids(await listed(app)) == []


async def test_deleting_while_paging(app: App) -> None:
    all_of_them = [await stored(app) for _ in range(3)]
    page = await listed(app, "?limit=2")
    for id in ids(page):
        await at(app, "DELETE", f"/{id}")
    assert ids(await listed(app, f"?after={page['last_id']}")) == all_of_them[2:]


@pytest.mark.parametrize("of", ["nobody", "another"])
async def test_what_is_not_there(app: App, of: str) -> None:
    id = await stored(app, key="a") if of == "another" else "chatcmpl-0"
    for method, path in (("GET", ""), ("POST", ""), ("DELETE", ""), ("GET", "/messages")):
        answer = await at(app, method, f"/{id}{path}", json={"metadata": {}} if method == "POST" else None)
        assert (answer.status, answer.error["type"], answer.error["code"]) == (
            404,
            "invalid_request_error",
            "not_found",
        )
        assert id in answer.error["message"]
    answer = await at(app, "GET", f"?after={id}")
    assert (answer.status, answer.error["param"]) == (400, "after")
    assert ids(await listed(app)) == []


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_can_not_be_stored_is_none(
    app: App, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, stream: bool
) -> None:
    async def away(*args: object) -> None:
        raise StorageUnavailable("the store is away")

    monkeypatch.setattr("graph.completions.Completions.keep", away)
    answer = await chat(app, stream=stream)
    told = answer.events()[-2]["error"] if stream else answer.error
    assert (told["type"], told["code"]) == ("server_error", "storage_unavailable")
    assert "the store is away" in caplog.text
    if stream:
        assert answer.events()[-1] == "[DONE]"
        assert not any(event["choices"][0]["finish_reason"] for event in answer.events()[:-2])
    else:
        assert answer.status == 503
