"""The life of a server: how it starts, ends and dies, and what is there when it comes back."""

from __future__ import annotations

import re
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.backends import on_sqlite
from tests.journeys.chats import Chat, contents
from tests.journeys.fixtures import thinking_with
from tests.journeys.scripts import echo, told
from tests.journeys.server import COMMAND, MODULE, Server
from tests.journeys.stage import Stage, lines, replying
from tests.upstream import Reply, by_agent, transfer

WEATHER = {"type": "function", "function": {"name": "weather"}}


def test_an_orderly_end_and_a_new_start(tmp_path: Path, stage: Stage) -> None:
    """SIGTERM while answers are under way: they are given to their end and remembered, as everything is."""
    stage.play(replying(echo))
    with Server(tmp_path, thinking_with(stage)) as server:
        chat = Chat(server)
        chat.say("one", id="my chat/7")
        unnamed = chat.say("alone").conversation_id
        hold = stage.hold()
        stage.play(replying(lambda text: Reply(echo(text), hold=hold)))
        plain = server.wire().send(body=b'{"messages": [{"role": "user", "content": "plain"}]}')
        pieces = contents(chat.stream("two", id="my chat/7"))
        said = next(pieces)
        stage.wait_requests(2)
        server.terminate()
        hold.release()
        assert said + "".join(pieces) == echo("two")
        assert plain.answer().json["choices"][0]["message"]["content"] == echo("plain")
        assert server.exit_code() == 0
        assert "ERROR" not in server.log
        server.start()
        stage.play(replying(echo))
        again = Chat(server)
        again.say("three", id="my chat/7")
        assert stage.prompt == told("one", "two", "three")
        again.say("not alone", id=unnamed)
        assert stage.prompt == told("alone", "not alone")


def test_death_in_the_middle_of_a_turn(tmp_path: Path, stage: Stage) -> None:
    """`kill -9` while a writer speaks: the conversation is whole, and the next turn works."""
    stage.play(replying(echo))
    with Server(tmp_path, thinking_with(stage)) as server:
        chat = Chat(server)
        chat.say("one", id="a")
        chat.say("two", id="a")
        stage.play(Reply(calls=[("weather", {"city": "Rome"})]))
        (call,) = chat.say("Weather?", id="b", tools=[WEATHER]).choices[0].message.tool_calls
        supervisor = lines(Reply(calls=[transfer("researcher")]), Reply(calls=[transfer("writer", final=True)]))
        writer = [Reply("half a text that never ends", hold=stage.hold())]
        stage.play(by_agent(supervisor=supervisor, researcher=["Found."], writer=writer))
        assert next(contents(chat.stream("three", id="a"))).startswith("half")
        server.kill()
        stage.wait_idle()
        server.start()
        stage.play(replying(echo))
        again = Chat(server)
        again.say("four", id="a")
        assert stage.prompt == told("one", "two", "four")
        again.say("five", id="a")
        assert stage.prompt == told("one", "two", "four", "five")
        stage.play("Sunny.")  # a run that waited for its client goes on waiting
        assert again.text({"role": "tool", "tool_call_id": call.id, "content": "sun"}, tools=[WEATHER]) == "Sunny."
        assert stage.prompt == [("user", "Weather?"), ("assistant", None), ("tool", "sun")]
        server.terminate()
        assert server.exit_code() == 0


@on_sqlite
def test_the_module_is_the_server_too(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("OPENAI_COMPAT_MODEL_NAME=my-flow\nMODEL_ALIASES=gpt-*=my-flow-writer\n")
    with Server(tmp_path, command=MODULE) as server:
        models = [model.id for model in server.client().models.list()]
        assert models[:2] == ["my-flow", "my-flow-supervisor"]
        for name in ("my-flow", "cortex-flow", "gpt-4o"):
            response = Chat(server).say("Hello", model=name)
            assert response.model == name
            assert response.choices[0].message.content.startswith("Hello!")
        server.terminate()
        assert server.exit_code() == 0
    assert (tmp_path / "cortex-flow.db").exists()
    assert "model offline" in server.log


@pytest.mark.parametrize(
    ("environment", "complaint"),
    [
        ({"OPENAI_COMPAT_PORT": "many"}, "OPENAI_COMPAT_PORT"),
        ({"OPENAI_COMPAT_HOST": "0.0.0.0"}, "OPENAI_COMPAT_API_KEYS"),
        ({"LLM_MODEL": "nobody:knows"}, "LLM_MODEL"),
        ({"STORAGE_URL": "carrier-pigeon://"}, "STORAGE_URL"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_is_wrong_with_the_settings_is_one_line(
    tmp_path: Path, environment: dict[str, str], complaint: str
) -> None:
    server = Server(tmp_path, environment)
    assert server.fail() == 2
    assert complaint in server.log
    assert "Traceback" not in server.log


@on_sqlite
def test_a_second_server_on_the_same_storage_stops(tmp_path: Path) -> None:
    with Server(tmp_path) as first:
        second = Server(tmp_path)
        assert second.fail() == 1
        assert "cortex-flow.db" in second.log
        assert "Traceback" not in second.log
        assert first.wire().ask("GET", "/health").status == 200


def test_the_version() -> None:
    told = subprocess.run([COMMAND[0], "version"], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == version("cortex-flow")
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", told.stdout.strip())
