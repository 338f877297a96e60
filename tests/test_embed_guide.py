"""The programs of docs/how-to/embed.md, run as they stand there."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from servers import settings
from tests.guides import Guide, serving
from tests.servers.asgi import ask

GUIDE = Guide("how-to/embed.md")


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for field in settings.Settings.model_fields:
        monkeypatch.delenv(settings.variable(field), raising=False)
    monkeypatch.chdir(tmp_path)


def test_a_server_that_you_start_and_stop(capsys: pytest.CaptureFixture[str]) -> None:
    GUIDE.run("exchange_rate")
    assert "1.16" in capsys.readouterr().out


def test_a_team_of_your_own(capsys: pytest.CaptureFixture[str]) -> None:
    GUIDE.run("ACCOUNTANT")
    names, answer = capsys.readouterr().out.strip().splitlines()
    assert names == "['books', 'books-supervisor', 'books-accountant', 'books-writer']"
    assert "380 in 2024" in answer
    assert answer.endswith("['accountant']")


async def test_in_your_application() -> None:
    app = GUIDE.run("import OpenAIServer, mount")["app"]
    async with app.router.lifespan_context(app):
        assert (await ask(app, "GET", "/team-a/v1/models")).json()["data"][0]["id"] == "red"
        assert (await ask(app, "GET", "/team-b/v1/models")).status == 401


async def test_by_hand() -> None:
    app = GUIDE.run("import Starlette")["app"]
    async with app.router.lifespan_context(app):
        assert (await ask(app, "GET", "/team/v1/models")).status == 200


def test_without_a_network(capsys: pytest.CaptureFixture[str]) -> None:
    GUIDE.run("gpt-9")
    *said, refused = capsys.readouterr().out.strip().splitlines()
    assert refused.endswith("404 model_not_found model")
    assert "".join(said).count("Cortex Flow is a multi-agent service") == 2


def test_assistants_without_a_network(capsys: pytest.CaptureFixture[str]) -> None:
    GUIDE.run("get_stream_emitter")
    said = capsys.readouterr().out
    assert "380 in 2024" in said
    assert "\nTokens: " in said
    assert "\ncompleted\nthread.run.created\n" in said
    assert said.endswith("thread.run.completed\n")


def test_without_awaiting(capsys: pytest.CaptureFixture[str]) -> None:
    GUIDE.run(".sync as adapter")
    status, answer, *events = capsys.readouterr().out.strip().splitlines()
    assert status == "completed"
    assert "391" in "".join([answer, *events])
    assert events[-1] == "thread.run.completed"


def test_threads_without_a_team(capsys: pytest.CaptureFixture[str]) -> None:
    GUIDE.run("ThreadManager")
    said = "[{'role': 'user', 'content': 'Hello!'}, {'role': 'assistant', 'content': 'Hi there!'}]"
    assert capsys.readouterr().out.strip() == said


def test_clients_that_know_the_rest(capsys: pytest.CaptureFixture[str]) -> None:
    with serving() as base_url:
        names = GUIDE.run("ChatCortexFlow", base_url)
        with closing(names["llm"].root_client):
            told, answer, iterations = capsys.readouterr().out.strip().splitlines()
    assert told == "user_123 []"
    assert "Alice" in answer
    assert iterations == "1"


def test_every_program_is_run() -> None:
    assert len(GUIDE.programs) == 9
