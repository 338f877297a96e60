"""`Idempotency-Key`: the same request again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from openai import AsyncOpenAI
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from graph.errors import RunEnded
from graph.lease import Lease
from graph.repeats import Repeats
from graph.run import Run
from graph.storage.memory import MemoryStorage
from servers import mount
from servers.context import RequestContext, enter
from servers.idempotency import Idempotency
from tests import stories
from tests.servers.asgi import Connection, ask
from tests.servers.conftest import Serve
from tests.servers.doubles import ScriptedEngine
from tests.servers.embedded import client_of, made, thinking_with
from tests.stories import Story
from tests.upstream import Upstream

PATH = "/v1/chat/completions"
USER = {"role": "user", "content": "Hi"}

REPLAYED = "idempotent-replayed"


Room = Callable[[], Awaitable[Repeats]]


@pytest.fixture
async def room() -> AsyncIterator[Room]:
    """Where a layer keeps its answers."""
    kept = Repeats(storage := MemoryStorage(), lease := Lease(storage))

    async def get() -> Repeats:
        return kept

    yield get
    await lease.release()


def begin(app: ASGIApp, key: str = "k", headers: dict[str, str] | None = None, **body: Any) -> Connection:
    sent = {"Idempotency-Key": key, **(headers or {})}
    return Connection(app, "POST", PATH, json={"messages": [USER], **body}, headers=sent)


async def chat(app: ASGIApp, key: str = "k", headers: dict[str, str] | None = None, **body: Any) -> Connection:
    return await begin(app, key, headers, **body).over()


def of_the_answer(connection: Connection) -> dict[str, str]:
    """The headers that are not the request's own."""
    own = ("x-request-id", "openai-processing-ms", REPLAYED)
    return {name: value for name, value in connection.headers.items() if name not in own}


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answered_request_gets_its_answer_again(serve: Serve, stream: bool) -> None:
    engine = ScriptedEngine()
    app = await serve(engine)
    first, second = await chat(app, stream=stream), await chat(app, stream=stream)
    assert len(engine.requests) == 1
    assert (second.status, second.body) == (first.status, first.body)
    assert of_the_answer(second) == of_the_answer(first)
    assert (first.headers.get(REPLAYED), second.headers.get(REPLAYED)) == (None, "true")
    assert first.headers["x-request-id"] != second.headers["x-request-id"]


async def test_without_a_key_and_with_another_one_there_is_another_answer(serve: Serve) -> None:
    engine = ScriptedEngine()
    app = await serve(engine)
    await chat(app)
    await chat(app, key="other")
    for _ in range(2):
        await ask(app, "POST", PATH, json={"messages": [USER]})
    assert len(engine.requests) == 4


async def test_tenants_have_keys_of_their_own(serve: Serve) -> None:
    engine = ScriptedEngine()
    app = await serve(engine, api_keys="red:r, red:r2, blue:b")
    answers = [await chat(app, headers={"Authorization": f"Bearer {key}"}) for key in ("r", "b", "r2")]
    assert [request.tenant for request in engine.requests] == ["red", "blue"]
    assert [REPLAYED in answer.headers for answer in answers] == [False, False, True]


async def test_who_has_no_key_to_the_server_learns_nothing(serve: Serve) -> None:
    app = await serve(api_keys="red:r")
    await chat(app, headers={"Authorization": "Bearer r"})
    assert (await chat(app)).status == 401


@pytest.mark.parametrize(
    "other",
    [
        {"messages": [{"role": "user", "content": "Bye"}]},
        {"stream": True},
        {"headers": {"X-Conversation-Id": "c"}},
        {"headers": {"x-session-id": "c"}},
    ],
    ids=str,
)
async def test_another_request_under_a_used_key_is_refused(serve: Serve, other: dict[str, Any]) -> None:
    app = await serve()
    await chat(app)
    refused = await chat(app, **other)
    assert refused.status == 409
    assert (refused.error["code"], refused.error["param"]) == ("idempotency_mismatch", "Idempotency-Key")
    assert refused.error["type"] == "invalid_request_error"
    assert refused.headers["x-should-retry"] == "false"
    assert (await chat(app)).headers[REPLAYED] == "true"


async def test_another_path_is_another_request(serve: Serve) -> None:
    app = await serve()
    await chat(app)
    body, headers = {"messages": [USER]}, {"Idempotency-Key": "k"}
    assert (await ask(app, "POST", f"{PATH}?a=b", json=body, headers=headers)).status == 409
    assert (await ask(app, "POST", "/v1/other", json=body, headers=headers)).status == 409


