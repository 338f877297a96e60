"""A stream that broke is taken up at whatever event it broke at; a run goes on without its readers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.replies import Reply, transfer
from tests.servers.assistants.desk import CALLS, WEATHER, Desk, names, outputs
from tests.servers.described import Told, frames
from tests.upstream import Script, always, by_agent


def delegated() -> Script:
    both = Reply("I ask two.", calls=[transfer("researcher"), transfer("analyst")])
    return by_agent(supervisor=[both, "Tea is two thousand years old."], researcher=["Found."], analyst=["2000"])


def written() -> Script:
    return by_agent(supervisor=[Reply(calls=[transfer("writer", final=True)])], writer=["Roses are red, é 😀."])


SCRIPTS: dict[str, Callable[[], Script]] = {
    "an answer": lambda: always("Hello, this is an answer."),
    "agents at work": delegated,
    "the writer's text": written,
    "calls": lambda: always(Reply("Let me see.", calls=CALLS)),
    "cut short": lambda: always(Reply("One two", finish="length")),
    "failed late": lambda: always(Reply("One two three", cut_after=2)),
}


@pytest.mark.parametrize("name", SCRIPTS)
async def test_every_event_of_a_stream_is_a_place_to_go_on(desk: Desk, name: str) -> None:
    """What was streamed live and what is read later are the same, frame by frame, but for deltas: those that nobody has
    read come as one."""
    desk.upstream.script = SCRIPTS[name]()
    told = await streamed(desk)
    path = path_of(told)
    cut_at = [number for number, each in enumerate(told) if each.id]
    assert len(cut_at) >= 3
    for number in cut_at:
        rest = await desk.told(f"{path}?stream=true", method="GET", last_event_id=str(told[number].id))
        assert merged(rest) == merged(told[number + 1 :])
    assert merged(await desk.told(f"{path}?stream=true", method="GET")) == merged(told)


async def test_who_goes_on_while_the_run_is_at_work_hears_the_rest_live(desk: Desk) -> None:
    hold = desk.hold()
    path = await desk.running()
    first = desk.connect("GET", f"{path}?stream=true")
    await first.until(b" two")
    first.leave()
    await first.over()
    seen = list(frames(first.body))
    id = next(each.id for each in reversed(seen) if each.id)
    second = asyncio.create_task(desk.told(f"{path}?stream=true", method="GET", last_event_id=str(id)))
    hold.set()
    rest = await second
    text = "".join(spoken(seen)) + "".join(spoken(rest))
    assert text == "One two three"
    assert names(rest)[-2:] == ["thread.run.completed", "done"]
    assert names(rest).count("thread.message.created") == 0


async def test_a_run_goes_on_when_its_reader_leaves(desk: Desk) -> None:
    hold = desk.hold()
    assistant, thread = await desk.assistant(), await desk.thread("Hi")
    reader = desk.connect("POST", f"/threads/{thread}/runs", {"assistant_id": assistant, "stream": True})
    await reader.until(b"thread.message.delta")
    reader.leave()
    await reader.over()
    run = next(each.data for each in frames(reader.body) if each.event == "thread.run.created")
    hold.set()
    assert (await desk.over(f"/threads/{thread}/runs/{run['id']}"))["status"] == "completed"
    assert await desk.texts(thread) == [("user", "Hi"), ("assistant", "One two three")]
    assert desk.upstream.closed_early == 0


async def test_who_asks_again_for_a_stream_that_it_has_left_reads_the_same_run(desk: Desk) -> None:
    hold, body = desk.hold(), {"assistant_id": await desk.assistant(), "stream": True}
    first = desk.connect("POST", "/threads/runs", body, idempotency_key="once")
    await first.until(b"thread.message.delta")
    first.leave()
    await first.over()
    second = desk.connect("POST", "/threads/runs", body, idempotency_key="once")
    await second.until(b"thread.message.delta")
    hold.set()
    await second.over()
    assert second.headers["idempotent-replayed"] == "true"
    assert second.body.startswith(first.body)
    assert names(list(frames(second.body)))[-2:] == ["thread.run.completed", "done"]
    third = await desk.connect("POST", "/threads/runs", body, idempotency_key="once").over()
    assert third.body == second.body
    assert len(desk.upstream.requests) == 1


async def test_outputs_submitted_in_a_stream_and_taken_up_there(desk: Desk) -> None:
    path, calls = await desk.waiting()
    desk.play("Sun and snow everywhere.")
    told = await desk.told(f"{path}/submit_tool_outputs", outputs(*((id, "sun") for id in calls)))
    assert names(told)[:3] == ["thread.run.queued", "thread.run.in_progress", "thread.run.step.completed"]
    assert names(told)[-2:] == ["thread.run.completed", "done"]
    for number in [number for number, each in enumerate(told) if each.id]:
        rest = await desk.told(f"{path}?stream=true", method="GET", last_event_id=str(told[number].id))
        assert merged(rest) == merged(told[number + 1 :])


async def test_many_readers_hear_the_same(desk: Desk) -> None:
    hold = desk.hold()
    path = await desk.running()
    readers = [desk.connect("GET", f"{path}?stream=true") for _ in range(5)]
    for reader in readers:
        await reader.until(b"thread.message.delta")
    hold.set()
    heard = [list(frames((await reader.over()).body)) for reader in readers]
    assert all(each == heard[0] for each in heard)


@pytest.mark.parametrize("id", ["", "0.0", "999.0", "1.99999", "3.1"])
async def test_ids_beyond_the_stream_end_it_well(desk: Desk, id: str) -> None:
    path = await desk.running()
    await desk.over(path)
    assert names(await desk.told(f"{path}?stream=true", method="GET", last_event_id=id))[-1] == "done"


@pytest.mark.parametrize("id", ["x", "1", "-1.0", "1.0.0", "1e3.0", "9" * 40 + ".0"])
async def test_ids_that_are_none_of_ours_are_refused(desk: Desk, id: str) -> None:
    path = await desk.running()
    await desk.over(path)
    answer = await desk.ask("GET", f"{path}?stream=true", last_event_id=id)
    assert (answer.status, answer.error["param"]) == (400, "Last-Event-ID")


async def streamed(desk: Desk) -> list[Told]:
    assistant, thread = await desk.assistant(tools=[WEATHER]), await desk.thread("Tell me")
    return await desk.told(f"/threads/{thread}/runs", {"assistant_id": assistant})


def path_of(told: list[Told]) -> str:
    run = next(each.data for each in told if each.event == "thread.run.created")
    return f"/threads/{run['thread_id']}/runs/{run['id']}"


def spoken(told: list[Told]) -> list[str]:
    deltas = [each.data["delta"]["content"] for each in told if each.event == "thread.message.delta"]
    return [part["text"].get("value", "") for content in deltas for part in content]


def merged(told: list[Told]) -> dict[str, list[Any]]:
    """Events and data of each object, with neighbouring deltas of one part as one. How objects stand among each other is
    another thing: live, calls begin while the text before them is open."""
    result: dict[str, list[Any]] = {}
    for event, data, _ in told:
        of = result.setdefault("" if event == "done" else data["id"], [])
        if of and of[-1][0] == event and event.endswith(".delta") and (joined := _joined(of[-1][1], data)):
            of[-1] = (event, joined)
        else:
            of.append((event, data))
    return result


def _joined(one: Any, other: Any) -> Any:
    """Two deltas of one text or of one call's arguments as one; None for others."""
    if one["id"] != other["id"]:
        return None
    if content := one["delta"].get("content"):
        first, second = content[0]["text"], other["delta"]["content"][0]["text"]
        if "value" in first and "value" in second:
            text = {"value": first["value"] + second["value"]}
            return {**one, "delta": {"content": [{**content[0], "text": text}]}}
        return None
    (first,), (second,) = (each["delta"]["step_details"]["tool_calls"] for each in (one, other))
    if first["index"] != second["index"] or "arguments" not in second["function"] or "output" in second["function"]:
        return None
    function = {
        **first["function"],
        "arguments": first["function"].get("arguments", "") + second["function"]["arguments"],
    }
    details = {"type": "tool_calls", "tool_calls": [{**first, "function": function}]}
    return {**one, "delta": {"step_details": details}}
