"""Assistants, threads and messages that a program keeps without a team."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson
import pytest

from graph.storage import StorageError
from servers import ApiError, ThreadManager, create_openai_adapter, create_thread_storage
from servers.objects import WireObject
from tests.backends import GROUNDS, empty
from tests.servers.openai_schema import check


async def talk(manager: ThreadManager) -> tuple[WireObject, WireObject]:
    """An assistant, and a thread in which it has answered."""
    assistant = await manager.create_assistant(model="gpt-4o", name="Helper", instructions="Be helpful")
    thread = await manager.create_thread({"key": "value"})
    await manager.add_message(thread.id, role="user", content=[{"type": "text", "text": "Hello!"}])
    await manager.add_assistant_message(thread.id, "Hi there!", assistant.id, "run_elsewhere")
    await manager.add_message(thread.id, content="And now?")
    return assistant, thread


async def test_with_no_arguments_it_keeps_things_in_memory() -> None:
    manager = ThreadManager()
    assistant, thread = await talk(manager)
    assert (await manager.get_assistant(assistant.id)) == assistant
    assert (await manager.update_assistant(assistant.id, name="Expert", temperature=0.5)).name == "Expert"
    assert [each.temperature for each in (await manager.list_assistants()).data] == [0.5]
    assert (await manager.get_thread(thread.id)).metadata.key == "value"
    assert await manager.get_messages_for_llm(thread.id) == [
        {"role": "user", "content": "Hello!"},
        {"role": "assistant", "content": "Hi there!"},
        {"role": "user", "content": "And now?"},
    ]
    page = await manager.list_messages(thread.id, limit=2, order="asc")
    assert ([each.role for each in page.data], page.has_more) == (["user", "assistant"], True)
    [answer] = (await manager.list_messages(thread.id, run_id="run_elsewhere")).data
    check("MessageObject", orjson.loads(orjson.dumps(answer)), without=())
    assert (answer.assistant_id, answer.run_id) == (assistant.id, "run_elsewhere")
    assert (await manager.list_messages(thread.id, after=answer.id)).data[0].content[0].text.value == "Hello!"
    assert (await manager.delete_thread(thread.id)).deleted
    assert (await manager.delete_assistant(assistant.id)).object == "assistant.deleted"
    await manager.close()


async def test_files() -> None:
    async with ThreadManager() as manager:
        file = await manager.add_file(b"file content", "document.txt")
        check("OpenAIFile", orjson.loads(orjson.dumps(file)), without=())
        assert (file.filename, file.purpose, file.bytes) == ("document.txt", "assistants", 12)
        assert await manager.get_file(file.id) == file
        assert await manager.get_file_content(file.id) == b"file content"
        assert (await manager.list_files(purpose="assistants")).data == [file]
        attached = {"file_id": file.id, "tools": [{"type": "file_search"}]}
        thread = await manager.create_thread(messages=[{"content": "Read it.", "attachments": [attached]}])
        assert (await manager.list_messages(thread.id)).data[0].attachments == [attached]
        assert (await manager.delete_file(file.id)).deleted
        with pytest.raises(ApiError) as raised:
            await manager.add_message(thread.id, content="Again.", attachments=[attached])
        assert (raised.value.status, raised.value.param) == (400, "attachments[0].file_id")
        with pytest.raises(ApiError, match="File is empty"):
            await manager.add_file(b"", "nothing.txt")


async def test_long_threads_are_told_whole() -> None:
    async with ThreadManager() as manager:
        thread = await manager.create_thread(messages=[{"content": str(number)} for number in range(250)])
        said = await manager.get_messages_for_llm(thread.id)
    assert [each["content"] for each in said] == [str(number) for number in range(250)]


@pytest.mark.parametrize(
    ("name", "arguments", "fields", "status"),
    [
        ("get_thread", ["thread_nope"], {}, 404),
        ("get_assistant", ["nope"], {}, 404),
        ("add_message", ["thread_nope"], {"content": "Hi"}, 404),
        ("add_assistant_message", ["thread_nope", "Hi", "nope"], {}, 404),
        ("create_assistant", [], {"tools": [{"type": "hammer"}]}, 400),
        ("create_thread", [{"a": 1}], {}, 400),
        ("list_assistants", [], {"limit": 0}, 400),
        ("list_assistants", [], {"after": "asst_nope"}, 400),
    ],
)
async def test_what_can_not_be_is_told_as_on_the_wire(
    name: str, arguments: list[Any], fields: dict[str, Any], status: int
) -> None:
    async with ThreadManager() as manager:
        with pytest.raises(ApiError) as raised:
            await getattr(manager, name)(*arguments, **fields)
    assert raised.value.status == status


async def test_a_server_goes_on_with_what_it_keeps(tmp_path: Path) -> None:
    storage = create_thread_storage({"type": "sqlite", "path": tmp_path / "talk.db"})
    async with create_openai_adapter(storage_url=storage.url) as adapter, ThreadManager(storage) as manager:
        thread = await manager.create_thread(messages=[{"content": "My name is Alice."}])
        assistant = await manager.create_assistant()
        await manager.add_message(thread.id, content="What is my name?")
        run = await adapter.create_run(thread.id, assistant_id=assistant.id)
        assert (await adapter.wait_run(thread.id, run.id)).status == "completed"
        assert "Alice" in (await manager.get_messages_for_llm(thread.id))[-1]["content"]
    async with ThreadManager(storage) as manager:
        assert len((await manager.list_messages(thread.id)).data) == 3


async def test_a_thread_at_work_is_its_servers(tmp_path: Path) -> None:
    storage = create_thread_storage(path=tmp_path / "talk.db")
    weather = {"type": "function", "function": {"name": "weather"}}
    async with create_openai_adapter(storage_url=storage.url) as adapter, ThreadManager(storage) as manager:
        assistant = await manager.create_assistant(tools=[weather])
        thread = await manager.create_thread(messages=[{"content": "Call weather"}])
        run = await adapter.create_run(thread.id, assistant_id=assistant.id)
        assert (await adapter.wait_run(thread.id, run.id)).status == "requires_action"
        with pytest.raises(ApiError, match=run.id):
            await manager.delete_thread(thread.id)
        with pytest.raises(ApiError, match=run.id):
            await manager.add_message(thread.id, content="Hurry!")


def test_without_awaiting() -> None:
    with ThreadManager().sync as manager:
        thread = manager.create_thread()
        manager.add_message(thread.id, content="Hello!")
        assert manager.get_messages_for_llm(thread.id) == [{"role": "user", "content": "Hello!"}]


@pytest.mark.parametrize(
    ("options", "error", "told"),
    [
        (
            {"type": "mongo", "url": "mongodb://u:hidden@h"},
            ValueError,
            "no storage of type 'mongo'.*memory, sqlite, redis, ",
        ),
        ({"url": "mongodb://u:hidden@h"}, ValueError, "no storage of type 'mongodb'"),
        ({"url": "u:hidden@h"}, ValueError, "no storage of type ''"),
        ({"type": "redis", "url": "postgres://u:hidden@h/db"}, ValueError, "begins with redis://"),
        ({"type": "memory", "ttl": 86400}, TypeError, "ttl"),
        ({"type": "postgres"}, TypeError, "needs connection_string"),
        ({"type": "cosmos", "endpoint": "https://a.documents.azure.com"}, TypeError, "needs endpoint and key"),
        ({"type": "redis", "ttl": 5}, StorageError, "ttl '5'"),
        ({"type": "redis", "keyPrefix": "a b:"}, StorageError, "prefix 'a b'"),
        ({"type": "postgres", "host": "h", "hosts": "i"}, TypeError, "hosts"),
        ({"type": "postgres", "url": "postgres://h/db", "table_name": "a-b"}, StorageError, "table='a-b'"),
    ],
)
def test_a_storage_that_can_not_be(options: dict[str, Any], error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told) as raised:
        create_thread_storage(options)
    assert "hidden" not in str(raised.value)


def test_storages_by_type(tmp_path: Path) -> None:
    assert create_thread_storage().url == create_thread_storage({"type": "memory"}).url == "memory://"
    assert create_thread_storage(type="sqlite", path="a.db").url == "sqlite:///a.db"
    assert create_thread_storage(url=f"sqlite:///{tmp_path}/b.db").url == f"sqlite:///{tmp_path}/b.db"


KEY = "a2V5Kys="
REDIS = "redis://127.0.0.1:6379/0"


@pytest.mark.parametrize(
    ("options", "url"),
    [
        ({"type": "redis"}, REDIS),
        (
            {"type": "redis", "url": "redis://localhost:6379", "keyPrefix": "talk:", "ttl": 86400},
            "redis://localhost:6379?prefix=talk&ttl=86400",
        ),
        ({"type": "redis", "keyPrefix": "cogitator:openai:"}, f"{REDIS}?prefix=cogitator.openai"),
        ({"url": "rediss://h/1?prefix=a"}, "rediss://h/1?prefix=a"),
        (
            {"type": "postgres", "connectionString": "postgresql://u:p@h/db", "tableName": "assistant_threads"},
            "postgresql://u:p@h/db?table=assistant_threads",
        ),
        (
            {"type": "postgres", "url": "postgres://h/db?schema=a", "table_name": "b"},
            "postgres://h/db?schema=a&table=b",
        ),
        (
            {
                "type": "postgres",
                "host": "h",
                "port": 5433,
                "database": "db",
                "user": "u",
                "password": "p/w",
                "schema": "a",
            },
            "postgresql://u:p%2Fw@h:5433/db?schema=a",
        ),
        (
            {"type": "cosmos", "endpoint": "https://a.documents.azure.com:443/", "key": KEY},
            f"cosmos://a.documents.azure.com:443/assistants-api?key={quote(KEY, safe='')}",
        ),
        ({"url": f"cosmos://a/b?key={KEY}"}, f"cosmos://a/b?key={KEY}"),
    ],
)
def test_storages_of_servers(options: dict[str, Any], url: str) -> None:
    assert create_thread_storage(options).url == url


@pytest.mark.parametrize("scheme", sorted(GROUNDS))
async def test_threads_on_each_storage(scheme: str, tmp_path: Path) -> None:
    with empty(scheme, tmp_path) as url:
        async with create_thread_storage(url=url, blob_url=str(tmp_path / "blobs")) as storage:
            await talk(ThreadManager(storage))
            assert len((await ThreadManager(storage).list_assistants()).data) == 1


async def test_a_storage_is_connected_and_disconnected(tmp_path: Path) -> None:
    async with create_thread_storage(path=tmp_path / "a.db") as storage:
        thread = await ThreadManager(storage).create_thread()
    assert (await ThreadManager(storage).get_thread(thread.id)).id == thread.id
    await storage.disconnect()