async def test_the_same_while_the_first_is_at_work(serve: Serve) -> None:
    hold = asyncio.Event()
    engine = ScriptedEngine(hold_at=3, hold=hold)
    app = await serve(engine)
    first = begin(app)
    joined = begin(app)
    refused = await chat(app, n=1)
    assert (refused.status, refused.error["code"]) == (409, "idempotency_mismatch")
    assert not joined.started
    hold.set()
    await asyncio.gather(first.over(), joined.over())
    assert joined.body == first.body
    assert joined.headers[REPLAYED] == "true"
    assert len(engine.requests) == 1


async def test_who_joins_a_stream_gets_it_from_its_beginning_and_then_as_it_comes(serve: Serve) -> None:
    hold = asyncio.Event()
    engine = ScriptedEngine(hold_at=4, hold=hold)
    app = await serve(engine)
    first = begin(app, stream=True)
    await first.until(b", wor")
    joined = begin(app, stream=True)
    await joined.until(b", wor")
    assert joined.body == first.body
    hold.set()
    await asyncio.gather(first.over(), joined.over())
    assert joined.body == first.body
    assert first.events()[-1] == "[DONE]"
    assert len(engine.requests) == 1


@pytest.mark.parametrize("leaver", [0, 1, 2])
@pytest.mark.parametrize("stream", [False, True])
async def test_one_leaves_and_the_others_go_on(serve: Serve, stream: bool, leaver: int) -> None:
    hold = asyncio.Event()
    engine = ScriptedEngine(hold_at=3, hold=hold)
    app = await serve(engine)
    connections = [begin(app, stream=stream) for _ in range(3)]
    if stream:
        for connection in connections:
            await connection.until(b"Hello")
    connections[leaver].leave()
    await connections[leaver].over()
    assert not engine.cancelled.is_set()
    hold.set()
    bodies = {(await each.over()).body for each in connections if each is not connections[leaver]}
    assert len(bodies) == 1
    assert b"Hello" in bodies.pop()


@pytest.mark.parametrize("stream", [False, True])
async def test_the_last_one_leaves_and_the_key_is_free(serve: Serve, stream: bool) -> None:
    hold = asyncio.Event()
    engine = ScriptedEngine(hold_at=3, hold=hold)
    app = await serve(engine)
    connections = [begin(app, stream=stream) for _ in range(2)]
    if stream:
        await connections[0].until(b"Hello")
    for connection in connections:
        connection.leave()
        await connection.over()
    async with asyncio.timeout(10):
        await engine.cancelled.wait()
    engine.cancelled = asyncio.Event()
    hold.set()
    again = await chat(app, messages=[{"role": "user", "content": "something else"}])
    assert again.status == 200
    assert REPLAYED not in again.headers
    assert len(engine.requests) == 2


async def test_what_was_answered_all_the_same_is_what_the_next_one_gets(room: Room) -> None:
    """The client has left, but the work was done by then."""
    begun, hold, asked = asyncio.Event(), asyncio.Event(), []

    async def deaf(scope: Scope, receive: Receive, send: Send) -> None:
        asked.append(scope)
        begun.set()
        await hold.wait()
        await say(send, b"first")

    layer = within(Idempotency(deaf, room))
    left = begin(layer)
    await begun.wait()
    left.leave()
    await left.over()
    again = [begin(layer) for _ in range(2)]
    hold.set()
    for each in again:
        await each.over()
        assert (each.body, each.headers[REPLAYED]) == (b"first", "true")
    assert len(asked) == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_nobody_waited_for_any_more_is_kept(serve: Serve, stream: bool) -> None:
    """The run has ended, and its end is being written: it can't be cancelled any more."""
    hold = asyncio.Event()
    engine = Unstoppable(hold_at=3, hold=hold)
    app = await serve(engine)
    left = begin(app, stream=stream)
    if stream:
        await left.until(b"Hello")
    async with asyncio.timeout(10):
        await engine.asked.wait()
    left.leave()
    await left.over()
    async with asyncio.timeout(10):
        await engine.asked_to_stop.wait()
    hold.set()
    again = await chat(app, stream=stream)
    assert (again.status, again.headers[REPLAYED]) == (200, "true")
    assert b"Hello" in again.body
    assert len(engine.requests) == 1


