"""`response_format` and tools are kept as they were given, shown as they were given, and reach the model."""

from __future__ import annotations

from typing import Any, Final

import pytest

from tests.servers.assistants.desk import Desk

SCHEMA: Final = {
    "type": "object",
    "properties": {"a": {"type": "string"}},
    "required": ["a"],
    "additionalProperties": False,
}
FORMAT: Final = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True}}


@pytest.mark.parametrize("given", [FORMAT, {"type": "json_object"}], ids=["schema", "object"])
@pytest.mark.parametrize("by", ["assistant", "run"])
async def test_a_format_reaches_the_model(desk: Desk, given: dict[str, Any], by: str) -> None:
    desk.play('{"a": "JSON"}')
    assistant = await desk.assistant(**({"response_format": given} if by == "assistant" else {}))
    thread = await desk.thread("Answer in JSON.")
    run = await desk.post(
        f"/threads/{thread}/runs", assistant_id=assistant, **({"response_format": given} if by == "run" else {})
    )
    done = await desk.over(f"/threads/{thread}/runs/{run['id']}")
    assert (done["status"], done["response_format"]) == ("completed", given)
    assert desk.upstream.requests[-1].body["response_format"] == given
    if by == "assistant":
        assert (await desk.get(f"/assistants/{assistant}"))["response_format"] == given


async def test_nulls_in_tools_are_not_shown_again(desk: Desk) -> None:
    function = {
        "name": "f",
        "description": None,
        "parameters": {"type": "object", "properties": {"a": {"default": None}}},
    }
    assistant = await desk.assistant(tools=[{"type": "function", "function": function}, {"type": "file_search"}])
    shown = {key: value for key, value in function.items() if value is not None}
    expected = [{"type": "function", "function": shown}, {"type": "file_search"}]
    assert (await desk.get(f"/assistants/{assistant}"))["tools"] == expected


async def test_ranking_needs_its_threshold(desk: Desk) -> None:
    tool = {"type": "file_search", "file_search": {"ranking_options": {"ranker": "auto"}}}
    error = await desk.refused("POST", "/assistants", {"tools": [tool]})
    assert error["param"] == "tools[0].file_search.ranking_options.score_threshold"
