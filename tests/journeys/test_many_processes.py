"""Replicas and workers on one storage, as real processes: who carries what, and what becomes of it when one of them goes."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from openai import APIStatusError, RateLimitError

from tests import backends
from tests.journeys.chats import Chat
from tests.journeys.fixtures import thinking_with
from tests.journeys.fleet import NO_WORKER, WORKER, Site
from tests.journeys.scripts import echo
from tests.journeys.server import COMMAND, Server
from tests.journeys.stage import Stage, replying
from tests.replies import Reply

pytestmark = [
    pytest.mark.xdist_group("journeys-trouble"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # openai on its Assistants API
]

SHARED = tuple(sorted(backends.GROUNDS.keys() & {"postgresql", "redis"}))
TOOL = {"type": "function", "function": {"name": "weather"}}


@pytest.fixture(params=SHARED)
def site(request: pytest.FixtureRequest, tmp_path: Path, stage: Stage) -> Iterator[Site]:
    with backends.empty(request.param, tmp_path) as url, ExitStack() as stack:
        blobs = {"BLOB_URL": str(tmp_path / "blobs")}
        yield Site(tmp_path, {**thinking_with(stage), **blobs, "STORAGE_URL": url}, stack)


def begun(client: Any, number: int, **fields: Any) -> list[Any]:
    """Runs, each on a thread of its own."""
    assistant = client.beta.assistants.create(model="cortex-flow", **fields)
    thread = {"messages": [{"role": "user", "content": "Go."}]}
    return [client.beta.threads.create_and_run(assistant_id=assistant.id, thread=thread) for _ in range(number)]


def statuses(client: Any, runs: list[Any]) -> set[str]:
    return {client.beta.threads.runs.poll(run.id, thread_id=run.thread_id, poll_interval_ms=50).status for run in runs}


def test_the_runs_of_a_worker_that_is_killed_are_carried_on_by_another_one(site: Site, stage: Stage) -> None:
    """kill -9 with six of them at work, accepted by a replica that carries none itself."""
    stage.play(Reply("never", hold=stage.hold()))
    client = site.server("--no-worker").client()
    first = site.worker()
    runs = begun(client, 6)
    stage.wait_requests(6)
    first.kill()
    stage.play("Done.")
    site.worker()
    assert statuses(client, runs) == {"completed"}
    assert len(stage.requests) == 6


def test_what_a_worker_has_at_work_is_handed_over_when_it_stops(site: Site, stage: Stage) -> None:
    stage.play(Reply("never", hold=stage.hold()))
    client = site.server("--no-worker").client()
    first = site.worker(MAX_CONCURRENT_RUNS="2")
    runs = begun(client, 3)
    stage.wait_requests(2)
    first.stop()
    stage.play("Done.")
    second = site.worker()
    assert statuses(client, runs) == {"completed"}
    assert len(stage.requests) == 3
    second.stop()


def test_servers_on_one_port(site: Site, stage: Stage) -> None:
    """One of them is killed: nobody notices but who looks at the log. All of them end when their parent is asked to."""
    stage.play(replying(echo))
    server = site.server("--workers", "2")
    client = server.client(max_retries=5)
    assert Chat(server).text("hello") == echo("hello")
    assert statuses(client, begun(client, 4)) == {"completed"}
    child = int(re.findall(r"server process (\d+) listens", server.log)[0])
    server.signal(signal.SIGKILL, child)
    server.wait_log("another one takes its place")
    for number in range(8):
        assert client.chat.completions.create(
            model="cortex-flow", messages=[{"role": "user", "content": f"number {number}"}]
        ).choices[0].message.content == echo(f"number {number}")
    server.signal(signal.SIGTERM)
    assert server.exit_code() == 0, server.log


def test_a_run_is_answered_and_cancelled_wherever_it_is_asked_for(site: Site, stage: Stage) -> None:
    stage.play(Reply(calls=[("weather", {})]))
    one: Any
    other: Any
    one, other = site.server("--no-worker").client(), site.server("--no-worker").client()
    site.worker()
    [run] = begun(one, 1, tools=[TOOL])
    assert statuses(other, [run]) == {"requires_action"}
    stage.play("Sunny.")
    waiting = other.beta.threads.runs.retrieve(run.id, thread_id=run.thread_id)
    [call] = waiting.required_action.submit_tool_outputs.tool_calls
    answered = [{"tool_call_id": call.id, "output": "sun"}]
    other.beta.threads.runs.submit_tool_outputs(run.id, thread_id=run.thread_id, tool_outputs=answered)
    assert statuses(one, [run]) == {"completed"}
    stage.play(Reply("never", hold=stage.hold()))
    [run] = begun(one, 1)
    stage.wait_requests(1)
    other.beta.threads.runs.cancel(run.id, thread_id=run.thread_id)
    stage.wait_closed(1)
    assert statuses(one, [run]) == {"cancelled"}


def test_files_are_read_by_workers(site: Site) -> None:
    client = site.server("--no-worker").client()
    site.worker()
    store = client.vector_stores.create()
    file = client.vector_stores.files.upload_and_poll(
        vector_store_id=store.id, file=("a.txt", b"Lighthouses are tall."), poll_interval_ms=50
    )
    assert file.status == "completed"


def test_too_many_runs_that_wait(site: Site, stage: Stage) -> None:
    stage.play("Done.")
    client = site.server("--no-worker", MAX_QUEUED_RUNS="1").client()
    runs = begun(client, 1)
    refused = None
    while refused is None:  # how many wait is known to the second
        try:
            runs += begun(client, 1)
        except RateLimitError as error:
            refused = error
    assert (refused.response.headers["retry-after"], refused.code) == ("5", "rate_limit_exceeded")
    site.worker()
    assert statuses(client, runs) == {"completed"}


def test_a_tenant_with_enough_at_work(tmp_path: Path, stage: Stage) -> None:
    """On one process: its chats are refused and its runs wait, while others go on."""
    hold = stage.hold()
    stage.play(Reply("Done.", hold=hold))
    limits = {"OPENAI_COMPAT_API_KEYS": "red:key-of-red,blue:key-of-blue", "MAX_CONCURRENT_RUNS_PER_TENANT": "1"}
    with Server(tmp_path, {**thinking_with(stage), **limits}) as server:
        red, blue = (server.client(api_key=f"key-of-{name}") for name in ("red", "blue"))
        first, second = begun(red, 2)
        [other] = begun(blue, 1)
        stage.wait_requests(2)
        assert red.beta.threads.runs.retrieve(second.id, thread_id=second.thread_id).status == "queued"
        with pytest.raises(RateLimitError) as refused:
            Chat(server, api_key="key-of-red").say("and this?")
        assert "Too many of your runs" in refused.value.message
        hold.release()
        assert statuses(red, [first, second]) == {"completed"}
        assert statuses(blue, [other]) == {"completed"}


def test_ready_says_whether_a_request_would_be_answered(tmp_path: Path) -> None:
    with Server(tmp_path, {"OPENAI_COMPAT_API_KEYS": "secret"}) as server:
        with pytest.raises(APIStatusError):
            server.client().models.list()
        server.client(api_key="secret").models.list()  # answered when all is open
        answer = server.wire().ask("GET", "/health/ready")
        assert (answer.status, answer.json) == (200, {"status": "ready"})


@pytest.mark.parametrize(
    ("command", "environment", "complaint"),
    [
        ((*COMMAND, "--workers", "2"), {"STORAGE_URL": "sqlite:///a.db"}, "--workers 2: one process alone serves"),
        ((*COMMAND, "--workers", "2"), {"STORAGE_URL": "memory://"}, "--workers 2: one process alone serves"),
        (WORKER, {"STORAGE_URL": "sqlite:///a.db"}, "cortex-flow worker: one process alone serves"),
        (NO_WORKER, {"STORAGE_URL": "sqlite:///a.db"}, "WORKER: nobody would carry runs"),
        (
            COMMAND,
            {"STORAGE_URL": "memory://", "RUNTIME_URL": "redis://localhost"},
            "RUNTIME_URL: redis://localhost is for",
        ),
    ],
)
def test_what_one_process_can_not_have_is_refused_in_one_line(
    tmp_path: Path, command: tuple[str, ...], environment: dict[str, str], complaint: str
) -> None:
    server = Server(tmp_path, environment, command)
    assert server.fail() == 2
    assert complaint in server.log
    assert "Traceback" not in server.log