class Unstoppable(ScriptedEngine):
    """An engine whose runs have always ended already when they are to be cancelled."""

    def __init__(self, **fields: Any) -> None:
        super().__init__(**fields)
        self.asked_to_stop = asyncio.Event()

    async def cancel(self, tenant: str, run_id: str) -> Run:
        self.asked_to_stop.set()
        raise RunEnded("It has ended.")


async def test_a_reader_that_is_slow_stops_nobody(room: Room) -> None:
    hold = asyncio.Event()

    async def speaking(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"one ", "more_body": True})
        await hold.wait()
        await send({"type": "http.response.body", "body": b"two"})

    layer = within(Idempotency(speaking, room))
    slow = begin(layer)
    slow.reading.clear()
    quick = begin(layer)
    await quick.until(b"one ")
    hold.set()
    assert (await quick.over()).writes == [b"one ", b"two"]
    assert not slow.started
    slow.reading.set()
    assert (await slow.over()).writes == [b"one two"], "what was there together is one piece"


@pytest.mark.parametrize(
    ("story", "status"),
    [(stories.FAILED_AT_ONCE, 429), (stories.EXPIRED, 504), (stories.FAILED_LATE, 502), (stories.CANCELLED, 503)],
    ids=lambda value: getattr(value, "name", str(value)),
)
async def test_a_failed_try_may_be_tried_again(serve: Serve, story: Story, status: int) -> None:
    engine = ScriptedEngine(story)
    app = await serve(engine)
    assert (await chat(app)).status == status
    engine.story = stories.PLAIN
    again = await chat(app)
    assert (again.status, again.headers.get(REPLAYED)) == (200, None)


async def test_so_may_a_stream_that_failed_in_the_middle(serve: Serve) -> None:
    engine = ScriptedEngine(stories.FAILED_LATE)
    app = await serve(engine)
    assert b"upstream_error" in (await chat(app, stream=True)).body
    engine.story = stories.PLAIN
    again = await chat(app, stream=True)
    assert again.headers.get(REPLAYED) is None
    assert b"upstream_error" not in again.body


async def test_a_refusal_stays_one(serve: Serve) -> None:
    engine = ScriptedEngine()
    app = await serve(engine)
    first, second = [await chat(app, temperature=9) for _ in range(2)]
    assert first.status == second.status == 400
    assert first.error == second.error
    assert second.headers[REPLAYED] == "true"
    assert (await chat(app, temperature=1)).error["code"] == "idempotency_mismatch"


async def test_an_answer_that_asks_the_client_is_one(serve: Serve) -> None:
    engine = ScriptedEngine(stories.CLIENT_CALLS)
    app = await serve(engine)
    first, second = [await chat(app) for _ in range(2)]
    assert first.json()["choices"][0]["finish_reason"] == "tool_calls"
    assert second.body == first.body


@pytest.mark.parametrize("key", ["", "a" * 256, "caf\xe9", "a\tb", "\x7f"], ids=repr)
async def test_what_is_no_key(serve: Serve, key: str) -> None:
    engine = ScriptedEngine()
    answer = await chat(await serve(engine), key=key)
    assert answer.status == 400
    assert (answer.error["param"], answer.error["code"]) == ("Idempotency-Key", "invalid_value")
    assert not engine.requests


@pytest.mark.parametrize("key", ["a", "a" * 255, '"8e03978e-40d5"', "a b", "~!"])
async def test_what_is_one(serve: Serve, key: str) -> None:
    app = await serve()
    await chat(app, key=key)
    assert (await chat(app, key=key)).headers[REPLAYED] == "true"


async def test_only_requests_that_change_something_have_keys(serve: Serve) -> None:
    app = await serve()
    for _ in range(2):
        answer = await ask(app, "GET", "/v1/models", headers={"Idempotency-Key": "caf\xe9"})
        assert (answer.status, answer.headers.get(REPLAYED)) == (200, None)


@pytest.mark.parametrize("path", ["/", "/health", "/docs"])
async def test_paths_that_ask_for_no_api_key_keep_nothing(serve: Serve, path: str) -> None:
    app = await serve(api_keys="k")
    for _ in range(2):
        answer = await ask(app, "POST", path, headers={"Idempotency-Key": "k"})
        assert (answer.status, answer.headers.get(REPLAYED)) == (404, None)


