"""The rows about stores and about processes side by side, on the databases that are here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest

from benchmarks.bench import Bench, chat, question
from benchmarks.client import connect
from benchmarks.cores import Cores
from benchmarks.figures import Figure
from benchmarks.processes import Failed, scripted_upstream
from benchmarks.profiles import STAMPED
from benchmarks.rows import ROWS, fleet, live, queue
from benchmarks.rows.fleet import Costs
from benchmarks.stores import EMULATED, SHARED, shared
from benchmarks.tokens import STAMP, since, stamp
from tests.backends import GROUNDS, empty


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with scripted_upstream() as port:
        yield Bench(port, Cores(), rounds=1, scale=0.001)


@pytest.fixture
def databases(tmp_path: Path) -> None:
    for scheme, _ in SHARED.values():
        with empty(scheme, tmp_path):
            pass


@pytest.fixture
def postgresql_alone(databases: None, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.delitem(SHARED, "Redis")
    return "PostgreSQL"


@pytest.fixture
def redis_alone(databases: None, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.delitem(SHARED, "PostgreSQL")
    return "Redis"


def values(figures: Iterable[Figure]) -> dict[str, list[float]]:
    return {figure.name: [round(value, 6) for value in figure.values] for figure in figures}


async def test_a_fleet_is_measured(bench: Bench, postgresql_alone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet, "WORKERS", (0, 1))
    name, found = postgresql_alone, values(await ROWS["fleet"].measure(bench))
    [all_of_them] = found[f"{name}, 1 worker: CPU per run, all processes"]
    [door] = found[f"{name}, 1 worker: of which the accepting server's"]
    assert 0 < door < all_of_them
    assert found[f"{name}, no workers: runs per second"][0] > 0
    assert found[f"{name}: bytes that a run leaves there, with thread and message"][0] > 0
    assert found[f"{name}: CPU per run, 1 workers / 1"] == [1]


def test_the_cpu_of_many_workers_is_told_against_one() -> None:
    costs = {workers: Costs([90.0, 80.0], [cpu, 2 * cpu]) for workers, cpu in ((0, 3.0), (1, 4.0), (2, 4.5), (4, 5.0))}
    found = fleet.figures("Redis", costs)
    assert values(found)["Redis: CPU per run, 4 workers / 1"] == [1.25, 1.25]
    assert found[-1].verdict == "PASS"
    assert values(found)["Redis, no workers: CPU per run, all processes"] == [3, 6]
    assert values(found)["Redis, 2 workers: runs per second"] == [90, 80]


async def test_the_way_through_the_queue_is_measured(bench: Bench, redis_alone: str) -> None:
    found = values(await ROWS["queue"].measure(bench))
    assert found[f"{redis_alone}: in the same process, p50"][0] > 0
    assert found[f"{redis_alone}: through the queue, p50"][0] > 0


def test_what_the_queue_adds_is_told_round_by_round() -> None:
    found = values(queue.figures("Redis", [[2, 2, 4], [3, 3, 3]], [[5, 5, 8], [4, 4, 4]]))
    assert found["Redis: in the same process, p50"] == [2, 3]
    assert found["Redis: the queue adds, p50"] == [3, 1]
    assert found["Redis: the queue adds, p95"] == [3.9, 1]


async def test_the_way_of_a_token_from_a_worker_is_measured(bench: Bench, redis_alone: str) -> None:
    found = values(await ROWS["live"].measure(bench))
    [middle], [late] = found[f"{redis_alone}: from a worker, p50"], found[f"{redis_alone}: from a worker, p95"]
    assert 0 < middle <= late
    assert found[f"{redis_alone}: in the same process, p50"][0] > 0


def test_what_a_worker_adds_is_told_round_by_round() -> None:
    found = values(live.figures("Redis", [[1, 1, 1]], [[3, 3, 13]]))
    assert found["Redis: from a worker, p50"] == [3]
    assert found["Redis: from a worker, p95"] == [12]
    assert found["Redis: the worker adds, p95"] == [11]


async def test_a_paced_token_tells_when_it_was_written(bench: Bench) -> None:
    target = bench.direct("stamped")
    connection, pieces = await connect(target), list[bytes]()
    connection.heard = pieces.append
    answer = await connection.ask(target.request(chat(question(), stream=True)))
    connection.close()
    assert answer.tokens == STAMPED
    assert b"".join(pieces) == answer.body
    assert STAMP not in answer.body


def test_a_stamp_outlives_the_turn_of_its_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.tokens.monotonic", lambda: 999.999)
    told = stamp()
    monkeypatch.setattr("benchmarks.tokens.monotonic", lambda: 1000.004)
    assert since(told) == pytest.approx(0.005)


async def test_every_store_tells_what_a_turn_costs(
    bench: Bench, postgresql_alone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(EMULATED, "Cosmos DB's emulator")
    found = values(await ROWS["stores"].measure(bench))
    for name in ("memory", "SQLite", postgresql_alone):
        assert found[f"{name}: CPU per turn, 8 at a time"][0] > 0
        assert found[f"{name}: p50, one at a time"][0] > 0
    assert found[f"{postgresql_alone}: the database's CPU per turn"][0] > 0
    assert found[f"{postgresql_alone}: bytes that a turn leaves there"][0] >= 0
    assert not [name for name in found if name.startswith("memory: bytes")]


def test_a_fleet_without_a_database_is_no_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    for scheme, _ in SHARED.values():
        monkeypatch.setattr(type(GROUNDS[scheme]), "available", lambda ground: False)
    with pytest.raises(Failed, match=r"there is no database here: .*Redis"):
        shared()


def test_a_store_tells_what_it_holds(databases: None) -> None:
    for opened in shared().values():
        with opened() as store:
            assert store.size
            assert store.cpu
            assert store.size() == 0
            assert store.cpu() >= 0
