"""The server as a process: how it starts, and how it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from servers.app import create_app
from servers.serve import Process
from tests.journeys.server import COMMAND, MODULE, running
from tests.servers.conftest import Configure

KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV")


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command to its end, with these variables and no others."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return subprocess.run(command, env={**kept, **environment}, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("command", [COMMAND, MODULE], ids=["command", "module"])
def test_a_bad_setting_is_one_line_and_two(command: tuple[str, ...]) -> None:
    ended = run(*command, OPENAI_COMPAT_PORT="http")
    assert ended.returncode == 2
    assert ended.stderr.startswith("cortex-flow: OPENAI_COMPAT_PORT: ")
    assert ended.stderr.count("\n") == 1


def test_the_world_is_not_let_in_by_accident() -> None:
    ended = run(*COMMAND, "--host", "0.0.0.0")
    assert ended.returncode == 2
    assert "OPENAI_COMPAT_API_KEYS" in ended.stderr


def test_a_port_in_use_is_one_line_and_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run(*COMMAND, "--port", str(port), STORAGE_URL="memory://")
    assert ended.returncode == 1
    assert f"127.0.0.1:{port}" in ended.stderr
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("variable", "value"), [("STORAGE_URL", "oracle://x"), ("LLM_MODEL", "openai:gpt-4o"), ("WRITER_MODEL", "gpt-4o")]
)
def test_what_only_opening_finds_out_ends_with_two(variable: str, value: str) -> None:
    ended = run(*COMMAND, **{"OPENAI_COMPAT_PORT": "0", "STORAGE_URL": "memory://", variable: value})
    assert ended.returncode == 2
    [line] = [line for line in ended.stderr.splitlines() if " ERROR " in line]
    assert f"{variable}: " in line
    assert "Traceback" not in ended.stderr


def test_one_server_per_file(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/one.db"
    with running(tmp_path / "first", STORAGE_URL=url):
        ended = run(*COMMAND, OPENAI_COMPAT_PORT="0", STORAGE_URL=url)
    assert ended.returncode == 1
    [line] = [line for line in ended.stderr.splitlines() if " ERROR " in line]
    assert "STORAGE_URL: " in line


def test_logs_for_machines_from_start_to_end(tmp_path: Path) -> None:
    with running(tmp_path, STORAGE_URL="memory://", LOG_FORMAT="json", OPENAI_COMPAT_ENABLE="false") as server:
        pass
    entries = [orjson.loads(line) for line in server.log.splitlines()]
    assert {"timestamp", "level", "component", "version", "message"} <= set(entries[0])
    assert "OPENAI_COMPAT_ENABLE" in entries[0]["message"]


def test_versions_and_help() -> None:
    assert run(COMMAND[0], "version").stdout.strip()
    assert "serve" in run(COMMAND[0], "--help").stdout


def test_migrating(tmp_path: Path) -> None:
    ended = run(COMMAND[0], "migrate", STORAGE_URL=f"sqlite:///{tmp_path}/x.db")
    assert ended.returncode == 0
    assert ended.stdout.startswith("sqlite:///")
    refused = run(COMMAND[0], "migrate", STORAGE_URL="oracle://x")
    assert refused.returncode == 2
    assert refused.stderr.startswith("cortex-flow: STORAGE_URL: ")


def test_the_command_stands_beside_the_interpreter() -> None:
    assert Path(COMMAND[0]).parent == Path(sys.executable).parent


def test_no_server_is_found_behind_the_signals(configure: Configure) -> None:
    """sse-starlette looks for one there, and would cut off the streams of MCP before the runs are drained."""
    settings = configure()
    with Process(settings, create_app(settings)).capture_signals():
        assert not hasattr(signal.getsignal(signal.SIGTERM), "__self__")
