"""`cortex-flow chat` as a process, beside a server and without one."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import subprocess
from pathlib import Path

import orjson
import pytest

from tests.journeys.server import COMMAND, running
from tests.replies import Reply
from tests.upstream import Upstream

CHAT = (COMMAND[0], "chat")


def ask(folder: Path, *arguments: str, stdin: str | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*CHAT, *arguments],
        cwd=folder,
        env=environment(folder, variables),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def environment(folder: Path, variables: dict[str, str]) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "STORAGE_URL": f"sqlite:///{folder}/chat.db", **variables}


def test_plain_lines_where_there_is_no_terminal(tmp_path: Path) -> None:
    ended = ask(tmp_path, "Research and analyze AI trends")
    assert ended.returncode == 0
    assert "AI agent" in ended.stdout
    assert "researcher: " in ended.stderr
    assert "[researcher, analyst; " in ended.stderr


def test_json_is_the_completion_and_nothing_else(tmp_path: Path) -> None:
    ended = ask(tmp_path, "--json", "What is 17 * 23?")
    body = orjson.loads(ended.stdout)
    assert body["object"] == "chat.completion"
    assert "391" in body["choices"][0]["message"]["content"]
    assert body["metadata"]["agents_used"] == ["analyst"]
    assert body["system_fingerprint"] == "offline"
    assert ended.stderr == ""


def test_the_question_may_come_by_standard_input(tmp_path: Path) -> None:
    assert "391" in ask(tmp_path, stdin="What is 17 * 23?\n").stdout


def test_nothing_to_ask_is_a_usage_error(tmp_path: Path) -> None:
    assert ask(tmp_path, stdin="").returncode == 2


def test_a_conversation_goes_on(tmp_path: Path) -> None:
    ask(tmp_path, "My name is Alice", "--conversation", "my chat/7")
    assert "Alice" in ask(tmp_path, "What is my name?", "--conversation", "my chat/7").stdout


def test_it_works_beside_a_server_on_the_same_file(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/chat.db"
    with running(tmp_path, STORAGE_URL=url):
        assert ask(tmp_path, "What is 17 * 23?").returncode == 0


@pytest.mark.parametrize(
    ("option", "value", "complaint"),
    [
        ("--model", "nope", "The model 'nope' does not exist here."),
        ("--conversation", "bad\nname", "Invalid value for 'conversation_id': it has control characters."),
    ],
)
def test_what_can_not_be_is_one_line(tmp_path: Path, option: str, value: str, complaint: str) -> None:
    ended = ask(tmp_path, "Hi", option, value)
    assert ended.returncode == 1
    assert ended.stderr == f"cortex-flow: {complaint}\n"


def test_tenants_have_conversations_of_their_own(tmp_path: Path) -> None:
    ask(tmp_path, "My name is Alice", "--conversation", "talk", "--tenant", "acme")
    assert "Alice" not in ask(tmp_path, "What is my name?", "--conversation", "talk").stdout
    assert "Alice" in ask(tmp_path, "What is my name?", "--conversation", "talk", "--tenant", "acme").stdout


def test_a_terminal_sees_the_team_at_work(tmp_path: Path) -> None:
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [*CHAT, "Create a report on AI agents"],
        cwd=tmp_path,
        env=environment(tmp_path, {"TERM": "xterm", "COLUMNS": "100"}),
        stdin=follower,
        stdout=follower,
        stderr=follower,
    )
    os.close(follower)
    seen = read_all(leader)
    assert process.wait(60) == 0
    assert "✓" in seen
    assert "Find facts about AI agents" in seen
    assert "# AI agents" in seen


async def test_ctrl_c_cancels_the_run_and_closes_the_model(tmp_path: Path) -> None:
    async with Upstream(Reply("never said", first_delay=600)) as upstream:
        model = {"LLM_MODEL": "openai:scripted", "OPENAI_BASE_URL": upstream.url, "OPENAI_API_KEY": "k"}
        process = await asyncio.create_subprocess_exec(
            *CHAT, "Hi", env=environment(tmp_path, model), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        await upstream.wait_requests(1)
        process.send_signal(signal.SIGINT)
        await upstream.wait_closed(1)
        _, err = await process.communicate()
    assert process.returncode == 130
    assert err == b""


def read_all(descriptor: int) -> str:
    """Everything that is written to a terminal until it is closed."""
    seen = b""
    while True:
        try:
            chunk = os.read(descriptor, 65536)
        except OSError:  # how Linux says that the other side is closed
            break
        if not chunk:
            break
        seen += chunk
    os.close(descriptor)
    return seen.decode()
