"""All nine statuses, reached for real, and what holds in each of them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.replies import Reply, transfer
from tests.servers.assistants.desk import ENDED, Desk, desk, outputs
from tests.upstream import by_agent

SUBMIT = "submit_tool_outputs"


async def test_queued_until_there_is_room() -> None:
    async with desk(max_concurrent_runs=1) as here:
        hold = here.hold()
        first = await here.running()
        await here.upstream.wait_requests(1)
        second = await here.running()
        assert (await here.get(first))["status"] == "in_progress"
        waiting = await here.get(second)
        assert (waiting["status"], waiting["started_at"], waiting["usage"]) == ("queued", None, None)
        hold.set()
        assert (await here.over(first))["status"] == (await here.over(second))["status"] == "completed"


async def test_a_queued_run_can_be_cancelled_and_never_asks_the_model() -> None:
    async with desk(max_concurrent_runs=1) as here:
        hold = here.hold()
        first = await here.running()
        await here.upstream.wait_requests(1)
        second = await here.running()
        assert (await here.post(f"{second}/cancel"))["status"] == "cancelled"
        assert (await here.over(second))["status"] == "cancelled"
        hold.set()
        await here.over(first)
        assert len(here.upstream.requests) == 1


async def test_in_progress_then_completed(desk: Desk) -> None:
    hold = desk.hold()
    path = await desk.running()
    await desk.upstream.wait_requests(1)
    working = await desk.get(path)
    assert (working["status"], working["completed_at"], working["usage"]) == ("in_progress", None, None)
    assert working["started_at"] is not None
    assert working["expires_at"] > working["created_at"]
    hold.set()
    done = await desk.over(path)
    assert (done["status"], done["expires_at"], done["last_error"]) == ("completed", None, None)
    assert done["completed_at"] >= done["started_at"] >= done["created_at"]
    assert done["usage"]["total_tokens"] == done["usage"]["prompt_tokens"] + done["usage"]["completion_tokens"] > 0


async def test_requires_action_for_several_calls_at_once(desk: Desk) -> None:
    path, (rome, oslo) = await desk.waiting()
    run = await desk.get(path)
    assert run["status"] == "requires_action"
    calls = run["required_action"]["submit_tool_outputs"]["tool_calls"]
    assert [call["function"]["arguments"] for call in calls] == ['{"city":"Rome"}', '{"city":"Oslo"}']
    await desk.post(f"{path}/{SUBMIT}", **outputs((oslo, "snow"), (rome, "sun")))
    assert (await desk.over(path))["status"] == "completed"
    told = [message["content"] for message in desk.upstream.requests[-1].body["messages"] if message["role"] == "tool"]
    assert told == ["sun", "snow"]


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"tool_outputs": None},
        {"tool_outputs": []},
        {"tool_outputs": ["first"]},
        {"tool_outputs": ["first", "first"]},
        {"tool_outputs": ["first", "second", "second"]},
        {"tool_outputs": ["first", "call_nobody"]},
        {"tool_outputs": ["first", "second", "call_nobody"]},
        {"tool_outputs": ["first", ""]},
    ],
    ids=str,
)
async def test_outputs_that_are_wrong_missing_or_doubled(desk: Desk, given: dict[str, Any]) -> None:
    path, calls = await desk.waiting()
    ids = {"first": calls[0], "second": calls[1]}
    if given.get("tool_outputs"):
        given = outputs(*((ids.get(each, each), "sun") for each in given["tool_outputs"]))
    before = await desk.get(path)
    error = await desk.refused("POST", f"{path}/{SUBMIT}", given)
    assert error["param"].startswith("tool_outputs")
    assert await desk.get(path) == before
    await desk.post(f"{path}/{SUBMIT}", **outputs(*((id, "sun") for id in calls)))
    assert (await desk.over(path))["status"] == "completed"


async def test_a_function_of_the_client_s_stays_one_whatever_its_name(desk: Desk) -> None:
    python = {"type": "function", "function": {"name": "python", "parameters": {"type": "object", "properties": {}}}}
    desk.play(Reply(calls=[("python", {"code": "1 + 1"})]), "Two.")
    path = await desk.running(tools=[python])
    asked = (await desk.over(path))["required_action"]["submit_tool_outputs"]["tool_calls"]
    await desk.post(f"{path}/submit_tool_outputs", **outputs((asked[0]["id"], "2")))
    await desk.over(path)
    [*_, step] = (await desk.get(f"{path}/steps"))["data"]
    [call] = step["step_details"]["tool_calls"]
    assert (call["type"], call["function"]["output"]) == ("function", "2")


async def test_outputs_that_two_submit_at_once_are_taken_once(desk: Desk) -> None:
    path, calls = await desk.waiting()
    given = outputs(*((id, "sun") for id in calls))
    answers = await asyncio.gather(*(desk.ask("POST", f"{path}/{SUBMIT}", given) for _ in range(5)))
    assert sorted(answer.status for answer in answers) == [200, 400, 400, 400, 400]
    assert (await desk.over(path))["status"] == "completed"
    assert len(desk.upstream.requests) == 2


async def test_a_second_round_of_calls_lists_the_new_ones_alone(desk: Desk) -> None:
    path, calls = await desk.waiting(("weather", {"city": "Rome"}))
    desk.play(Reply(calls=[("weather", {"city": "Oslo"})]), "Done.")
    await desk.post(f"{path}/{SUBMIT}", **outputs((calls[0], "sun")))
    again = (await desk.over(path))["required_action"]["submit_tool_outputs"]["tool_calls"]
    assert [call["function"]["arguments"] for call in again] == ['{"city":"Oslo"}']
    await desk.refused("POST", f"{path}/{SUBMIT}", outputs((calls[0], "sun")))
    await desk.post(f"{path}/{SUBMIT}", **outputs((again[0]["id"], "snow")))
    assert (await desk.over(path))["status"] == "completed"
    steps = (await desk.get(f"{path}/steps?order=asc"))["data"]
    assert [step["type"] for step in steps] == ["tool_calls", "tool_calls", "message_creation"]
    assert [step["status"] for step in steps] == ["completed"] * 3


async def test_cancelling_then_cancelled_and_the_model_is_left_at_once(desk: Desk) -> None:
    desk.hold()
    path = await desk.running()
    await desk.upstream.wait_requests(1)
    assert (await desk.post(f"{path}/cancel"))["status"] in {"cancelling", "cancelled"}  # where writing takes its time
    await desk.upstream.wait_closed(1, timeout=1)
    run = await desk.over(path)
    assert (run["status"], run["completed_at"], run["expires_at"]) == ("cancelled", None, None)
    assert run["cancelled_at"] >= run["created_at"]


async def test_cancelling_while_agents_work(desk: Desk) -> None:
    hold = asyncio.Event()
    held = [Reply("never", hold=hold)]
    both = Reply(calls=[transfer("researcher"), transfer("analyst")])
    desk.upstream.script = by_agent(supervisor=[both], researcher=held, analyst=held)
    path = await desk.running()
    await desk.upstream.wait_requests(3)
    await desk.post(f"{path}/cancel")
    await desk.upstream.wait_closed(2, timeout=1)
    assert (await desk.over(path))["status"] == "cancelled"
    steps = (await desk.get(f"{path}/steps"))["data"]
    assert [(step["type"], step["status"]) for step in steps] == [("tool_calls", "cancelled")] * 2


async def test_a_run_that_waits_for_its_client_can_be_cancelled(desk: Desk) -> None:
    path, calls = await desk.waiting()
    assert (await desk.post(f"{path}/cancel"))["status"] in ("cancelling", "cancelled")
    assert (await desk.over(path))["status"] == "cancelled"
    error = await desk.refused("POST", f"{path}/{SUBMIT}", outputs(*((id, "sun") for id in calls)))
    assert "cancelled" in error["message"]
    assert (await desk.get(path))["required_action"] is None


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (Reply(status=401, error="no key"), "server_error"),
        (Reply(status=400, error="what is this"), "invalid_prompt"),
        (Reply(status=429, error="slow down", headers={"retry-after": "3600"}), "rate_limit_exceeded"),
        (Reply("half a", error={"message": "broken", "type": "server_error"}), "server_error"),
        (Reply("half a sentence", cut_after=1), "server_error"),
    ],
    ids=["refused", "bad prompt", "rate limit", "broken off", "cut"],
)
async def test_failed_says_why(desk: Desk, reply: Reply, code: str) -> None:
    desk.play(reply)
    path = await desk.running()
    run = await desk.over(path)
    assert (run["status"], run["last_error"]["code"]) == ("failed", code)
    assert run["last_error"]["message"]
    assert run["failed_at"] >= run["created_at"]
    desk.play("Better.")
    thread = run["thread_id"]
    again = await desk.post(f"/threads/{thread}/runs", assistant_id=run["assistant_id"])
    assert (await desk.over(f"/threads/{thread}/runs/{again['id']}"))["status"] == "completed"


async def test_incomplete_by_max_completion_tokens(desk: Desk) -> None:
    desk.play(Reply("word " * 600))
    path = await desk.running(max_completion_tokens=256)
    run = await desk.over(path)
    assert (run["status"], run["incomplete_details"]) == ("incomplete", {"reason": "max_completion_tokens"})
    assert run["max_completion_tokens"] == 256
    (message, _) = (await desk.get(f"/threads/{run['thread_id']}/messages"))["data"]
    assert (message["status"], message["incomplete_details"]) == ("incomplete", {"reason": "max_tokens"})
    assert 200 < len(message["content"][0]["text"]["value"].split()) <= 256


async def test_incomplete_by_max_prompt_tokens(desk: Desk) -> None:
    desk.upstream.script = by_agent(
        supervisor=[Reply(calls=[transfer("researcher")]), "Done."], researcher=["x " * 500]
    )
    path = await desk.running("a " * 100, max_prompt_tokens=256)
    run = await desk.over(path)
    assert (run["status"], run["incomplete_details"]) == ("incomplete", {"reason": "max_prompt_tokens"})


async def test_a_content_filter_makes_a_run_incomplete(desk: Desk) -> None:
    desk.play(Reply("I", finish="content_filter"))
    run = await desk.over(await desk.running())
    assert run["status"] == "incomplete"


async def test_expired_at_work() -> None:
    async with desk(run_timeout=0.3) as here:
        here.hold()
        run = await here.over(await here.running())
        assert (run["status"], run["expires_at"], run["last_error"]) == ("expired", None, None)
        await here.upstream.wait_closed(1)


async def test_expired_while_it_waits_for_its_client() -> None:
    async with desk(run_timeout=2) as here:
        path, calls = await here.waiting()
        await _until(asyncio.get_running_loop().time() + 2.1)
        run = await here.get(path)
        assert (run["status"], run["required_action"]) == ("expired", None)
        await here.refused("POST", f"{path}/{SUBMIT}", outputs(*((id, "sun") for id in calls)))
        here.play("Again.")
        again = await here.post(path.rpartition("/")[0], assistant_id=run["assistant_id"])
        assert again["status"] == "queued"


async def _until(moment: float) -> None:
    reached = asyncio.Event()
    asyncio.get_running_loop().call_at(moment, reached.set)
    await reached.wait()


@pytest.mark.parametrize("end", ENDED)
async def test_what_has_ended_never_changes(end: str) -> None:
    async with desk(run_timeout=30 if end != "expired" else 0.3) as here:
        path = await _ended(here, end)
        run = await here.get(path)
        assert run["status"] == end
        await here.refused("POST", f"{path}/cancel")
        await here.refused("POST", f"{path}/{SUBMIT}", outputs(("call_x", "sun")))
        await here.told(f"{path}?stream=true", method="GET")
        assert await here.get(path) == run
        assert (await here.post(path, metadata={"a": "b"})) == {**run, "metadata": {"a": "b"}}
        assert await here.get(path) == {**run, "metadata": {"a": "b"}}


async def _ended(here: Desk, end: str) -> str:
    here.play({"failed": Reply(status=401, error="no"), "incomplete": Reply("no", finish="length")}.get(end, "Yes."))
    if end in ("cancelled", "expired"):
        here.hold()
    path = await here.running()
    if end == "cancelled":
        await here.upstream.wait_requests(1)
        await here.post(f"{path}/cancel")
    await here.over(path)
    return path


@pytest.mark.parametrize("waits", [False, True], ids=["at work", "waiting"])
async def test_a_thread_has_one_run_at_a_time(desk: Desk, waits: bool) -> None:
    if waits:
        path, _ = await desk.waiting()
    else:
        desk.hold()
        path = await desk.running()
        await desk.upstream.wait_requests(1)
    run = await desk.get(path)
    thread = f"/threads/{run['thread_id']}"
    error = await desk.refused("POST", f"{thread}/runs", {"assistant_id": run["assistant_id"]})
    assert error["message"] == f"Thread {run['thread_id']} already has an active run {run['id']}."
    error = await desk.refused("POST", f"{thread}/messages", {"role": "user", "content": "And?"})
    assert error["message"] == f"Can't add messages to {run['thread_id']} while a run {run['id']} is active."
    message = (await desk.get(f"{thread}/messages"))["data"][0]
    await desk.refused("DELETE", f"{thread}/messages/{message['id']}")
    assert len((await desk.get(f"{thread}/messages"))["data"]) == 1
    assert (await desk.get(path))["status"] == run["status"]
    await desk.post(f"{path}/cancel")
    await desk.over(path)
    await desk.post(f"{thread}/messages", role="user", content="And?")


async def test_deleting_a_thread_cancels_its_run(desk: Desk) -> None:
    desk.hold()
    path = await desk.running()
    await desk.upstream.wait_requests(1)
    thread = path.split("/")[2]
    await desk.delete(f"/threads/{thread}")
    await desk.upstream.wait_closed(1, timeout=1)
    for gone in (path, f"/threads/{thread}", f"/threads/{thread}/messages", f"{path}/steps", f"/threads/{thread}/runs"):
        await desk.refused("GET", gone, status=404)


async def test_a_thread_that_was_made_with_a_refused_run_is_gone(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("servers.assistants.decode.new_id", lambda: "A" * 24)
    assistant = await desk.assistant()
    chosen = {"type": "function", "function": {"name": "nobody"}}
    await desk.refused("POST", "/threads/runs", {"assistant_id": assistant, "tool_choice": chosen})
    await desk.refused("GET", f"/threads/thread_{'A' * 24}", status=404)


async def test_a_run_of_another_thread_is_not_found(desk: Desk) -> None:
    path, other = await desk.running(), await desk.thread("x")
    run = path.rpartition("/")[2]
    await desk.over(path)
    for tail in ("", "/steps", "?stream=true"):
        await desk.refused("GET", f"/threads/{other}/runs/{run}{tail}", status=404)
    await desk.refused("POST", f"/threads/{other}/runs/{run}/cancel", status=404)
    await desk.refused("POST", f"/threads/{other}/runs/{run}/submit_tool_outputs", outputs(("x", "y")), status=404)
