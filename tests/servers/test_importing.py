"""A dump of OpenAI's objects, brought in whole or not at all, and used by its old ids."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from openai.types.beta import Assistant, Thread
from openai.types.beta.threads import Message

from graph.storage import Storage, open_storage
from servers import create_openai_adapter
from servers.importing import BrokenDump, Brought, bring, read
from servers.rooms import rooms
from tests.servers.embedded import opened
from tests.servers.openai_schema import check

AT = 1_700_000_000

TOOLS = [
    {"type": "retrieval"},
    {"type": "file_search", "file_search": {"max_num_results": 5, "ranking_options": None}},
    {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "default": None}}},
]
ASSISTANT = {
    "id": "asst_abc123",
    "object": "assistant",
    "created_at": AT,
    "model": "gpt-4o",
    "name": "Helper",
    "description": None,
    "instructions": "You help.",
    "tools": TOOLS,
    "metadata": {"team": "blue"},
    "temperature": 1.0,
    "top_p": 0.5,
    "response_format": "auto",
    "tool_resources": {"code_interpreter": None, "file_search": {"vector_store_ids": ["vs_1"]}},
}
THREAD = {"id": "thread_abc-1_2", "object": "thread", "created_at": AT, "metadata": {}, "tool_resources": None}


def said(number: int, text: Any, role: str = "user", at: int = AT, **fields: Any) -> dict[str, Any]:
    content = [{"type": "text", "text": {"value": text, "annotations": []}}] if isinstance(text, str) else text
    own = {"id": f"msg_{number}", "object": "thread.message", "created_at": at, "thread_id": THREAD["id"]}
    return {**own, "role": role, "content": content, "attachments": [], "metadata": {}, **fields}


def dump(**parts: Any) -> bytes:
    return orjson.dumps({"assistants": [ASSISTANT], "threads": [THREAD], **parts})


@asynccontextmanager
async def stored(path: Path) -> AsyncIterator[Storage]:
    storage = open_storage(f"sqlite:///{path}/kept.db")
    await storage.open()
    try:
        yield storage
    finally:
        await storage.close()


async def bring_in(path: Path, data: bytes) -> Brought:
    async with stored(path) as storage:
        return await bring(read(data), rooms(storage, "gpt-4"), "default")


async def messages(path: Path, data: bytes, **query: Any) -> list[Any]:
    """What a thread holds when the dump is in, newest first."""
    await bring_in(path, data)
    async with opened(storage_url=f"sqlite:///{path}/kept.db") as server:
        adapter = server.get_adapter()
        found = list((await adapter.list_messages(str(THREAD["id"]), limit=100, **query)).data)
    for each in found:
        check("MessageObject", orjson.loads(orjson.dumps(each)), without=())
    return found


def texts(found: list[Any]) -> list[str]:
    return [each.content[0].text.value for each in found]


async def test_assistants_and_threads_keep_their_ids_and_times(tmp_path: Path) -> None:
    await bring_in(tmp_path, dump())
    async with opened(storage_url=f"sqlite:///{tmp_path}/kept.db") as server:
        adapter = server.get_adapter()
        assistant = await adapter.get_assistant("asst_abc123")
        thread = await adapter.get_thread(str(THREAD["id"]))
    check("AssistantObject", orjson.loads(orjson.dumps(assistant)), without=())
    check("ThreadObject", orjson.loads(orjson.dumps(thread)), without=())
    assert (assistant.created_at, assistant.model, assistant.name) == (AT, "gpt-4o", "Helper")
    assert (assistant.temperature, assistant.top_p, assistant.metadata) == (1.0, 0.5, {"team": "blue"})
    assert [tool.type for tool in assistant.tools] == ["file_search", "file_search", "function"]
    assert assistant.tools[2].function.parameters == {"type": "object", "default": None}
    assert assistant.tool_resources == {"file_search": {"vector_store_ids": ["vs_1"]}}
    assert (thread.id, thread.created_at) == (THREAD["id"], AT)


async def test_every_route_knows_the_old_ids(tmp_path: Path) -> None:
    await bring_in(tmp_path, dump(messages=[said(1, "My name is Alice.")]))
    thread = str(THREAD["id"])
    async with create_openai_adapter(storage_url=f"sqlite:///{tmp_path}/kept.db") as adapter:
        assert (await adapter.update_assistant("asst_abc123", name="Other", tools=[])).name == "Other"
        assert (await adapter.update_thread(thread, metadata={"a": "b"})).metadata == {"a": "b"}
        assert (await adapter.update_message(thread, "msg_1", metadata={"c": "d"})).metadata == {"c": "d"}
        await adapter.add_message(thread, content="What is my name?")
        run = await adapter.create_run(thread, assistant_id="asst_abc123")
        assert run.assistant_id == "asst_abc123"
        assert (await adapter.wait_run(thread, run.id)).status == "completed"
        assert (await adapter.list_run_steps(thread, run.id)).data
        [newest, *_] = (await adapter.list_messages(thread, before="msg_1")).data
        assert "Alice" in newest.content[0].text.value
        for name in (thread, thread.removeprefix("thread_"), f"conv_{thread.removeprefix('thread_')}"):
            question = {"role": "user", "content": "What is my name?"}
            chat = await adapter.create_chat_completion(messages=[question], conversation_id=name)
            assert "Alice" in chat.choices[0].message.content
            assert chat.metadata.thread_id == thread
        assert (await adapter.delete_message(thread, "msg_1")).deleted
        assert (await adapter.delete_thread(thread)).deleted
        assert (await adapter.delete_assistant("asst_abc123")).deleted


@pytest.mark.parametrize("newest_first", [True, False])
async def test_messages_stand_in_the_order_in_which_they_were_said(tmp_path: Path, newest_first: bool) -> None:
    told = [said(1, "one"), said(2, "two"), said(3, "three", at=AT + 1), said(4, "four", at=AT + 1)]
    listed = told[::-1] if newest_first else told
    assert texts(await messages(tmp_path, dump(messages=listed))) == ["four", "three", "two", "one"]


async def test_times_that_tell_nothing_are_read_as_the_others_are(tmp_path: Path) -> None:
    other = {**THREAD, "id": "thread_other"}
    elsewhere = [said(8, "first", thread_id="thread_other"), said(9, "then", thread_id="thread_other", at=AT + 9)]
    told = [said(1, "one"), said(2, "two")]
    found = await messages(tmp_path, dump(threads=[THREAD, other], messages=[*told, *elsewhere]))
    assert texts(found) == ["two", "one"]


async def test_without_a_sign_they_are_listed_as_openai_lists_them(tmp_path: Path) -> None:
    assert texts(await messages(tmp_path, dump(messages=[said(2, "two"), said(1, "one")]))) == ["two", "one"]


async def test_messages_may_stand_in_their_threads(tmp_path: Path) -> None:
    nested = [{key: value for key, value in said(1, "Hello").items() if key != "thread_id"}]
    assert texts(await messages(tmp_path, dump(threads=[{**THREAD, "messages": nested}]))) == ["Hello"]


async def test_what_a_message_may_hold(tmp_path: Path) -> None:
    cited = {"type": "file_citation", "text": "【1】", "start_index": 2, "end_index": 5}
    made = {"type": "file_path", "text": "a.csv", "start_index": 0, "end_index": 5}
    content = [
        {
            "type": "text",
            "text": {"value": "Hi【1】", "annotations": [{**cited, "file_citation": {"file_id": "file-1"}}]},
        },
        {"type": "image_file", "image_file": {"file_id": "file-2", "detail": "low"}},
        {"type": "text", "text": {"value": "a.csv", "annotations": [{**made, "file_path": {"file_id": "file-3"}}]}},
    ]
    refused = [{"type": "refusal", "refusal": "I won't."}]
    picture = [{"type": "image_url", "image_url": {"url": "https://a.example/b.png", "detail": "auto"}}]
    told = [
        said(1, content, "assistant", assistant_id="asst_gone", run_id="run_gone", completed_at=AT + 5),
        said(2, refused, "assistant"),
        said(3, picture, attachments=[{"file_id": "file-1", "tools": [{"type": "retrieval"}]}, {"file_id": None}]),
        said(4, [], status="incomplete", incomplete_details={"reason": "max_tokens"}, incomplete_at=AT + 7),
        said(5, "old", file_ids=["file-9"], attachments=None),
    ]
    first, second, third, fourth, fifth = await messages(tmp_path, dump(messages=told))
    assert first.content == content
    assert (first.assistant_id, first.run_id, first.completed_at) == ("asst_gone", "run_gone", AT + 5)
    assert second.content == refused
    assert third.content == picture
    assert third.attachments == [{"file_id": "file-1", "tools": [{"type": "file_search"}]}]
    assert (fourth.status, fourth.incomplete_details, fourth.content) == (
        "incomplete",
        {"reason": "max_tokens"},
        [],
    )
    assert fifth.attachments == [{"file_id": "file-9", "tools": [{"type": "file_search"}]}]


async def test_messages_of_a_run_that_was_elsewhere(tmp_path: Path) -> None:
    told = [said(1, "Hi"), said(2, "Hello", "assistant", run_id="run_gone")]
    assert texts(await messages(tmp_path, dump(messages=told), run_id="run_gone")) == ["Hello"]


async def test_what_openais_clients_dump(tmp_path: Path) -> None:
    """As `model_dump` gives it, and as `to_dict` does."""
    wanted = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}, "strict": True}}
    assistant = Assistant.model_validate({**ASSISTANT, "tools": TOOLS[1:], "response_format": wanted})
    thread, message = Thread.model_validate(THREAD), Message.model_validate({**said(1, "Hi"), "status": "completed"})
    for number, written in enumerate(("model_dump", "to_dict")):
        folder = tmp_path / str(number)
        folder.mkdir()
        parts = [getattr(each, written)() for each in (assistant, thread, message)]
        names = ("assistants", "threads", "messages")
        assert texts(
            await messages(folder, orjson.dumps({name: [part] for name, part in zip(names, parts, strict=True)}))
        )
        async with opened(storage_url=f"sqlite:///{folder}/kept.db") as server:
            assert (await server.get_adapter().get_assistant("asst_abc123")).response_format == wanted


def file(**fields: Any) -> dict[str, Any]:
    own = {
        "id": "file-abc123",
        "object": "file",
        "created_at": AT,
        "filename": "tea.txt",
        "purpose": "assistants_output",
    }
    return {**own, "bytes": 11, "status": "processed", "content": b64encode(b"Tea is hot.").decode(), **fields}


async def test_files_keep_their_bytes(tmp_path: Path) -> None:
    gone = [file(id="file-kept", content=None), file(id="file-old", expires_at=AT + 1)]
    first = await bring_in(tmp_path, dump(files=[file(), *gone]))
    assert first.new["file"] == 1
    assert sorted(first.notes) == [
        "file-kept (tea.txt) is in the dump without its content, and was left out.",
        "file-old (tea.txt) has expired, and was left out.",
    ]
    async with opened(storage_url=f"sqlite:///{tmp_path}/kept.db") as server:
        adapter = server.get_adapter()
        found = await adapter.get_file("file-abc123")
        assert await adapter.get_file_content("file-abc123") == b"Tea is hot."
        attached = {"file_id": "file-abc123", "tools": [{"type": "file_search"}]}
        thread = await adapter.create_thread(messages=[{"content": "Read.", "attachments": [attached]}])
        assert (await adapter.list_messages(thread.id)).data[0].attachments == [attached]
    check("OpenAIFile", orjson.loads(orjson.dumps(found)), without=())
    assert (found.created_at, found.bytes, found.purpose) == (AT, 11, "assistants_output")
    again = await bring_in(tmp_path, dump(files=[file()]))
    assert (again.new, again.known["file"], again.notes) == ({}, 1, [])
    other = await bring_in(tmp_path, dump(files=[file(filename="other.txt")]))
    assert other.notes == ["file-abc123 (other.txt) is another one here, and was left as it is."]


async def test_twice_is_once(tmp_path: Path) -> None:
    data = dump(messages=[said(1, "Hi"), said(2, "there")])
    first = await bring_in(tmp_path, data)
    assert (first.new, first.known) == ({"assistant": 1, "thread": 1, "message": 2}, {})
    again = await bring_in(tmp_path, data)
    assert (again.new, again.known, again.notes) == ({}, first.new, [])


async def test_what_is_here_stays_as_it_is(tmp_path: Path) -> None:
    await bring_in(tmp_path, dump(messages=[said(1, "Hi")]))
    async with opened(storage_url=f"sqlite:///{tmp_path}/kept.db") as server:
        await server.get_adapter().update_assistant("asst_abc123", name="Changed")
        await server.get_adapter().add_message(str(THREAD["id"]), content="More")
    again = await bring_in(tmp_path, dump(messages=[said(1, "Hi"), said(2, "New")]))
    assert again.notes == [
        "asst_abc123 is another one here, and was left as it is.",
        "thread_abc-1_2 is here without 1 of its 2 messages, and was left as it is.",
    ]
    assert again.new == {}


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        (b"{", "This is no JSON"),
        (b"[]", "This is no object"),
        (dump(runs=[]), "runs: can't be imported"),
        (dump(assistants=3), "assistants: this is no list."),
        (dump(assistants=[{"id": "x", "created_at": 1}]), "assistants[0]: Invalid value for 'id'"),
        (dump(assistants=[{"id": "asst_a/b", "created_at": 1}]), "assistants[0]: Invalid value for 'id'"),
        (dump(assistants=[{"id": "asst_a"}]), "assistants[0]: Missing required parameter: 'created_at'."),
        (dump(assistants=[ASSISTANT, ASSISTANT]), "assistants[1]: asst_abc123 is assistants[0] already."),
        (
            dump(assistants=[{**ASSISTANT, "metadata": {"a": "b" * 513}}]),
            "assistants[0]: Invalid value for 'metadata.a': it has more than 512 characters.",
        ),
        (
            dump(assistants=[{**ASSISTANT, "tool_resources": {"file_search": {"vector_stores": [{}]}}}]),
            "assistants[0]: Unsupported value for 'tool_resources.file_search.vector_stores'",
        ),
        (
            dump(threads=[{**THREAD, "tool_resources": {"file_search": {"vector_stores": [{}]}}}]),
            "threads[0]: Unsupported value for 'tool_resources.file_search.vector_stores'",
        ),
        (dump(messages=[said(1, "Hi", thread_id="thread_x")]), "messages[0]: thread_x is not among the threads."),
        (dump(messages=[said(1, "Hi", thread_id=None)]), "messages[0]: it does not say its thread_id."),
        (dump(messages=[said(1, "Hi", "tool")]), "messages[0]: Invalid value for 'role'"),
        (dump(messages=[said(1, [{"type": "audio"}])]), "messages[0]: Invalid value for 'content[0].type'"),
        (
            dump(threads=[{**THREAD, "messages": [said(1, "Hi", thread_id="thread_x")]}]),
            "threads[0].messages[0]: its thread_id is thread_x, but it stands in thread_abc-1_2.",
        ),
        (dump(files=[file(content="%")]), "files[0]: Invalid value for 'content': it is no base64."),
        (dump(files=[file(content="VGVh")]), "files[0]: Invalid value for the body: content has 3 bytes, not 11."),
        (dump(threads=[{**THREAD, "messages": {}}, 3]), "threads[1]: Invalid type for the body"),
    ],
)
async def test_a_broken_dump_says_where(broken: bytes, problem: str) -> None:
    with pytest.raises(BrokenDump) as raised:
        read(broken)
    assert any(each.startswith(problem) for each in raised.value.problems), raised.value.problems


def test_all_that_is_broken_is_named_at_once() -> None:
    with pytest.raises(BrokenDump) as raised:
        read(dump(assistants=[{}, {"id": "asst_a", "created_at": 1, "tools": [{"type": "hammer"}]}], threads=[{}]))
    places = [each.partition(":")[0] for each in raised.value.problems]
    assert places == ["assistants[0]"] * 2 + ["assistants[1]"] + ["threads[0]"] * 2


async def test_ids_that_are_taken_by_something_else(tmp_path: Path) -> None:
    await bring_in(tmp_path, dump(messages=[said(1, "Hi")]))
    async with opened(storage_url=f"sqlite:///{tmp_path}/kept.db") as server:
        hello = [{"role": "user", "content": "Hello!"}]
        await server.get_adapter().create_chat_completion(messages=hello, conversation_id="thread_mine")
    other = {**THREAD, "id": "thread_other"}
    data = orjson.dumps(
        {
            "assistants": [{**ASSISTANT, "id": "asst_new"}],
            "threads": [other, {**THREAD, "id": "thread_mine"}],
            "messages": [said(1, "Hi", thread_id="thread_other")],
        }
    )
    with pytest.raises(BrokenDump) as raised:
        await bring_in(tmp_path, data)
    message, thread = raised.value.problems
    assert message == "msg_1 is a message of thread_abc-1_2 here."
    assert thread.startswith("thread_mine is what a chat calls its conversation thread_")
    async with stored(tmp_path) as storage:
        assert await storage.get("default", "assistant", "new") is None
