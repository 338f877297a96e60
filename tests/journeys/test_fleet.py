"""What a client may ask of any replica, whoever carries its run, and whoever has gone meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest

from tests import backends
from tests.journeys.crowd import Client, Told, path_of
from tests.journeys.fixtures import thinking_with
from tests.journeys.fleet import Site
from tests.journeys.server import Server
from tests.journeys.stage import Stage
from tests.replies import Reply
from tests.upstream import Body

pytestmark = pytest.mark.xdist_group("fleet")

SHARED = tuple(sorted(backends.GROUNDS.keys() & {"postgresql", "redis"}))
TOOL = {"type": "function", "function": {"name": "weather"}}
SOON: Final = 5.0  # seconds; a second where nothing else is going on


@pytest.fixture(params=SHARED)
def site(request: pytest.FixtureRequest, tmp_path: Path, stage: Stage) -> Iterator[Site]:
    with backends.empty(request.param, tmp_path) as url, ExitStack() as stack:
        blobs = {"BLOB_URL": str(tmp_path / "blobs")}
        yield Site(tmp_path, {**thinking_with(stage), **blobs, "STORAGE_URL": url}, stack)


def test_a_cancel_at_a_replica_hangs_up_on_the_model_of_a_worker(site: Site, stage: Stage) -> None:
    replica = site.server("--no-worker")
    site.worker()
    for _ in range(3):
        stage.play(Reply("One two three", hold=stage.hold()))
        run = begun(replica)
        stage.wait_requests(1)
        asked = time.monotonic()
        assert replica.wire().ask(path=f"{path_of(run)}/cancel").status == 200
        stage.wait_closed(1)
        took = time.monotonic() - asked
        print(f"the model was hung up on after {1000 * took:.0f} ms")
        assert took < SOON
        assert b"thread.run.cancelled" in replica.wire().ask("GET", f"{path_of(run)}?stream=true").body


def test_who_waits_for_outputs_outlives_everybody(site: Site, stage: Stage) -> None:
    """Every process is killed while the run waits; new ones take its outputs, at another replica than the one that streams."""
    said = [Reply(calls=[("weather", {})]), Reply("Sunny.")]
    stage.play(lambda body: said.pop(0))
    processes = [site.server("--no-worker"), site.server("--no-worker"), site.worker()]
    run = begun(processes[0], tools=[TOOL])
    asked = processes[0].wire().ask("GET", f"{path_of(run)}?stream=true").body.decode()
    assert "thread.run.requires_action" in asked
    for process in processes:
        process.kill()
    for process in processes:
        process.start()
    one, other, _ = processes
    waiting = one.wire().ask("GET", path_of(run)).json
    [call] = waiting["required_action"]["submit_tool_outputs"]["tool_calls"]
    outputs = {"tool_outputs": [{"tool_call_id": call["id"], "output": "sun"}]}
    assert other.wire().ask(path=f"{path_of(run)}/submit_tool_outputs", json=outputs).status == 200
    seen = {"Last-Event-ID": asked.rpartition("\nid: ")[2].partition("\n")[0]}
    told = one.wire().ask("GET", f"{path_of(run)}?stream=true", headers=seen).body
    assert b"Sunny." in told
    assert b"thread.run.completed" in told
    assert len(stage.requests) == 2


async def test_a_stream_goes_on_when_the_owner_of_its_run_is_asked_to_stop(site: Site, stage: Stage) -> None:
    """At the other replica as if nothing had happened; who has streamed from the owner takes it up there."""
    holds = [stage.hold()]

    def play(body: Body) -> Reply:
        return Reply("One two three", hold=holds.pop() if holds else None)

    stage.play(play)
    owner, other = await asyncio.to_thread(lambda: (site.server(), site.server()))
    run = await asyncio.to_thread(begun, owner)
    mine, others = Told(run=run), Told(run=run)
    async with (
        Client([owner, other], Random(1)) as first,
        Client([other], Random(2)) as second,
        asyncio.TaskGroup() as group,
    ):
        group.create_task(first.follow(mine, at=owner))
        group.create_task(second.follow(others))
        await mine.says("One two")
        await others.says("One two")
        await asyncio.to_thread(owner.terminate)
    for told in (mine, others):
        assert told.ends == ["thread.run.completed"]
        assert list(told.whole.values()) == ["One two three"]
        assert {id: told.texts[id] for id in told.whole} == told.whole
    assert (second.streams, len(stage.requests)) == (1, 2)
    assert await asyncio.to_thread(owner.exit_code) == 0, owner.log


def begun(server: Server, **fields: Any) -> Any:
    """A new run on a thread of its own."""
    wire = server.wire()
    assistant = wire.ask(path="/v1/assistants", json={"model": "cortex-flow", **fields}).json["id"]
    thread = {"messages": [{"role": "user", "content": "Hi"}]}
    return wire.ask(path="/v1/threads/runs", json={"assistant_id": assistant, "thread": thread}).json
