"""The way of docs/how-to/migrate.md, walked: exported by the program that stands there, imported, used by the old ids."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from openai import OpenAI

from tests.guides import Guide
from tests.journeys.server import running
from tests.servers.terminal.test_importing import bring

GUIDE = Guide("how-to/migrate.md")
FUNCTION = {"name": "weather", "parameters": {"type": "object", "properties": {}}}


def furnished(client: OpenAI) -> str:
    """A service with something of everything; returns the id of its thread."""
    beta: Any = client.beta
    tools = [{"type": "function", "function": FUNCTION}]
    wanted = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}
    beta.assistants.create(model="gpt-4o", name="Weather", tools=tools, response_format=wanted)
    assistant = beta.assistants.create(model="gpt-4o", name="Helper", metadata={"a": "b"})
    file = client.files.create(file=("tea.txt", b"Tea is hot."), purpose="user_data")
    attached = [{"file_id": file.id, "tools": [{"type": "file_search"}]}]
    thread = beta.threads.create(messages=[{"role": "user", "content": "My name is Alice.", "attachments": attached}])
    beta.threads.runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id)
    return str(thread.id)


def shown(client: OpenAI, thread: str) -> dict[str, Any]:
    """All that a client sees."""
    beta: Any = client.beta
    return {
        "assistants": [each.to_dict() for each in beta.assistants.list()],
        "thread": beta.threads.retrieve(thread).to_dict(),
        "messages": [each.to_dict() for each in beta.threads.messages.list(thread)],
        "files": [(each.to_dict(), client.files.content(each.id).read()) for each in client.files.list()],
    }


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:Pydantic serializer warnings")
def test_what_is_exported_here_is_the_same_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "unused")
    with running(tmp_path / "old") as old, OpenAI(base_url=f"{old.url}/v1") as client:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{old.url}/v1")
        thread = furnished(client)
        before = shown(client, thread)
        GUIDE.programs[1] = GUIDE.programs[1].replace("thread_abc123", thread)
        GUIDE.run("json.dump")["client"].close()
    counted = "1 file, 2 assistants, 1 thread, 2 messages"
    url = f"sqlite:///{tmp_path}/new.db"
    assert orjson.loads((tmp_path / "dump.json").read_bytes())["threads"]
    assert bring(tmp_path, "dump.json", STORAGE_URL=url).stdout.startswith(f"Imported {counted}.")
    with running(tmp_path / "new", STORAGE_URL=url) as new, GUIDE.run("unused", f"{new.url}/v1")["client"] as client:
        assert shown(client, thread) == before
        beta: Any = client.beta
        beta.threads.messages.create(thread, role="user", content="What is my name?")
        helper = next(each.id for each in beta.assistants.list() if each.name == "Helper")
        beta.threads.runs.create_and_poll(thread_id=thread, assistant_id=helper)
        assert "Alice" in beta.threads.messages.list(thread).data[0].content[0].text.value
