"""`cortex-flow import` as a process, and its objects behind OpenAI's client."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import orjson
import pytest
from openai import NotFoundError, OpenAI

from tests.journeys.server import COMMAND, running
from tests.servers.terminal.test_chat import environment

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
AT = 1_700_000_000


def dumped(path: Path, **parts: Any) -> str:
    content = [{"type": "text", "text": {"value": "My name is Alice.", "annotations": []}}]
    message = {"id": "msg_a", "thread_id": "thread_b", "created_at": AT, "role": "user", "content": content}
    dump = {
        "assistants": [{"id": "asst_abc123", "created_at": AT, "model": "gpt-4o", "name": "Helper", "tools": []}],
        "threads": [{"id": "thread_b", "created_at": AT, "metadata": {}}],
        "messages": [message],
        **parts,
    }
    (path / "dump.json").write_bytes(orjson.dumps(dump))
    return str(path / "dump.json")


def bring(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND[0], "import", *arguments],
        cwd=folder,
        env=environment(folder, variables),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_code_with_a_literal_id_runs_beside_which_it_is_imported(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/chat.db"
    with running(tmp_path, STORAGE_URL=url) as server, OpenAI(base_url=f"{server.url}/v1", api_key="unused") as client:
        first = bring(tmp_path, dumped(tmp_path))
        assert first.stdout == f"Imported 1 assistant, 1 thread, 1 message. [{url}, tenant default]\n"
        threads = client.beta.threads
        threads.messages.create("thread_b", role="user", content="What is my name?")
        run = threads.runs.create_and_poll(assistant_id="asst_abc123", thread_id="thread_b")
        newest = threads.messages.list("thread_b").data[0].content[0]
        assert run.status == "completed"
        assert newest.type == "text"
        assert "Alice" in newest.text.value
        again = bring(tmp_path, dumped(tmp_path))
        assert again.stdout == f"Nothing new: 1 assistant, 1 thread, 1 message here already. [{url}, tenant default]\n"
        assert (first.returncode, again.returncode, again.stderr) == (0, 0, "")


def test_for_a_tenant(tmp_path: Path) -> None:
    assert bring(tmp_path, dumped(tmp_path), "--tenant", "acme").returncode == 0
    keys = {"OPENAI_COMPAT_API_KEYS": "acme:k,other:l", "STORAGE_URL": f"sqlite:///{tmp_path}/chat.db"}
    with running(tmp_path, **keys) as server:
        with OpenAI(base_url=f"{server.url}/v1", api_key="k") as client:
            assert client.beta.assistants.retrieve("asst_abc123").name == "Helper"
        with OpenAI(base_url=f"{server.url}/v1", api_key="l") as client, pytest.raises(NotFoundError):
            client.beta.assistants.retrieve("asst_abc123")


def test_a_broken_dump(tmp_path: Path) -> None:
    broken = [{"id": "asst_1"}, *({"id": f"asst_{number}", "created_at": "now"} for number in range(60))]
    ended = bring(tmp_path, dumped(tmp_path, assistants=broken))
    told = ended.stderr.splitlines()
    assert ended.returncode == 1
    assert told[0] == "cortex-flow: dump.json: assistants[0]: Missing required parameter: 'created_at'."
    assert told[-2:] == ["cortex-flow: ... and 11 more.", "cortex-flow: Nothing was imported."]
    assert not (tmp_path / "chat.db").exists()


def test_what_can_not_be_read(tmp_path: Path) -> None:
    ended = bring(tmp_path, "nowhere.json")
    assert (ended.returncode, ended.stderr) == (1, "cortex-flow: No such file or directory\n")
    (tmp_path / "a.json").write_text("{")
    ended = bring(tmp_path, "a.json", STORAGE_URL="nope://")
    assert ended.returncode == 1
    assert ended.stderr.startswith("cortex-flow: a.json: This is no JSON: ")


def test_a_storage_that_there_is_not(tmp_path: Path) -> None:
    ended = bring(tmp_path, dumped(tmp_path), STORAGE_URL="nope://")
    assert ended.returncode == 2
    assert ended.stderr.startswith("cortex-flow: STORAGE_URL: ")
