"""LangChain's client, which keeps what the server says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from servers import OpenAIServer
from servers.clients import ChatCortexFlow
from tests.servers.embedded import made, thinking_with
from tests.upstream import Reply, Upstream, by_agent, transfer

KEPT = {"conversation_id", "metadata"}
RESEARCH: dict[str, Any] = {
    "supervisor": [Reply(calls=[transfer("researcher", "Look up tea.")]), "Tea it is."],
    "researcher": ["Tea."],
}


@asynccontextmanager
async def model_of(server: OpenAIServer, **fields: Any) -> AsyncIterator[Any]:
    made_of: Any = ChatCortexFlow  # its fields have aliases, which type checkers don't see
    llm = made_of(model="cortex-flow", base_url=server.get_base_url(), api_key="dummy", max_retries=0, **fields)
    try:
        yield llm
    finally:
        await llm.root_async_client.close()
        llm.root_client.close()


@asynccontextmanager
async def playing(**replies: Any) -> AsyncIterator[OpenAIServer]:
    async with Upstream(by_agent(**replies)) as upstream, made(**thinking_with(upstream)) as server:
        yield server


async def summed(chunks: AsyncIterator[Any]) -> Any:
    whole = await anext(chunks)
    async for chunk in chunks:
        whole += chunk
    return whole


async def test_an_answer_keeps_all() -> None:
    async with playing(**RESEARCH) as server, model_of(server, conversation_id="c") as llm:
        answer = await llm.ainvoke("What do they drink?")
    assert answer.content == "Tea it is."
    assert answer.response_metadata["conversation_id"] == "c"
    assert answer.response_metadata["metadata"]["agents_used"] == ["researcher"]


@pytest.mark.parametrize("stream_usage", [False, True])
async def test_a_stream_keeps_all(stream_usage: bool) -> None:
    asked = {"include_progress": True, "stream_usage": stream_usage}
    async with playing(**RESEARCH) as server, model_of(server, **asked) as llm:
        whole = await summed(llm.astream("What do they drink?", conversation_id="c"))
    assert whole.content == "Tea it is."
    assert whole.response_metadata["conversation_id"] == "c"
    assert whole.response_metadata["metadata"]["agents_used"] == ["researcher"]
    assert whole.response_metadata["metadata"]["iterations"] == 2
    assert "Look up tea.\n\nTea." in whole.additional_kwargs["reasoning_content"]
    assert (whole.usage_metadata is not None) is stream_usage


# The client's types say that `metadata` holds strings alone.
@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
async def test_a_stream_of_json_keeps_all() -> None:
    replies = {**RESEARCH, "supervisor": [RESEARCH["supervisor"][0], '{"drink": "tea"}']}
    async with playing(**replies) as server, model_of(server, include_progress=True) as llm:
        chunks = llm.astream("JSON", response_format={"type": "json_object"}, conversation_id="c")
        whole = await summed(chunks)
    assert whole.content == '{"drink": "tea"}'
    assert whole.response_metadata["conversation_id"] == "c"
    assert whole.response_metadata["metadata"]["agents_used"] == ["researcher"]
    assert whole.additional_kwargs["reasoning_content"].count("Look up tea.") == 1


async def test_without_progress_there_is_none() -> None:
    async with playing(**RESEARCH) as server, model_of(server) as llm:
        whole = await summed(llm.astream("What do they drink?"))
    assert "reasoning_content" not in whole.additional_kwargs
    assert whole.response_metadata["conversation_id"].startswith("conv_")


async def test_a_conversation_goes_on() -> None:
    async with made() as server, model_of(server) as llm:
        first = await llm.ainvoke("My name is Alice.")
        bound = llm.bind(conversation_id=first.response_metadata["conversation_id"])
        second = await asyncio.to_thread(bound.invoke, "What is my name?")
        other = await llm.ainvoke("What is my name?", conversation_id="another", extra_body={"history": "full"})
    assert "Alice" in second.content
    assert second.response_metadata["metadata"]["thread_id"] == first.response_metadata["metadata"]["thread_id"]
    assert "Alice" not in other.content
    assert set(other.response_metadata) >= KEPT
