"""What is easily missed: changes of what is at work, limits that OpenAI does not write down."""

from __future__ import annotations

from typing import Any

import pytest

from tests.servers.assistants.desk import WEATHER, Desk


async def test_metadata_of_a_run_at_work(desk: Desk) -> None:
    hold = desk.hold()
    path = await desk.running(metadata={"a": "1"})
    await desk.upstream.wait_requests(1)
    assert (await desk.post(path, metadata={"b": "2"}))["metadata"] == {"b": "2"}
    assert (await desk.get(path))["metadata"] == {"b": "2"}
    [listed] = (await desk.get(path.rpartition("/")[0]))["data"]
    assert listed["metadata"] == {"b": "2"}
    hold.set()
    assert (await desk.over(path))["metadata"] == {"b": "2"}


@pytest.mark.parametrize("content", ["x" * 256_001, [{"type": "text", "text": "x" * 256_001}]])
async def test_a_text_that_is_too_long(desk: Desk, content: Any) -> None:
    thread = await desk.thread()
    error = await desk.refused("POST", f"/threads/{thread}/messages", {"role": "user", "content": content})
    assert error["code"] == "string_above_max_length"
    assert str(error["param"]).startswith("content")


async def test_a_null_leaves_the_model_of_an_assistant(desk: Desk) -> None:
    id = await desk.assistant(model="gpt-4o")
    assert (await desk.post(f"/assistants/{id}", model=None))["model"] == "gpt-4o"


@pytest.mark.parametrize("effort", ["enormous", "h" * 100_000])
async def test_an_effort_that_nobody_knows(desk: Desk, effort: str) -> None:
    fields = {"model": "cortex-flow", "reasoning_effort": effort}
    assert (await desk.refused("POST", "/assistants", fields))["param"] == "reasoning_effort"


async def test_functions_of_one_name(desk: Desk) -> None:
    fields = {"model": "cortex-flow", "tools": [WEATHER, WEATHER]}
    assert (await desk.refused("POST", "/assistants", fields))["param"] == "tools"


async def test_ids_are_told_as_they_were_written(desk: Desk) -> None:
    thread = await desk.thread("Hi")
    assert "'msg_x'" in (await desk.refused("GET", f"/threads/{thread}/messages?after=msg_x"))["message"]
    assert "'run_x'" in (await desk.refused("GET", f"/threads/{thread}/runs/run_x", status=404))["message"]
