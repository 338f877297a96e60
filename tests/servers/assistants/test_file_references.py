"""Files that a request names have to be there: whoever asks is told which one is not, before anything is made."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from servers.app import App, create_app
from tests.servers.asgi import Connection, ask
from tests.servers.conftest import Configure
from tests.servers.forms import HEADERS, Part, file, form


@pytest.fixture
async def app(configure: Configure) -> AsyncIterator[App]:
    app = create_app(configure())
    async with app.lifespan():
        await app.opened()
        yield app


async def post(app: App, path: str, fields: Any) -> Connection:
    return await ask(app, "POST", f"/v1/{path}", json=fields)


async def made(app: App, path: str, fields: Any) -> str:
    answer = await post(app, path, fields)
    assert answer.status == 200, answer.body
    return str(answer.json()["id"])


def said(*ids: str) -> dict[str, Any]:
    images = [{"type": "image_file", "image_file": {"file_id": id}} for id in ids]
    return {"role": "user", "content": [{"type": "text", "text": "Look!"}, *images]}


def attached(*ids: str) -> dict[str, Any]:
    attachments = [{"file_id": id, "tools": [{"type": "code_interpreter"}]} for id in ids]
    return {"role": "user", "content": "Look!", "attachments": attachments}


def with_code(*ids: str) -> dict[str, Any]:
    return {"tool_resources": {"code_interpreter": {"file_ids": list(ids)}}}


async def test_files_that_are_not_there_are_named(app: App) -> None:
    upload = await ask(app, "POST", "/v1/files", body=form(Part("purpose", "vision"), file()), headers=HEADERS)
    there = upload.json()["id"]
    assistant, thread = await made(app, "assistants", {"model": "m"}), await made(app, "threads", {})
    run = {"assistant_id": assistant}
    for path, fields, param in (
        ("assistants", with_code(there, "file-x"), "tool_resources.code_interpreter.file_ids[1]"),
        (f"assistants/{assistant}", with_code("file-x"), "tool_resources.code_interpreter.file_ids[0]"),
        ("threads", with_code("file-x"), "tool_resources.code_interpreter.file_ids[0]"),
        ("threads", {"messages": [said(there), said(there, "file-x")]}, "messages[1].content[2].image_file.file_id"),
        (f"threads/{thread}", with_code("file-x"), "tool_resources.code_interpreter.file_ids[0]"),
        (f"threads/{thread}/messages", said("file-x"), "content[1].image_file.file_id"),
        (f"threads/{thread}/messages", attached(there, "file-x"), "attachments[1].file_id"),
        (f"threads/{thread}/runs", {**run, "additional_messages": [attached("file-x")]},
         "additional_messages[0].attachments[0].file_id"),
        ("threads/runs", {**run, "thread": {"messages": [said("file-x")]}},
         "thread.messages[0].content[1].image_file.file_id"),
        ("threads/runs", {**run, **with_code("file-x")}, "tool_resources.code_interpreter.file_ids[0]"),
    ):  # fmt: skip
        answer = await post(app, path, fields)
        assert (answer.status, answer.error["message"]) == (400, "No file found with id 'file-x'."), path
        assert answer.error["param"] == param
    listed = await ask(app, "GET", f"/v1/threads/{thread}/messages")
    assert listed.json()["data"] == []


async def test_files_that_are_there_are_kept_with_what_names_them(app: App) -> None:
    upload = await ask(app, "POST", "/v1/files", body=form(Part("purpose", "vision"), file()), headers=HEADERS)
    there = upload.json()["id"]
    thread = await made(app, "threads", {"messages": [said(there)], **with_code(there)})
    await made(app, f"threads/{thread}/messages", attached(there))
    newest, oldest = (await ask(app, "GET", f"/v1/threads/{thread}/messages")).json()["data"]
    assert newest["attachments"] == attached(there)["attachments"]
    assert oldest["content"][1] == {"type": "image_file", "image_file": {"file_id": there, "detail": "auto"}}


async def test_chat_names_files_too(app: App) -> None:
    parts = [{"type": "text", "text": "Read!"}, {"type": "file", "file": {"file_id": "file-x"}}]
    answer = await post(app, "chat/completions", {"messages": [{"role": "user", "content": parts}]})
    assert (answer.status, answer.error["param"]) == (400, "messages[0].content[1].file.file_id")
    inline = {"type": "file", "file": {"filename": "a.txt", "file_data": "data:text/plain;base64,aGk="}}
    answer = await post(app, "chat/completions", {"messages": [{"role": "user", "content": [parts[0], inline]}]})
    assert answer.error["code"] == "invalid_prompt"  # it has come to the model, which reads text only
