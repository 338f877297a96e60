"""Whatever is sent, the answer is OpenAI's: a completion, a stream that ends, or an error that says what is wrong.

`Connection` holds every answer against OpenAI's description of it.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.types import ASGIApp

from servers.app import App, create_app
from tests.servers.asgi import Connection, ask
from tests.servers.chat_completions import requests
from tests.servers.conftest import Configure
from tests.servers.embedded import opened, thinking_with
from tests.upstream import Reply, Upstream

PATH: Final = "/v1/chat/completions"
OF_THE_WHOLE: Final = {"invalid_json", "invalid_prompt"}
# As whole as they are:
REFUSED: Final = ("The offline model reads text only", "Invalid schema for response_format", "No file found with id")
LONGEST: Final = 10.0  # seconds for one answer

few = settings(
    max_examples=40,
    derandomize=True,
    database=None,
    deadline=timedelta(seconds=LONGEST),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.fixture
async def app(configure: Configure) -> AsyncIterator[App]:
    app = create_app(configure())
    async with app.lifespan():
        await app.opened()
        yield app


@pytest.fixture
async def thinking() -> AsyncIterator[tuple[ASGIApp, Upstream]]:
    """A service that thinks with a scripted model."""
    async with Upstream() as upstream, opened(**thinking_with(upstream)) as server:
        yield server.app, upstream


async def sent(app: App, request: Any, **headers: str) -> Connection:
    """The answer, which is a good one."""
    return await raw(app, json.dumps(request).encode(), request, **headers)


async def raw(app: App, body: bytes, request: Any = None, **named: str) -> Connection:
    headers = {name.replace("_", "-"): value for name, value in named.items()}
    async with asyncio.timeout(LONGEST):
        answer = await ask(app, "POST", PATH, body=body, headers=headers)
    assert answer.status in (200, 400, 404, 409), answer.body
    assert all(value.isascii() and value.isprintable() for value in answer.headers.values())
    if answer.status == 200:
        ends_well(answer)
    else:
        param, code = answer.error["param"], answer.error["code"]
        if param is not None:
            assert requests.names_a_field(param, request, headers), answer.error
        elif isinstance(request, dict):
            assert code in OF_THE_WHOLE, answer.error
    return answer


def ends_well(answer: Connection) -> None:
    if answer.headers["content-type"].startswith("text/event-stream"):
        *chunks, done = answer.events()
        assert done == "[DONE]"
        assert not any("error" in chunk for chunk in chunks), chunks[-1]
        reasons = defaultdict(list)
        for choice in (choice for chunk in chunks for choice in chunk["choices"]):
            reasons[choice["index"]].append(choice["finish_reason"])
        assert reasons
        for *before, last in reasons.values():
            assert last is not None
            assert not any(before)
    else:
        assert answer.json()["object"] == "chat.completion"


@few
@given(requests.whole())
async def test_a_whole_request_has_an_answer(app: App, request: Any) -> None:
    answer = await sent(app, request)
    assert answer.status == 200 or answer.error["message"].startswith(REFUSED)


@few
@given(requests.broken())
async def test_a_broken_request_is_answered_or_refused(app: App, request: Any) -> None:
    await sent(app, request)


@few
@given(requests.more())
async def test_so_is_one_with_parameters_of_all_kinds(app: App, request: Any) -> None:
    await sent(app, request)


@few
@given(requests.anything)
async def test_so_is_what_is_hardly_a_request(app: App, request: Any) -> None:
    await sent(app, request)


@few
@given(st.binary(max_size=100))
async def test_bytes(app: App, body: bytes) -> None:
    assert (await raw(app, body)).status == 400


@few
@given(st.data())
async def test_bytes_that_were_a_request(app: App, data: st.DataObject) -> None:
    body = bytearray(json.dumps(data.draw(requests.whole()), ensure_ascii=False).encode())
    at = data.draw(st.integers(0, len(body)))
    match data.draw(st.sampled_from(["cut", "changed", "doubled"])):
        case "cut":
            body = body[:at]
        case "changed":
            body[at : at + 1] = data.draw(st.binary(max_size=2))
        case _:
            body[at:at] = body[at : at + 20]
    try:
        request = orjson.loads(body)
    except orjson.JSONDecodeError:
        request = None
    await raw(app, bytes(body), request)


names = st.text(max_size=20) | st.sampled_from(
    ["thread_x", "conv_", "conv_conv_x", "x" * 512, "x" * 513, "\x00", " a ", "%", "%FF"]
)
in_headers = st.binary(max_size=20).map(lambda value: value.decode("latin-1"))


@few
@given(names, st.lists(requests.words, min_size=1, max_size=3), st.booleans())
async def test_conversations_of_any_name(app: App, name: str, said: list[str], stream: bool) -> None:
    statuses = set()
    for text in said:
        body = {"messages": [{"role": "user", "content": text}], "conversation_id": name, "stream": stream}
        answer = await sent(app, body)
        statuses.add(answer.status)
        if answer.status == 200 and not stream and name:
            assert answer.json()["conversation_id"] == name
    assert len(statuses) == 1


@few
@given(
    st.dictionaries(
        st.sampled_from(["X_Conversation_Id", "x_session_id", "Idempotency_Key", "x_request_id"]), in_headers
    )
)
async def test_headers(app: App, headers: dict[str, str]) -> None:
    await sent(app, {"messages": [{"role": "user", "content": "Hello!"}]}, **headers)


@few
@given(requests.rounds())
async def test_second_rounds(app: App, round: requests.Round) -> None:
    """What a client makes of the calls that it is asked to answer."""
    name = f"c {uuid4()}" if round.named else None
    first = await sent(app, {**round.asking, "conversation_id": name})
    if first.status == 200:
        for body in round.answers(first.json()["choices"][0]["message"]):
            await sent(app, {"conversation_id": name, **body})


called_names = requests.names | st.sampled_from(["transfer_to_researcher", "transfer_to_analyst", "transfer_to_writer"])
objects = st.dictionaries(st.sampled_from(["task", "final", "query", "x"]), requests.values, max_size=3)
arguments = objects.map(json.dumps) | requests.texts
replies = st.builds(
    Reply,
    text=requests.texts,
    calls=st.lists(st.tuples(called_names, arguments), max_size=3),
    finish=st.sampled_from([None, None, "stop", "length", "tool_calls", "content_filter", "x"]),
    reasoning=requests.texts,
    chunks=st.none() | st.integers(1, 5),
)


@few
@given(requests.whole(), st.lists(replies, max_size=4))
async def test_whatever_the_model_says(thinking: tuple[ASGIApp, Upstream], request: Any, replies: list[Reply]) -> None:
    """An answer, or a fault of the model's that is told as such."""
    app, upstream = thinking
    said = iter(replies)
    upstream.script = lambda body: next(said, Reply("Done."))
    async with asyncio.timeout(LONGEST):
        answer = await ask(app, "POST", PATH, body=json.dumps(request).encode())
    if answer.status == 200 and request["stream"]:
        assert answer.events()[-1] == "[DONE]"
    elif answer.status == 400:
        assert answer.error["message"].startswith(REFUSED)
    elif answer.status != 200:
        assert (answer.status, answer.error["code"]) == (502, "upstream_error")
