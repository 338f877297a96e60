"""One conversation in two dialects: what chat has said is a thread's, and the other way round."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.replies import Reply
from tests.servers.assistants.desk import WEATHER, Desk, good, outputs


async def chat(desk: Desk, *said: str | dict[str, Any], id: str, **fields: Any) -> Any:
    """A chat's answer."""
    return good(await asked(desk, *said, id=id, **fields))


async def asked(desk: Desk, *said: str | dict[str, Any], id: str, **fields: Any) -> Any:
    messages = [{"role": "user", "content": each} if isinstance(each, str) else each for each in said]
    return await desk.ask("POST", "/chat/completions", {"messages": messages, "conversation_id": id, **fields})


async def run(desk: Desk, thread: str, **fields: Any) -> Any:
    started = await desk.post(f"/threads/{thread}/runs", assistant_id=await desk.assistant(), **fields)
    return await desk.over(f"/threads/{thread}/runs/{started['id']}")


def heard(desk: Desk) -> list[tuple[str, str]]:
    """What the model was told last, without what is the server's own."""
    messages = desk.upstream.requests[-1].body["messages"]
    return [(each["role"], each["content"]) for each in messages if each["role"] != "system"]


@pytest.mark.parametrize("prefix", ["thread_", "conv_", ""])
async def test_chat_goes_on_with_a_thread(desk: Desk, prefix: str) -> None:
    desk.play("Good to know.", "Tea.")
    thread = await desk.thread("I like tea.")
    assert (await run(desk, thread))["status"] == "completed"
    id = f"{prefix}{thread.removeprefix('thread_')}"
    answer = await chat(desk, "What do I like?", id=id)
    assert answer["conversation_id"] == id
    assert answer["metadata"]["thread_id"] == thread
    assert heard(desk) == [("user", "I like tea."), ("assistant", "Good to know."), ("user", "What do I like?")]
    told = [("user", "I like tea."), ("assistant", "Good to know."), ("user", "What do I like?"), ("assistant", "Tea.")]
    assert await desk.texts(thread) == told


@pytest.mark.parametrize("name", ["my chat/7 é", "thread_7", "conv_abc", None])
async def test_a_thread_goes_on_with_a_chat(desk: Desk, name: str | None) -> None:
    desk.play("Noted.", "Tea.")
    id = f"{name} {uuid4()}" if name else f"conv_{uuid4().hex[:24]}"
    thread = (await chat(desk, "I like tea.", id=id))["metadata"]["thread_id"]
    assert await desk.texts(thread) == [("user", "I like tea."), ("assistant", "Noted.")]
    assert (await desk.get(f"/threads/{thread}"))["id"] == thread
    await desk.post(f"/threads/{thread}/messages", role="user", content="What do I like?")
    assert (await run(desk, thread))["thread_id"] == thread
    assert heard(desk) == [("user", "I like tea."), ("assistant", "Noted."), ("user", "What do I like?")]
    desk.play("Bye.")
    await chat(desk, "Bye!", id=id)
    assert len(heard(desk)) == 5


async def test_a_thread_by_the_name_that_a_chat_gave_it(desk: Desk) -> None:
    name = f"thread_mine-{uuid4()}"
    desk.play("Noted.", "Tea.")
    thread = (await chat(desk, "I like tea.", id=name))["metadata"]["thread_id"]
    begun = await run(desk, name)
    assert begun["thread_id"] == thread
    assert (await desk.get(f"/threads/{name}/runs/{begun['id']}"))["id"] == begun["id"]
    assert await desk.texts(name) == await desk.texts(thread)


async def test_what_a_chat_resends_is_not_doubled(desk: Desk) -> None:
    desk.play("Noted.", "Tea.", "Always.")
    thread = await desk.thread("I like tea.")
    await run(desk, thread)
    history = [
        {"role": "user", "content": "I like tea."},
        {"role": "assistant", "content": "Noted."},
        {"role": "user", "content": "What do I like?"},
    ]
    await chat(desk, *history, id=thread)
    assert [text for _, text in await desk.texts(thread)] == ["I like tea.", "Noted.", "What do I like?", "Tea."]
    await desk.post(f"/threads/{thread}/messages", role="user", content="Since when?")
    await run(desk, thread)
    assert len(await desk.texts(thread)) == 6


