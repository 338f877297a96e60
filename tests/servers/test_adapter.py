"""The API without a network."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import orjson
import pytest

from servers import ApiError, create_openai_adapter
from tests.servers.asgi import ask
from tests.servers.embedded import made, opened, say, thinking_with, user
from tests.servers.openai_schema import check
from tests.upstream import Reply, Upstream

HELLO = [user("Hello!")]


async def test_an_answer_is_what_the_wire_would_carry() -> None:
    async with made() as server:
        told = await server.get_adapter().create_chat_completion(model="cortex-flow", messages=HELLO)
        wire = await say(server, "Hello!")
    check("CreateChatCompletionResponse", orjson.loads(orjson.dumps(told)))
    assert told.choices[0].message.content == wire.choices[0].message.content
    assert told.usage.total_tokens == wire.usage.total_tokens
    assert told["metadata"]["agents_used"] == told.metadata.agents_used == []
    assert told.conversation_id.startswith("conv_")
    with pytest.raises(AttributeError, match=r"no field 'answer'; there are: id, object"):
        _ = told.answer


async def test_what_was_answered_can_be_sent_again() -> None:
    async with opened() as server:
        adapter = server.get_adapter()
        first = await adapter.create_chat_completion(messages=[user("My name is Alice.")], conversation_id="c")
        history = [user("My name is Alice."), first.choices[0].message, user("What is my name?")]
        second = await adapter.create_chat_completion(messages=history, conversation_id="c")
    assert "Alice" in second.choices[0].message.content
    assert first.metadata.thread_id == second.metadata.thread_id


async def test_a_stream_is_told_as_it_is_made() -> None:
    hold = asyncio.Event()
    async with Upstream(Reply("One two three", hold=hold)) as upstream, opened(**thinking_with(upstream)) as server:
        stream = await server.get_adapter().create_chat_completion(messages=[user("Count")], stream=True)
        said = ""
        async for chunk in stream:
            check("CreateChatCompletionStreamResponse", orjson.loads(orjson.dumps(chunk)))
            said += chunk.choices[0].delta.get("content", "")
            if said == "One two":
                assert upstream.open == 1
                hold.set()
    assert said == "One two three"
    assert chunk.choices[0].finish_reason == "stop"
    assert chunk.metadata.iterations == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_a_request_that_is_refused(stream: bool) -> None:
    async with opened() as server:
        with pytest.raises(ApiError) as caught:
            await server.get_adapter().create_chat_completion(model="gpt-9", messages=HELLO, stream=stream)
    error = caught.value
    assert (error.status, error.code, error.param) == (404, "model_not_found", "model")
    assert "gpt-9" in error.message


async def test_a_stream_that_breaks() -> None:
    reply = Reply("One two three", cut_after=2)
    async with Upstream(reply) as upstream, opened(**thinking_with(upstream)) as server:
        stream = await server.get_adapter().create_chat_completion(messages=[user("Count")], stream=True)
        said: list[Any] = []
        with pytest.raises(ApiError) as caught:
            said += [chunk async for chunk in stream]
    assert (caught.value.status, caught.value.code) == (500, "upstream_error")


@pytest.mark.parametrize("stream", [False, True])
async def test_a_call_that_is_cancelled_cancels_its_run(stream: bool) -> None:
    async with Upstream(Reply("One", hold=asyncio.Event())) as upstream, opened(**thinking_with(upstream)) as server:
        adapter = server.get_adapter()
        calling = asyncio.create_task(adapter.create_chat_completion(messages=[user("Count")], stream=stream))
        await upstream.wait_requests(1)
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        await upstream.wait_closed(1)


async def test_who_leaves_a_stream_ends_it() -> None:
    reply = Reply("One two three", hold=asyncio.Event())
    async with Upstream(reply) as upstream, opened(**thinking_with(upstream)) as server:
        stream = await server.get_adapter().create_chat_completion(messages=[user("Count")], stream=True)
        async with aclosing(stream):
            async for _ in stream:
                break
        await upstream.wait_closed(1)


async def test_a_reader_that_takes_its_time_slows_nobody() -> None:
    async with Upstream("One two three") as upstream, made(**thinking_with(upstream)) as server:
        stream = await server.get_adapter().create_chat_completion(messages=[user("Count")], stream=True)
        await upstream.wait_idle()
        await server.stop()
        said = [chunk.choices[0].delta.get("content", "") async for chunk in stream]
    assert "".join(said) == "One two three"


async def test_no_key_is_needed_and_a_tenant_can_be_chosen() -> None:
    async with made(api_keys=["acme:k"]) as server:
        asked: dict[str, Any] = {"messages": [user("My name is Alice.")], "conversation_id": "c"}
        await server.get_adapter("acme").create_chat_completion(**asked)
        again: dict[str, Any] = {"messages": [user("What is my name?")], "conversation_id": "c"}
        ours = await server.get_adapter("acme").create_chat_completion(**again)
        theirs = await server.get_adapter().create_chat_completion(**again)
        over_http = await say(server, "What is my name?", key="k", extra_body={"conversation_id": "c"})
        assert (await ask(server.app, "GET", "/v1/models")).status == 401
    assert "Alice" in ours.choices[0].message.content
    assert "Alice" in over_http.choices[0].message.content
    assert "Alice" not in theirs.choices[0].message.content


async def test_models() -> None:
    async with opened(model_name="mine") as server:
        adapter = server.get_adapter()
        assert [model.id for model in (await adapter.list_models()).data][:2] == ["mine", "mine-supervisor"]
        assert (await adapter.retrieve_model("mine-writer")).object == "model"
        with pytest.raises(ApiError, match="no/such"):
            await adapter.retrieve_model("no/such")


async def test_before_and_after_there_is_nothing_to_ask() -> None:
    server = made()
    adapter = server.get_adapter()
    with pytest.raises(RuntimeError, match="not open"):
        await adapter.list_models()
    async with server.lifespan():
        assert (await adapter.list_models()).object == "list"
        assert not server.is_running()
    with pytest.raises(RuntimeError, match="not open"):
        await adapter.list_models()


async def test_without_a_server() -> None:
    def ledger(year: int) -> str:
        """What was spent in a year."""
        return f"7 in {year}"

    async with create_openai_adapter(tools=[ledger], storage_url="memory://") as adapter:
        told = await adapter.create_chat_completion(messages=[user("Call ledger with year 2024")])
    assert "7 in 2024" in told.choices[0].message.content


async def test_stored_completions() -> None:
    async with opened() as server:
        adapter = server.get_adapter()
        ids = []
        for topic in ("tea", "tea & milk"):
            said = await adapter.create_chat_completion(messages=HELLO, store=True, metadata={"topic": topic})
            ids.append(said.id)
        assert [each.id for each in (await adapter.list_chat_completions(limit=5, after=None)).data] == ids
        (found,) = (await adapter.list_chat_completions(metadata={"topic": "tea & milk"}, model="cortex-flow")).data
        assert found == await adapter.get_chat_completion(ids[1])
        (message,) = (await adapter.list_chat_completion_messages(ids[0], order="desc")).data
        assert message.content == "Hello!"
        assert (await adapter.update_chat_completion(ids[0], metadata={})).metadata == {}
        assert (await adapter.delete_chat_completion(ids[0])).deleted
        with pytest.raises(ApiError) as raised:
            await adapter.get_chat_completion(ids[0])
        assert (raised.value.status, raised.value.code) == (404, "not_found")