async def test_a_body_that_is_too_large(serve: Serve) -> None:
    app = await serve(max_body_mb=0.001)
    pieces = [b" " * 600] * 2
    answer = await ask(app, "POST", PATH, body=pieces, headers={"Idempotency-Key": "k"})
    assert (answer.status, answer.error["code"]) == (413, "request_too_large")
    assert (await chat(app)).status == 200


async def test_a_client_that_leaves_while_sending_starts_nothing(serve: Serve) -> None:
    engine = ScriptedEngine()
    app = await serve(engine)
    connection = Connection(app, "POST", PATH, body=b'{"mess', ended=False, headers={"Idempotency-Key": "k"})
    connection.leave()
    await connection.over()
    assert not engine.requests
    assert (await chat(app)).status == 200


async def test_an_error_of_ours_is_told_to_all_who_wait(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    engine = ScriptedEngine(error=RuntimeError("broken"))
    app = await serve(engine)
    answers = await asyncio.gather(*(chat(app) for _ in range(2)))
    assert [answer.error["code"] for answer in answers] == ["internal_error"] * 2
    assert "broken" in caplog.text
    engine.error = None
    assert (await chat(app)).status == 200


async def test_the_end_of_the_service_ends_what_was_left(room: Room) -> None:
    """An application that does not hear that its client is gone."""
    begun, ended = asyncio.Event(), asyncio.Event()

    async def deaf(scope: Scope, receive: Receive, send: Send) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    layer = Idempotency(deaf, room)
    connection = begin(within(layer))
    await begun.wait()
    connection.leave()
    await connection.over()
    assert not ended.is_set()
    await layer.close()
    assert ended.is_set()


async def test_a_client_that_does_not_read_is_given_up(room: Room, caplog: pytest.LogCaptureFixture) -> None:
    left = asyncio.Event()

    async def speaking(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        await receive()
        assert (await receive())["type"] == "http.disconnect"
        left.set()

    connection = begin(within(Idempotency(speaking, room, stall=0.01)))
    connection.reading.clear()
    await connection.over()
    await left.wait()
    assert "has not read its answer" in caplog.text


async def test_an_error_behind_an_answer_that_was_left_is_logged(room: Room, caplog: pytest.LogCaptureFixture) -> None:
    begun, raised = asyncio.Event(), asyncio.Event()

    async def breaking(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        begun.set()
        await receive()
        raised.set()
        raise RuntimeError("broken")

    connection = begin(within(Idempotency(breaking, room)))
    await begun.wait()
    connection.leave()
    await connection.over()
    await raised.wait()
    assert "broken" in caplog.text


async def say(send: Send, body: bytes) -> None:
    """A whole answer."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


def within(app: ASGIApp) -> ASGIApp:
    """What the layers outside do."""

    async def outside(scope: Scope, receive: Receive, send: Send) -> None:
        enter(scope, RequestContext("req_1"))
        await app(scope, receive, send)

    return outside


async def test_mounted_under_a_prefix() -> None:
    app = Starlette()
    mount(app, "/team", made())
    headers = {"Idempotency-Key": "k"}
    async with app.router.lifespan_context(app):
        first, second = [
            await ask(app, "POST", f"/team{PATH}", json={"messages": [USER]}, headers=headers) for _ in range(2)
        ]
    assert first.body == second.body
    assert second.headers[REPLAYED] == "true"


async def test_by_the_official_client() -> None:
    async with Upstream("one two three") as upstream, made(**thinking_with(upstream)) as server:
        async with client_of(server) as client:
            asked = {"model": "cortex-flow", "messages": [USER], "extra_headers": {"Idempotency-Key": "k"}}
            answers = await asyncio.gather(*(client.chat.completions.create(**asked) for _ in range(5)))
            assert {answer.id for answer in answers} == {answers[0].id}
            again = await client.chat.completions.with_raw_response.create(**asked)
            assert again.headers[REPLAYED] == "true"
            assert again.parse().choices[0].message.content == "one two three"
            streams = [{**asked, "stream": True, "extra_headers": {"Idempotency-Key": "s"}}] * 3
            told = await asyncio.gather(*(read(client, each) for each in streams))
            assert told == ["one two three"] * 3
        assert len(upstream.requests) == 2


async def read(client: AsyncOpenAI, asked: dict[str, Any]) -> str:
    stream = await client.chat.completions.create(**asked)
    return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
