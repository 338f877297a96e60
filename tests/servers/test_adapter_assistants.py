"""The Assistants API without a network."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import orjson
import pytest

from servers import ApiError, create_openai_adapter
from servers.adapter import OpenAIAdapter
from servers.assistants.adapter import RunStream
from servers.assistants.emitter import EVENTS
from servers.objects import WireObject
from tests.replies import Reply
from tests.servers.embedded import made, opened, thinking_with
from tests.servers.openai_schema import DESCRIPTION, check
from tests.upstream import Upstream

FUNCTION = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def plain(value: Any) -> Any:
    return orjson.loads(orjson.dumps(value))


def in_json(name: str) -> dict[str, Any]:
    """A response format."""
    return {"type": "json_schema", "json_schema": {"name": name, "schema": SCHEMA}}


async def asked(adapter: OpenAIAdapter, text: str = "Count", **fields: Any) -> tuple[str, str]:
    """An assistant, and a thread in which it is asked something."""
    assistant = await adapter.create_assistant(**fields)
    thread = await adapter.create_thread(messages=[{"role": "user", "content": text}])
    return assistant.id, thread.id


async def test_assistants_come_and_go() -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "point", "schema": {"type": "object"}, "strict": True}}
    async with opened() as server:
        adapter = server.get_adapter()
        first = await adapter.create_assistant(name="Math Helper", tools=[FUNCTION], response_format=wanted)
        check("AssistantObject", plain(first), without=())
        assert first.response_format == wanted
        await adapter.create_assistant(name="Other")
        changed = await adapter.update_assistant(first.id, name="Mathematician", metadata={"a": "b"})
        assert (changed.name, changed.metadata.a) == ("Mathematician", "b")
        assert await adapter.get_assistant(first.id) == changed
        page = await adapter.list_assistants(limit=1, order="asc")
        assert (page.data, page.has_more) == ([changed], True)
        assert [each.name for each in (await adapter.list_assistants(after=first.id, order="asc")).data] == ["Other"]
        assert (await adapter.delete_assistant(first.id)).deleted
        with pytest.raises(ApiError) as raised:
            await adapter.get_assistant(first.id)
        assert (raised.value.status, raised.value.code) == (404, "not_found")


async def test_the_format_of_an_answer_is_the_assistants_or_the_runs() -> None:
    kept, own = (in_json(name) for name in ("kept", "own"))
    cases: list[tuple[dict[str, Any], dict[str, Any]]] = [({}, kept), ({"response_format": own}, own)]
    async with Upstream('{"n": 1}') as upstream, opened(**thinking_with(upstream)) as server:
        adapter = server.get_adapter()
        assistant, thread = await asked(adapter, response_format=kept)
        for given, wanted in cases:
            run = await adapter.create_run(thread, assistant_id=assistant, **given)
            assert run.response_format == wanted
            assert (await adapter.wait_run(thread, run.id)).status == "completed"
            told = upstream.requests[-1].body["response_format"]["json_schema"]
            assert (told["name"], told["schema"]) == (wanted["json_schema"]["name"], SCHEMA)


async def test_threads_and_messages() -> None:
    async with opened() as server:
        adapter = server.get_adapter()
        thread = await adapter.create_thread({"project": "demo"})
        assert (await adapter.get_thread(thread.id)).metadata.project == "demo"
        assert (await adapter.create_thread(metadata={"a": "b"}, messages=[{"content": "Hi"}])).metadata.a == "b"
        first = await adapter.add_message(thread.id, role="user", content="Hello", metadata={"n": "1"})
        second = await adapter.add_message(thread.id, role="user", content="again")
        check("MessageObject", plain(first), without=())
        assert [each.id for each in (await adapter.list_messages(thread.id)).data] == [second.id, first.id]
        assert [each.id for each in (await adapter.list_messages(thread.id, after=second.id)).data] == [first.id]
        assert (await adapter.update_message(thread.id, first.id, metadata={})).metadata == {}
        assert (await adapter.get_message(thread.id, first.id)).content[0].text.value == "Hello"
        assert (await adapter.delete_message(thread.id, first.id)).deleted
        assert (await adapter.update_thread(thread.id, metadata={"x": "y"})).metadata == {"x": "y"}
        assert (await adapter.list_branches(thread.id)).data == []
        assert (await adapter.delete_thread(thread.id)).deleted


async def test_a_run_is_waited_for() -> None:
    async with opened() as server:
        adapter = server.get_adapter()
        assistant, thread = await asked(adapter, "What is 17 * 23?")
        run = await adapter.create_run(thread, assistant_id=assistant, metadata={"a": "b"})
        check("RunObject", plain(run), without=())
        ended = await adapter.wait_run(thread, run.id)
        assert (ended.status, ended.metadata.a) == ("completed", "b")
        [answer] = (await adapter.list_messages(thread, run_id=run.id)).data
        assert "391" in answer.content[0].text.value
        assert [each.id for each in (await adapter.list_runs(thread)).data] == [run.id]
        steps = (await adapter.list_run_steps(thread, run.id, order="asc")).data
        assert [step.type for step in steps] == ["tool_calls", "message_creation"]
        assert await adapter.get_run_step(thread, run.id, steps[0].id) == steps[0]
        assert (await adapter.update_run(thread, run.id, metadata={"c": "d"})).metadata == {"c": "d"}
        with pytest.raises(ApiError, match="No run found"):
            await adapter.wait_run(thread, "run_nope")


async def test_events_as_they_come() -> None:
    hold = asyncio.Event()
    async with Upstream(Reply("One two three", hold=hold)) as upstream, opened(**thinking_with(upstream)) as server:
        adapter = server.get_adapter()
        assistant, thread = await asked(adapter)
        stream = await adapter.create_run(thread, assistant_id=assistant, stream=True)
        assert (await adapter.get_run(thread, stream.id)).status in ("queued", "in_progress")
        names, said = [], ""
        async for told in stream:
            names.append(told.event.removeprefix("thread."))
            if told.event == "thread.message.delta":
                said += told.data.delta.content[0].text.value
                hold.set()
    assert said == "One two three"
    assert names[:3] == ["run.created", "run.queued", "run.in_progress"]
    assert names[-1] == "run.completed"
    assert told.data.usage.total_tokens > 0


async def test_a_thread_and_its_run_in_one() -> None:
    async with opened() as server:
        adapter = server.get_adapter()
        assistant = await adapter.create_assistant()
        fields: dict[str, Any] = {"assistant_id": assistant.id, "thread": {"messages": [{"content": "Hello"}]}}
        stream = await adapter.create_thread_and_run(stream=True, **fields)
        events = [told async for told in stream]
        assert events[0].event == "thread.created"
        assert events[0].data.id == stream.thread_id
        run = await adapter.create_thread_and_run(**fields)
        assert (await adapter.wait_run(run.thread_id, run.id)).status == "completed"


async def test_a_stream_that_is_left_does_not_end_its_run() -> None:
    hold = asyncio.Event()
    async with Upstream(Reply("One two three", hold=hold)) as upstream, opened(**thinking_with(upstream)) as server:
        adapter = server.get_adapter()
        assistant, thread = await asked(adapter)
        stream = await adapter.create_run(thread, assistant_id=assistant, stream=True)
        async with aclosing(stream):
            last = [await anext(stream) for _ in range(3)][-1]
        waiting = asyncio.create_task(adapter.wait_run(thread, stream.id))
        following = await adapter.follow_run(thread, stream.id, after=last.id)
        hold.set()
        events = [told async for told in following]
        assert (await waiting).status == "completed"
    assert "thread.run.in_progress" not in [told.event for told in events]
    assert events[-1].event == "thread.run.completed"


async def test_a_run_that_is_cancelled() -> None:
    async with Upstream(Reply("One", hold=asyncio.Event())) as upstream, opened(**thinking_with(upstream)) as server:
        adapter = server.get_adapter()
        assistant, thread = await asked(adapter)
        run = await adapter.create_run(thread, assistant_id=assistant)
        await upstream.wait_requests(1)
        assert (await adapter.cancel_run(thread, run.id)).status in ("cancelling", "cancelled")
        await upstream.wait_closed(1)
        assert (await adapter.wait_run(thread, run.id)).status == "cancelled"


@pytest.mark.parametrize("stream", [False, True])
async def test_tool_outputs(stream: bool) -> None:
    def script(body: dict[str, Any]) -> Reply:
        told = any(message["role"] == "tool" for message in body["messages"])
        return Reply("It is sunny.") if told else Reply(calls=[("weather", {"city": "Oslo"})])

    async with Upstream(script) as upstream, opened(**thinking_with(upstream)) as server:
        adapter = server.get_adapter()
        assistant, thread = await asked(adapter, "Weather?", tools=[FUNCTION])
        run = await adapter.create_run(thread, assistant_id=assistant)
        waiting = await adapter.wait_run(thread, run.id)
        assert waiting.status == "requires_action"
        [wanted] = waiting.required_action.submit_tool_outputs.tool_calls
        assert orjson.loads(wanted.function.arguments) == {"city": "Oslo"}
        outputs = [{"tool_call_id": wanted.id, "output": "sunny"}]
        answer = await adapter.submit_tool_outputs(thread, run.id, tool_outputs=outputs, stream=stream)
        assert answer.id == run.id
        if isinstance(answer, RunStream):
            events = [told.event async for told in answer]
            assert events[0] == "thread.run.queued" or events[0].startswith("thread.run.step")
        assert (await adapter.wait_run(thread, run.id)).status == "completed"


async def test_a_function_that_the_server_has_is_the_servers() -> None:
    def run_code(code: str) -> str:
        """Execute Python code."""
        return f"Output: {len(code)} characters"

    def script(body: dict[str, Any]) -> Reply:
        offered.append([tool["function"] for tool in body["tools"] if tool["function"]["name"] == "run_code"])
        told = [message["content"] for message in body["messages"] if message["role"] == "tool"]
        return Reply(f"Done. {told[0]}") if told else Reply(calls=[("run_code", {"code": "1+1"})])

    offered: list[Any] = []
    async with Upstream(script) as upstream:
        options = {**thinking_with(upstream), "storage_url": "memory://"}
        async with create_openai_adapter(tools=[run_code], **options) as adapter:
            assistant, thread = await asked(adapter, tools=[{"type": "function", "function": {"name": "run_code"}}])
            run = await adapter.create_run(thread, assistant_id=assistant)
            ended = await adapter.wait_run(thread, run.id)
            [answer] = (await adapter.list_messages(thread, run_id=run.id)).data
            [step, _] = (await adapter.list_run_steps(thread, run.id, order="asc")).data
            other, elsewhere = await asked(adapter)  # an assistant that does not name it is offered it too
            again = await adapter.create_run(elsewhere, assistant_id=other)
            assert (await adapter.wait_run(elsewhere, again.id)).status == "completed"
    assert ended.status == "completed"
    assert answer.content[0].text.value == "Done. Output: 3 characters"
    assert step.step_details.tool_calls[0].function.output == "Output: 3 characters"
    [[first], *rest] = offered
    assert first["description"] == "Execute Python code."
    assert all(len(each) == 1 for each in rest)


async def test_an_emitter_tells_everything_whenever_one_comes() -> None:
    hold = asyncio.Event()
    async with Upstream(Reply("One two three", hold=hold)) as upstream, opened(**thinking_with(upstream)) as server:
        adapter = server.get_adapter()
        assistant, thread = await asked(adapter)
        run = await adapter.create_run(thread, assistant_id=assistant)
        emitter = adapter.get_stream_emitter(run.id)
        early: list[str] = []
        late: list[str] = []
        said: list[str] = []
        ends: list[Any] = []
        gone: list[str] = []

        async def hear(name: str, data: Any) -> None:
            early.append(name)
            if name == "thread.message.delta":
                said.append(data.delta.content[0].text.value)
                hold.set()

        def stumble(name: str, data: Any) -> None:
            raise ValueError(name)

        emitter.on("event", stumble)
        emitter.on("event", hear)
        off = emitter.on("event", lambda name, data: gone.append(name))
        off()
        await hold.wait()
        emitter.on("event", lambda name, data: late.append(name))
        emitter.on("done", ends.append)
        emitter.on("thread.run.completed", lambda run: ends.append(run.usage.total_tokens > 0))
        await emitter.finished()
    assert "".join(said) == "One two three"
    assert [name for name in late if "delta" not in name] == [name for name in early if "delta" not in name]
    assert "thread.message.delta" in late
    assert early[0] == "thread.run.created"
    assert early[-2:] == ["thread.run.completed", "done"]
    assert sorted(map(str, ends)) == ["True", "[DONE]"]
    assert gone == []


async def test_an_emitter_of_no_run() -> None:
    async with opened() as server:
        emitter = server.get_adapter().get_stream_emitter("run_nope")
        heard: list[Any] = []
        emitter.on("event", lambda name, data: heard.append((name, data)))
        await emitter.finished()
        with pytest.raises(ValueError, match=r"no event 'thread\.delta'"):
            emitter.on("thread.delta", print)
    [(name, error), end] = heard
    assert (name, error.code, end) == ("error", "not_found", ("done", "[DONE]"))


def test_the_events_that_there_are() -> None:
    groups = ["ThreadStreamEvent", "RunStreamEvent", "RunStepStreamEvent", "MessageStreamEvent"]
    schemas = orjson.loads(DESCRIPTION.read_bytes())["components"]["schemas"]
    described = [each for group in groups for each in schemas[group]["oneOf"]]
    described += [schemas["ErrorEvent"], schemas["DoneEvent"]]
    assert {name for each in described for name in each["properties"]["event"]["enum"]} == EVENTS
    assert len(EVENTS) == 25


@pytest.mark.parametrize("id", ["", "thread_x/messages/msg_y", "asst_x"])
async def test_an_id_is_never_a_path(id: str) -> None:
    async with opened() as server:
        with pytest.raises(ApiError) as raised:
            await server.get_adapter().delete_thread(id)
    assert raised.value.status == 404


def test_without_awaiting() -> None:
    def ledger(year: int) -> str:
        """What was spent in a year."""
        return f"7 in {year}"

    with create_openai_adapter(tools=[ledger], storage_url="memory://").sync as adapter:
        assistant = adapter.create_assistant(name="Helper")
        thread = adapter.create_thread({"project": "demo"})
        adapter.add_message(thread.id, content="Call ledger with year 2024")
        run = adapter.create_run(thread.id, assistant_id=assistant.id)
        heard: list[str] = []
        emitter = adapter.get_stream_emitter(run.id)
        emitter.on("event", lambda name, data: heard.append(name))
        assert adapter.wait_run(thread.id, run.id).status == "completed"
        emitter.finished()
        stream = adapter.create_run(thread.id, assistant_id=assistant.id, stream=True)
        with stream:
            events = [told.event for told in stream]
        assert stream.id.startswith("run_")
        [newest, *_] = adapter.list_messages(thread.id).data
        with pytest.raises(ApiError):
            adapter.get_run(thread.id, "run_nope")
        assert "create_run" in dir(adapter)
        with pytest.raises(AttributeError):
            adapter.no_such_thing()
    assert "7 in 2024" in newest.content[0].text.value
    assert heard[-1] == "done"
    assert events[-1] == "thread.run.completed"
    with pytest.raises(RuntimeError, match="not open"):
        adapter.list_models()


def test_what_can_not_be_opened_says_so_without_awaiting() -> None:
    adapter = create_openai_adapter(storage_url="nope://").sync
    with pytest.raises(Exception, match="nope"):
        adapter.open()
    adapter.close()


def test_its_own_thread_is_not_waited_for() -> None:
    found: list[BaseException] = []

    def handler(name: str, data: WireObject) -> None:
        try:
            adapter.list_models()
        except RuntimeError as error:
            found.append(error)

    with create_openai_adapter(storage_url="memory://").sync as adapter:
        emitter = adapter.get_stream_emitter("run_nope")
        emitter.on("done", lambda end: handler("done", end))
        emitter.finished()
    assert "can't wait for itself" in str(found[0])


async def test_files() -> None:
    async with opened() as server:
        adapter = server.get_adapter()
        name = 'a "b"\r\n%22 ü.txt'
        file = await adapter.create_file(
            b"Tea is hot.", name, purpose="user_data", expires_after={"anchor": "created_at", "seconds": 3600}
        )
        check("OpenAIFile", plain(file), without=())
        assert (file.filename, file.bytes, file.expires_at) == (name, 11, file.created_at + 3600)
        assert await adapter.get_file_content(file.id) == b"Tea is hot."
        assert await adapter.get_file(file.id) == file
        assert (await adapter.list_files(purpose="user_data")).data == [file]
        assert (await adapter.delete_file(file.id)).deleted
        with pytest.raises(ApiError) as raised:
            await adapter.get_file_content(file.id)
        assert raised.value.status == 404
        with pytest.raises(ApiError, match="purpose"):
            await adapter.create_file(b"Tea", "tea.txt")


async def test_uploads() -> None:
    async with opened() as server:
        adapter = server.get_adapter()
        fields: dict[str, Any] = {"filename": "tea.txt", "purpose": "user_data", "mime_type": "text/plain", "bytes": 11}
        upload = await adapter.create_upload(**fields)
        parts = [(await adapter.add_upload_part(upload.id, data)).id for data in (b"Tea is ", b"hot.")]
        whole = await adapter.complete_upload(upload.id, part_ids=parts)
        assert await adapter.get_file_content(whole.file.id) == b"Tea is hot."
        assert (await adapter.cancel_upload((await adapter.create_upload(**fields)).id)).status == "cancelled"


async def test_tenants_are_apart() -> None:
    async with made(api_keys=["acme:k"]) as server:
        assistant = await server.get_adapter("acme").create_assistant()
        with pytest.raises(ApiError):
            await server.get_adapter().get_assistant(assistant.id)
