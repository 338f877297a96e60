"""`kill -9` of a server with runs at work, and what becomes of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.journeys.fixtures import thinking_with
from tests.journeys.server import Server, running
from tests.journeys.stage import Hold, Stage
from tests.journeys.wire import Wire
from tests.replies import Reply, transfer
from tests.upstream import Body, Received, agent_of

pytestmark = pytest.mark.xdist_group("journeys-trouble")

AT_WORK, QUEUED = 40, 10
KINDS = ("an answer", "an agent of two", "an agent", "the last word")
"""What a run is at when the server dies, by its number: what of it is asked for before, and must not be asked again."""

_TASK = re.compile(r"task (\d+)\.")


def kind(number: int) -> str:
    return KINDS[number % len(KINDS)]


def number_of(body: Body) -> int:
    found = _TASK.search(orjson.dumps(body["messages"]).decode())
    assert found is not None, body["messages"]
    return int(found[1])


def play(body: Body, hold: Hold | None) -> Reply:
    """The team at work on a task; `hold` keeps each run where its kind says."""
    number, agent = number_of(body), agent_of(body)
    outputs = [message["content"] for message in body["messages"] if message["role"] == "tool"]
    task = f"Do task {number}."
    match agent, kind(number):
        case "supervisor", "an answer":
            return Reply(f"Answer {number}.", hold=hold)
        case "supervisor", what if not outputs:
            both = [transfer("researcher", task), transfer("analyst", task)]
            return Reply(calls=both if what == "an agent of two" else both[:1])
        case "supervisor", what:
            return Reply(f"Answer {number}: {' '.join(outputs)}", hold=hold if what == "the last word" else None)
        case "researcher", what:
            return Reply("found", hold=hold if what == "an agent" else None)
        case _:
            return Reply("worked out", hold=hold)


EXPECTED = {
    "an answer": "Answer {}.",
    "an agent of two": "Answer {}: found worked out",
    "an agent": "Answer {}: found",
    "the last word": "Answer {}: found",
}
BEFORE = {
    "an answer": {"supervisor": 1},
    "an agent of two": {"supervisor": 1, "researcher": 1, "analyst": 1},
    "an agent": {"supervisor": 1, "researcher": 1},
    "the last word": {"supervisor": 2, "researcher": 1},
}
AFTER = {
    "an answer": {"supervisor": 1},
    "an agent of two": {"supervisor": 1, "analyst": 1},
    "an agent": {"supervisor": 1, "researcher": 1},
    "the last word": {"supervisor": 1},
}
WHOLE = {
    "an answer": {"supervisor": 1},
    "an agent of two": {"supervisor": 2, "researcher": 1, "analyst": 1},
    "an agent": {"supervisor": 2, "researcher": 1},
    "the last word": {"supervisor": 2, "researcher": 1},
}


def test_fifty_runs_outlive_their_server(tmp_path: Path, stage: Stage) -> None:
    """Whoever had finished is not asked again, nothing is said twice, what was queued begins."""
    hold = stage.hold()
    stage.play(lambda body: play(body, hold))
    with running(tmp_path, **thinking_with(stage), MAX_CONCURRENT_RUNS=str(AT_WORK)) as server:
        runs = begun(server, range(AT_WORK + QUEUED))
        stage.wait_requests(sum(sum(BEFORE[kind(number)].values()) for number in range(AT_WORK)))
        for number in range(AT_WORK):
            if kind(number) == "an agent of two":
                wait_for_an_agent(server, runs[number])
        assert statuses(server, runs) == {"in_progress": AT_WORK, "queued": QUEUED}
        assert asked(stage.requests) == {number: BEFORE[kind(number)] for number in range(AT_WORK)}
        server.kill()
        stage.play(lambda body: play(body, None))
        server.start()
        for path in runs:
            server.wire().ask("GET", f"{path}?stream=true")
        assert statuses(server, runs) == {"completed": AT_WORK + QUEUED}
        assert asked(stage.requests) == {
            number: (AFTER if number < AT_WORK else WHOLE)[kind(number)] for number in range(AT_WORK + QUEUED)
        }
        for number, path in enumerate(runs):
            assert said(server, path) == [f"This is task {number}.", EXPECTED[kind(number)].format(number)]


def test_runs_whose_time_is_over_expire(tmp_path: Path, stage: Stage) -> None:
    """The one that waits for its client while nobody is there, the other one at work or before it is taken up."""
    hold = stage.hold()
    stage.play(lambda body: Reply(calls=[("weather", {})]) if number_of(body) == 0 else Reply("never", hold=hold))
    with running(tmp_path, **thinking_with(stage), RUN_TIMEOUT_SECONDS="3") as server:
        waits, works = begun(server, range(2), tools=[{"type": "function", "function": {"name": "weather"}}])
        assert b"thread.run.requires_action" in server.wire().ask("GET", f"{waits}?stream=true").body
        server.kill()
        stage.play(Reply("never", hold=hold))
        server.start()
        assert b"thread.run.expired" in server.wire().ask("GET", f"{works}?stream=true").body
        assert statuses(server, [waits, works]) == {"expired": 2}  # it was begun later


def begun(server: Server, numbers: Sequence[int], **fields: Any) -> list[str]:
    """The paths of new runs, each on a thread of its own."""
    wire = server.wire()
    assistant = wire.ask(path="/v1/assistants", json={"model": "cortex-flow", **fields}).json["id"]
    threads = [{"messages": [{"role": "user", "content": f"This is task {number}."}]} for number in numbers]
    asked = [{"assistant_id": assistant, "thread": thread} for thread in threads]
    runs = [wire.ask(path="/v1/threads/runs", json=each).json for each in asked]
    return [f"/v1/threads/{run['thread_id']}/runs/{run['id']}" for run in runs]


def wait_for_an_agent(server: Server, path: str) -> None:
    """Returns when one of the run's agents has finished."""
    wire: Wire = server.wire()
    stream = wire.send("GET", f"{path}?stream=true").response
    while not stream.readline().startswith(b"event: thread.run.step.completed"):
        pass


def statuses(server: Server, paths: Sequence[str]) -> dict[str, int]:
    return Counter(server.wire().ask("GET", path).json["status"] for path in paths)


def asked(requests: Sequence[Received]) -> dict[int, dict[str, int]]:
    """How often each agent was asked for each task."""
    told: dict[int, dict[str, int]] = {}
    for request in requests:
        of = told.setdefault(number_of(request.body), {})
        of[request.agent] = of.get(request.agent, 0) + 1
    return told


def said(server: Server, path: str) -> list[str]:
    messages = server.wire().ask("GET", f"{path.partition('/runs/')[0]}/messages?order=asc").json["data"]
    return [message["content"][0]["text"]["value"] for message in messages]
