"""Two servers over one storage: whatever is at work at one of them can be asked for at the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import orjson
import pytest

from graph.repeats import Claim, Repeats, Result
from graph.storage.memory import MemoryStorage
from servers import backend
from tests.replies import Reply
from tests.servers.assistants.desk import Desk, desk, names, outputs
from tests.servers.assistants.test_resumption import merged, spoken
from tests.servers.described import frames

USER = {"role": "user", "content": "Hi"}


class SharedMemory(MemoryStorage):
    """A store in memory that several servers of this process serve."""

    shared = True


@dataclass
class Fleet:
    """Two servers, which think with models of their own."""

    one: Desk
    other: Desk


@pytest.fixture
async def fleet(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Fleet]:
    storage = SharedMemory()
    monkeypatch.setattr(backend, "open_storage", lambda url, blob_url: storage)
    async with desk() as one, desk() as other:
        yield Fleet(one, other)


@asynccontextmanager
async def at_work(fleet: Fleet) -> AsyncIterator[tuple[str, asyncio.Event]]:
    """The path of a run that has said "One two" at one server, and waits with the rest."""
    hold = fleet.one.hold()
    path = await fleet.one.running()
    reader = fleet.one.connect("GET", f"{path}?stream=true")
    await reader.until(b" two")
    yield path, hold
    hold.set()
    await reader.over()


async def test_a_run_is_streamed_wherever_it_is_at_work(fleet: Fleet) -> None:
    async with at_work(fleet) as (path, hold):
        far = fleet.other.connect("GET", f"{path}?stream=true")
        await far.until(b" two")
        hold.set()
        told = list(frames((await far.over()).body))
    assert "".join(spoken(told)) == "One two three"
    assert merged(told) == merged(await fleet.one.told(f"{path}?stream=true", method="GET"))
    assert not fleet.other.upstream.requests


async def test_a_stream_is_taken_up_at_another_server(fleet: Fleet) -> None:
    hold = fleet.one.hold()
    path = await fleet.one.running()
    near = fleet.one.connect("GET", f"{path}?stream=true")
    await near.until(b" two")
    seen = [each for each in frames(near.body) if each.id]
    readers = [fleet.other.connect("GET", f"{path}?stream=true", last_event_id=str(each.id)) for each in seen]
    await readers[0].until(b" two")
    hold.set()
    whole = list(frames((await near.over()).body))
    for cut, reader in zip(seen, readers, strict=True):
        rest = list(frames((await reader.over()).body))
        assert merged(rest) == merged(whole[whole.index(cut) + 1 :])


async def test_a_run_is_cancelled_wherever_it_is_at_work(fleet: Fleet) -> None:
    async with at_work(fleet) as (path, _):
        assert (await fleet.other.post(f"{path}/cancel"))["status"] == "cancelling"
        assert (await fleet.other.over(path))["status"] == "cancelled"
        await fleet.one.upstream.wait_closed(1, 30)


async def test_outputs_are_submitted_to_any_server(fleet: Fleet) -> None:
    path, calls = await fleet.one.waiting()
    fleet.other.play(Reply("Sun."))
    told = await fleet.other.told(f"{path}/submit_tool_outputs", outputs(*((id, "sun") for id in calls)))
    assert names(told)[:3] == ["thread.run.queued", "thread.run.in_progress", "thread.run.step.completed"]
    assert names(told)[-2:] == ["thread.run.completed", "done"]
    assert (await fleet.one.get(path))["status"] == "completed"
    assert len(fleet.one.upstream.requests) == len(fleet.other.upstream.requests) == 1


async def test_outputs_that_come_again_are_the_same_outputs(fleet: Fleet) -> None:
    """The server that took them died before it had answered."""
    path, calls = await fleet.one.waiting()
    given = {**outputs(*((id, "sun") for id in calls)), "stream": True}
    fleet.one.play(Reply("Sun."))
    async with dying():
        first = await fleet.one.connect("POST", f"{path}/submit_tool_outputs", given, idempotency_key="k").over()
    again = await fleet.other.connect("POST", f"{path}/submit_tool_outputs", given, idempotency_key="k").over()
    assert merged(list(frames(again.body))) == merged(list(frames(first.body)))
    assert not fleet.other.upstream.requests


async def test_who_asks_another_server_again_reads_the_same_run(fleet: Fleet) -> None:
    hold, body = fleet.one.hold(), {"assistant_id": await fleet.one.assistant(), "stream": True}
    first = fleet.one.connect("POST", "/threads/runs", body, idempotency_key="once")
    await first.until(b" two")
    second = fleet.other.connect("POST", "/threads/runs", body, idempotency_key="once")
    await second.until(b" two")
    other = fleet.other.connect("POST", "/threads/runs", {**body, "stream": False}, idempotency_key="once")
    assert (await other.over()).error["code"] == "idempotency_mismatch"
    hold.set()
    await asyncio.gather(first.over(), second.over())
    assert second.headers["idempotent-replayed"] == "true"
    assert merged(list(frames(second.body))) == merged(list(frames(first.body)))
    third = await fleet.other.connect("POST", "/threads/runs", body, idempotency_key="once").over()
    assert third.body == first.body
    assert not fleet.other.upstream.requests


@pytest.mark.parametrize("stream", [False, True])
async def test_a_chat_that_is_sent_to_another_server_again_is_answered_once(fleet: Fleet, stream: bool) -> None:
    hold, body = fleet.one.hold(), {"messages": [USER], "conversation_id": "talk", "stream": stream}
    first = fleet.one.connect("POST", "/chat/completions", body, idempotency_key="once")
    await fleet.one.upstream.wait_requests(1, 30)
    second = fleet.other.connect("POST", "/chat/completions", body, idempotency_key="once")
    left = fleet.other.connect("POST", "/chat/completions", body, idempotency_key="once")
    left.leave()
    await left.over()
    assert not left.started
    hold.set()
    await asyncio.gather(first.over(), second.over())
    assert (second.status, second.headers["idempotent-replayed"]) == (200, "true")
    if not stream:
        assert second.json()["choices"] == first.json()["choices"]
    assert len(fleet.one.upstream.requests) == 1
    assert not fleet.other.upstream.requests


@pytest.mark.parametrize("stream", [False, True])
async def test_a_chat_that_was_written_and_not_answered_is_answered_from_what_was_written(
    fleet: Fleet, stream: bool
) -> None:
    """The server died between the two."""
    thread = await fleet.one.thread()
    body = {"messages": [USER], "conversation_id": thread, "stream": stream, "store": True}
    fleet.one.play("Yes.")
    async with dying():
        first = await fleet.one.connect("POST", "/chat/completions", body, idempotency_key="k").over()
    again = await fleet.other.connect("POST", "/chat/completions", body, idempotency_key="k").over()
    assert said(again.body, stream) == said(first.body, stream) == "Yes."
    assert not fleet.other.upstream.requests
    assert await fleet.other.texts(thread) == [("user", "Hi"), ("assistant", "Yes.")]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_run_that_was_accepted_and_not_answered_is_the_one(fleet: Fleet, stream: bool) -> None:
    thread = await fleet.one.thread("Hi")
    fleet.one.play("Yes.")
    for path in ("/threads/runs", f"/threads/{thread}/runs"):
        body = {"assistant_id": await fleet.one.assistant(), "stream": stream}
        async with dying():
            first = await fleet.one.connect("POST", path, body, idempotency_key=path).over()
        again = await fleet.other.connect("POST", path, body, idempotency_key=path).over()
        if stream:
            assert merged(list(frames(again.body))) == merged(list(frames(first.body)))
        else:
            assert again.json() == first.json()
    assert not fleet.other.upstream.requests
    listed = await fleet.other.get(f"/threads/{thread}/runs")
    assert len(listed["data"]) == 1


@asynccontextmanager
async def dying() -> AsyncIterator[None]:
    """The answer to the request inside is never kept: its server dies before, and others may take over what it did."""
    over = asyncio.Event()

    async def die(self: Repeats, tenant: str, key: str, claim: Claim, result: Result) -> bool:
        await self.release(tenant, key, claim, begun=True)
        over.set()
        return True

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Repeats, "keep", die)
        yield
        async with asyncio.timeout(30):
            await over.wait()


def said(body: bytes, stream: bool) -> str:
    if not stream:
        return str(orjson.loads(body)["choices"][0]["message"]["content"])
    data = [line.removeprefix(b"data: ") for line in body.split(b"\n") if line.startswith(b"data: {")]
    chunks: list[Any] = [orjson.loads(each) for each in data]
    return "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])
