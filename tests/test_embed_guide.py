"""The programs of docs/how-to/embed.md, run as they stand there."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from servers import create_openai_server, settings
from tests.servers.asgi import ask

GUIDE = Path(__file__).parents[1] / "docs" / "how-to" / "embed.md"
PROGRAMS = re.findall(r"^```python\n(.*?)^```$", GUIDE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for field in settings.Settings.model_fields:
        monkeypatch.delenv(settings.variable(field), raising=False)
    monkeypatch.chdir(tmp_path)


def program(about: str) -> str:
    [found] = [each for each in PROGRAMS if about in each]
    return str(found).replace("port=8001", "port=0")


def run(text: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "guide"}
    exec(compile(text, str(GUIDE), "exec"), names)
    return names


@contextmanager
def serving() -> Iterator[str]:
    """A server in a thread of its own, for programs that block."""
    server = create_openai_server(port=0, storage_url="memory://")
    ready = threading.Event()
    stopped: list[Any] = []

    async def serve() -> None:
        async with server:
            stopped[:] = [asyncio.get_running_loop(), asyncio.Event()]
            ready.set()
            await stopped[1].wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(60)
    try:
        yield server.get_base_url()
    finally:
        stopped[0].call_soon_threadsafe(stopped[1].set)
        thread.join(60)


def test_a_server_that_you_start_and_stop(capsys: pytest.CaptureFixture[str]) -> None:
    run(program("exchange_rate"))
    assert "1.16" in capsys.readouterr().out


def test_a_team_of_your_own(capsys: pytest.CaptureFixture[str]) -> None:
    run(program("ACCOUNTANT"))
    names, answer = capsys.readouterr().out.strip().splitlines()
    assert names == "['books', 'books-supervisor', 'books-accountant', 'books-writer']"
    assert "380 in 2024" in answer
    assert answer.endswith("['accountant']")


async def test_in_your_application() -> None:
    app = run(program("import OpenAIServer, mount"))["app"]
    async with app.router.lifespan_context(app):
        assert (await ask(app, "GET", "/team-a/v1/models")).json()["data"][0]["id"] == "red"
        assert (await ask(app, "GET", "/team-b/v1/models")).status == 401


async def test_by_hand() -> None:
    app = run(program("import Starlette"))["app"]
    async with app.router.lifespan_context(app):
        assert (await ask(app, "GET", "/team/v1/models")).status == 200


def test_without_a_network(capsys: pytest.CaptureFixture[str]) -> None:
    run(program("create_openai_adapter"))
    *said, refused = capsys.readouterr().out.strip().splitlines()
    assert refused.endswith("404 model_not_found model")
    assert "".join(said).count("Cortex Flow is a multi-agent service") == 2


def test_clients_that_know_the_rest(capsys: pytest.CaptureFixture[str]) -> None:
    with serving() as base_url:
        names = run(program("ChatCortexFlow").replace("http://127.0.0.1:8001/v1", base_url))
        with closing(names["llm"].root_client):
            told, answer, iterations = capsys.readouterr().out.strip().splitlines()
    assert told == "user_123 []"
    assert "Alice" in answer
    assert iterations == "1"


def test_every_program_is_run() -> None:
    assert len(PROGRAMS) == 6