async def test_what_an_edit_has_left_is_a_branch(desk: Desk) -> None:
    desk.play("Noted.", "Coffee it is.")
    thread = await desk.thread("I like tea.")
    await desk.post(f"/threads/{thread}/messages", role="assistant", content="Really?")
    await desk.post(f"/threads/{thread}/messages", role="user", content="Yes.")
    await run(desk, thread)
    edited = [
        {"role": "user", "content": "I like tea."},
        {"role": "assistant", "content": "Really?"},
        {"role": "user", "content": "No: coffee."},
    ]
    await chat(desk, *edited, id=thread)
    assert [text for _, text in await desk.texts(thread)] == ["I like tea.", "Really?", "No: coffee.", "Coffee it is."]
    (branch,) = (await desk.get(f"/threads/{thread}/branches"))["data"]
    assert (branch["object"], branch["message_count"]) == ("thread.branch", 2)
    assert [text for _, text in await desk.texts(thread, f"&branch={branch['id']}")] == ["Yes.", "Noted."]
    listed = (await desk.get(f"/threads/{thread}/messages?order=asc"))["data"]
    assert branch["parent_message_id"] == listed[1]["id"]
    left = (await desk.get(f"/threads/{thread}/messages?branch={branch['id']}"))["data"][0]
    assert (await desk.get(f"/threads/{thread}/messages/{left['id']}"))["content"][0]["text"]["value"] == "Noted."
    error = await desk.refused("GET", f"/threads/{thread}/messages?branch=nowhere", status=404)
    assert error["code"] == "not_found"


@pytest.mark.parametrize("prefix", ["thread_", "conv_", ""])
async def test_chat_on_a_thread_with_an_active_run_is_told_to_wait(desk: Desk, prefix: str) -> None:
    hold = desk.hold()
    path = await desk.running()
    thread = path.split("/")[2]
    id = f"{prefix}{thread.removeprefix('thread_')}"
    for stream in (False, True):
        answer = await asked(desk, "And?", id=id, stream=stream)
        assert (answer.status, answer.error["code"]) == (409, "conversation_busy")
        assert int(answer.headers["retry-after"]) >= 1
    hold.set()
    await desk.over(path)
    desk.play("Now.")
    await chat(desk, "And?", id=id)
    assert [role for role, _ in await desk.texts(thread)] == ["user", "assistant", "user", "assistant"]


async def test_chat_on_a_thread_whose_run_waits_for_outputs_is_told_to_wait(desk: Desk) -> None:
    path, calls = await desk.waiting()
    thread = path.split("/")[2]
    assert (await asked(desk, "And?", id=thread)).status == 409
    sent = [{"role": "tool", "tool_call_id": id, "content": "sun"} for id in calls]
    answer = await asked(desk, *sent, id=thread)
    assert answer.status in (400, 409)
    assert (await desk.get(path))["status"] == "requires_action"
    await desk.post(f"{path}/submit_tool_outputs", **outputs(*((id, "sun") for id in calls)))
    assert (await desk.over(path))["status"] == "completed"


async def test_a_run_on_a_conversation_whose_chat_run_waits_ends_that_one(desk: Desk) -> None:
    desk.play(Reply(calls=[("weather", {"city": "Rome"})]), "Never mind.", "Again.")
    id = f"c {uuid4()}"
    first = await chat(desk, "Weather?", id=id, tools=[WEATHER])
    (call,) = first["choices"][0]["message"]["tool_calls"]
    thread = first["metadata"]["thread_id"]
    ended = await run(desk, thread, additional_messages=[{"role": "user", "content": "Forget it."}])
    assert ended["status"] == "completed"
    chats = (await desk.get(f"/threads/{thread}/runs"))["data"]
    assert sorted(each["status"] for each in chats) == ["cancelled", "completed"]
    assert [role for role, _ in heard(desk)][-1] == "user"
    late = await asked(desk, {"role": "tool", "tool_call_id": call["id"], "content": "sun"}, id=id)
    assert late.status == 400


async def test_what_a_chat_asked_of_its_client_is_no_message_of_the_thread(desk: Desk) -> None:
    desk.play(Reply(calls=[("weather", {"city": "Rome"})]), "Sunny.")
    id = f"c {uuid4()}"
    first = await chat(desk, "Weather?", id=id, tools=[WEATHER])
    message = first["choices"][0]["message"]
    output = {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "sun"}
    await chat(desk, {"role": "user", "content": "Weather?"}, message, output, id=id, tools=[WEATHER])
    assert await desk.texts(first["metadata"]["thread_id"]) == [("user", "Weather?"), ("assistant", "Sunny.")]


async def test_steps_of_a_chat_run_can_be_read(desk: Desk) -> None:
    answer = await chat(desk, "Hello", id=f"c {uuid4()}")
    run_path = f"/threads/{answer['metadata']['thread_id']}/runs/{answer['metadata']['run_id']}"
    assert (await desk.get(run_path))["status"] == "completed"
    (step,) = (await desk.get(f"{run_path}/steps"))["data"]
    assert step["type"] == "message_creation"


async def test_a_conversation_of_nobody_is_no_thread(desk: Desk) -> None:
    await desk.refused("GET", f"/threads/thread_{uuid4().hex[:24]}", status=404)
    error = await desk.refused(
        "POST", f"/threads/thread_{uuid4().hex[:24]}/runs", {"assistant_id": await desk.assistant()}, status=404
    )
    assert error["code"] == "not_found"
