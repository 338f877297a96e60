"""Two server processes over one storage: what one carries is reached from the other, and outlives it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests import backends
from tests.journeys.fixtures import thinking_with
from tests.journeys.server import Server, running
from tests.journeys.stage import Stage
from tests.journeys.wire import Connection
from tests.replies import Reply

pytestmark = pytest.mark.xdist_group("journeys-trouble")

SHARED = [scheme for scheme in ("postgresql", "redis") if scheme in backends.GROUNDS]
WEATHER = {"type": "function", "function": {"name": "weather"}}
USER = {"role": "user", "content": "Hi"}

Fleet = tuple[Server, Server]


@pytest.fixture(scope="module", params=SHARED)
def fleet(request: pytest.FixtureRequest, folder: Path, stage: Stage) -> Iterator[Fleet]:
    at = folder / f"fleet-{request.param}"
    at.mkdir()
    with backends.empty(request.param, at) as url:
        environment = {"STORAGE_URL": url, "BLOB_URL": str(at / "blobs"), **thinking_with(stage)}
        with running(at / "one", **environment) as one, running(at / "other", **environment) as other:
            yield one, other


def test_a_run_is_streamed_live_and_taken_up_at_the_other_server(fleet: Fleet, stage: Stage) -> None:
    one, other = fleet
    hold = stage.hold()
    stage.play(Reply("One two three", hold=hold))
    path = begun(one)
    far = Lines(other, "GET", f"{path}?stream=true")
    position = far.until(" two")
    again = Lines(other, "GET", f"{path}?stream=true", headers={"Last-Event-ID": position})
    hold.release()
    assert far.rest() == ["thread.message.delta", "three"]
    assert again.rest() == ["thread.message.delta", "three"]
    assert len(stage.requests) == 1


def test_a_run_is_cancelled_from_the_other_server(fleet: Fleet, stage: Stage) -> None:
    one, other = fleet
    stage.play(Reply("One two three", hold=stage.hold()))
    path = begun(one)
    stage.wait_requests(1)
    assert other.wire().ask(path=f"{path}/cancel").json["status"] in ("cancelling", "cancelled")
    stage.wait_closed(1)
    assert b"thread.run.cancelled" in other.wire().ask("GET", f"{path}?stream=true").body


def test_outputs_are_submitted_to_the_other_server(fleet: Fleet, stage: Stage) -> None:
    one, other = fleet
    said = [Reply(calls=[("weather", {})]), Reply("Sun.")]
    stage.play(lambda body: said.pop(0))
    path = begun(one, tools=[WEATHER])
    asked = other.wire().ask("GET", f"{path}?stream=true").body
    assert b"thread.run.requires_action" in asked
    [call] = other.wire().ask("GET", path).json["required_action"]["submit_tool_outputs"]["tool_calls"]
    given = {"tool_outputs": [{"tool_call_id": call["id"], "output": "sun"}], "stream": True}
    told = other.wire().ask(path=f"{path}/submit_tool_outputs", json=given).body
    assert b"Sun." in told
    assert one.wire().ask("GET", path).json["status"] == "completed"


def test_a_chat_that_is_sent_to_the_other_server_again_is_answered_once(fleet: Fleet, stage: Stage) -> None:
    stage.play("Yes.")
    for stream in (False, True):
        body, key = {"messages": [USER], "stream": stream}, {"Idempotency-Key": f"a chat {stream}"}
        first, again = (each.wire().ask(json=body, headers=key) for each in fleet)
        assert (again.status, again.headers["idempotent-replayed"]) == (200, "true")
        assert again.body == first.body
    assert len(stage.requests) == 2
    refused = fleet[1].wire().ask(json={"messages": [USER]}, headers=key)
    assert (refused.status, refused.error["code"]) == (409, "idempotency_mismatch")


def test_who_asks_the_other_server_after_a_kill_gets_the_run_that_was_accepted(fleet: Fleet, stage: Stage) -> None:
    one, other = fleet
    assistant, thread = made(one)
    stage.play(Reply("One two three", hold=stage.hold()))
    body, key = {"assistant_id": assistant, "stream": True}, {"Idempotency-Key": "accepted"}
    Lines(one, "POST", f"/v1/threads/{thread}/runs", body, key).until(" two")
    one.kill()
    stage.play("Anew.")
    told = other.wire().ask(path=f"/v1/threads/{thread}/runs", json=body, headers=key).body
    assert b"Anew." in told
    assert b"event: thread.run.completed" in told
    assert len(other.wire().ask("GET", f"/v1/threads/{thread}/runs").json["data"]) == 1
    one.start()


@backends.on_sqlite
def test_a_server_that_was_killed_knows_what_it_had_accepted_and_answered(tmp_path: Path, stage: Stage) -> None:
    with running(tmp_path, **thinking_with(stage)) as server:
        assistant, thread = made(server)
        stage.play("Yes.")
        chat, asked = {"messages": [USER], "stream": True}, {"Idempotency-Key": "answered"}
        first = server.wire().ask(json=chat, headers=asked).body
        other = server.wire().ask(json={"messages": [USER]}, headers=asked)
        assert other.error["code"] == "idempotency_mismatch"
        stage.play(Reply("One two three", hold=stage.hold()))
        run, key = {"assistant_id": assistant, "stream": True}, {"Idempotency-Key": "accepted"}
        Lines(server, "POST", f"/v1/threads/{thread}/runs", run, key).until(" two")
        server.kill()
        stage.play("Anew.")
        server.start()
        assert server.wire().ask(json=chat, headers=asked).body == first
        told = server.wire().ask(path=f"/v1/threads/{thread}/runs", json=run, headers=key).body
        assert b"Anew." in told
        assert b"event: thread.run.completed" in told
        assert len(server.wire().ask("GET", f"/v1/threads/{thread}/runs").json["data"]) == 1
        assert len(stage.requests) == 1


@backends.on_sqlite
def test_a_stream_that_a_stop_has_broken_off_is_no_answer(tmp_path: Path, stage: Stage) -> None:
    with running(tmp_path, **thinking_with(stage)) as server:
        assistant, thread = made(server)
        stage.play(Reply("One two three", hold=stage.hold()))
        asked, key = {"assistant_id": assistant, "stream": True}, {"Idempotency-Key": "stopped"}
        path = f"/v1/threads/{thread}/runs"
        Lines(server, "POST", path, asked, key).until(" two")
        server.terminate()
        assert server.exit_code() == 0
        stage.play("Anew.")
        server.start()
        told = [server.wire().ask(path=path, json=asked, headers=key).body for _ in range(2)]
        assert told[0] == told[1]
        assert b"event: thread.run.completed" in told[0]
        assert b"event: error" not in told[0]
        assert len(server.wire().ask("GET", path).json["data"]) == 1


class Lines:
    """A stream of events, line by line, as it comes."""

    def __init__(
        self, server: Server, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> None:
        sent = None if body is None else orjson.dumps(body)
        self._connection: Connection = server.wire().send(method, path, sent, headers or {})

    def until(self, text: str) -> str:
        """Read until a delta says this; its event's id."""
        id = ""
        while line := self._connection.response.readline().decode():
            if line.startswith("id: "):
                id = line.removeprefix("id: ").strip()
            if text in line and "delta" in line:
                return id
        raise AssertionError(f"nothing says {text!r}")

    def rest(self) -> list[str]:
        """The first word of what is said from now on, and its event."""
        event = ""
        while line := self._connection.response.readline().decode():
            if line.startswith("event: "):
                event = line.removeprefix("event: ").strip()
            if line.startswith("data: ") and event == "thread.message.delta":
                [part] = orjson.loads(line.removeprefix("data: "))["delta"]["content"]
                return [event, part["text"]["value"].strip()]
        raise AssertionError("nothing is said")


def made(server: Server, **fields: Any) -> tuple[str, str]:
    """A new assistant, and a thread with a message."""
    wire = server.wire()
    assistant = wire.ask(path="/v1/assistants", json={"model": "cortex-flow", **fields}).json["id"]
    return assistant, wire.ask(path="/v1/threads", json={"messages": [USER]}).json["id"]


def begun(server: Server, **fields: Any) -> str:
    """The path of a new run."""
    assistant, thread = made(server, **fields)
    run = server.wire().ask(path=f"/v1/threads/{thread}/runs", json={"assistant_id": assistant}).json
    return f"/v1/threads/{thread}/runs/{run['id']}"
