"""Peers: their definitions load, and the report has a place for them. Nothing is installed here."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from benchmarks import beside, report
from benchmarks.bench import Bench
from benchmarks.beside import Beside
from benchmarks.cores import Cores
from benchmarks.figures import Figure, Result
from benchmarks.peers import PEERS, peer
from benchmarks.peers.peer import Peer
from benchmarks.processes import Failed
from benchmarks.rows import ROWS, Row

UPSTREAM = "http://127.0.0.1:1/chat64/v1"
PIN = re.compile(r"[a-z0-9._-]+(\[[a-z,-]+\])?==[^\s;]+( ; .+)?")
OURS = Result("chat", "a chat", [Figure("CPU", [1.5], "ms", goal=1.7), Figure("rate", [412.3], "/s")])
THEIRS = Result("chat", "a chat", [Figure("CPU", [9.25], "ms", goal=1.7)])

each_peer = pytest.mark.parametrize("known", PEERS.values(), ids=list(PEERS))


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer, "CACHE", tmp_path)


@each_peer
def test_a_peer_is_pinned_without_addresses(known: Peer) -> None:
    lines = known.requirements.read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(PIN.fullmatch(pin) for pin in pins)
    assert known.version
    asked = known.requirements.with_suffix(".in").read_text().split()
    named = {pin.partition("==")[0].partition("[")[0] for pin in pins}
    assert {name.partition("[")[0] for name in asked} <= named


@each_peer
def test_a_peer_starts_in_front_of_an_upstream(known: Peer) -> None:
    launch = known.launch(UPSTREAM)
    assert Path(launch.command[0]).parent == known.environment / "bin"
    assert any(UPSTREAM in text for text in (*launch.settings.values(), *launch.files.values()))
    found = launch.announced.search(b"INFO:     Uvicorn running on http://127.0.0.1:4711 (Press CTRL+C to quit)")
    assert found is not None
    assert found[1] == b"4711"


def test_the_naive_server_is_a_module() -> None:
    source = (PEERS["naive"].folder / "server.py").read_text()
    assert {"app", "chat", "supervisor"} <= {name for node in ast.parse(source).body for name in _names(node)}


def test_other_requirements_are_another_environment(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("one==1\n")
    one = Peer("one", "One", "one", tmp_path, ["one"])
    before = one.environment
    (tmp_path / "requirements.txt").write_text("one==2\n")
    assert one.environment != before
    assert not one.installed
    assert one.version == "2"


def test_rows_name_peers_that_exist() -> None:
    assert {name for row in ROWS.values() for name in row.peers} == set(PEERS)


async def test_an_absent_peer_is_told() -> None:
    told = await beside.measure(Bench(0, Cores(), rounds=1), Row("a chat", _never, peers=["litellm"]), OURS)
    assert told.peers == {"litellm": beside.NOT_INSTALLED}


async def test_a_peer_that_breaks_is_told() -> None:
    async def broken(bench: Bench) -> list[Figure]:
        assert bench.peer is PEERS["naive"]
        raise Failed("naive LangGraph did not start:\nTraceback")

    _install(PEERS["naive"])
    told = await beside.measure(Bench(0, Cores(), rounds=1), Row("a chat", broken, peers=["naive"]), OURS)
    assert told.peers == {"naive": "chat failed: naive LangGraph did not start:"}


async def test_a_peer_is_measured_by_the_same_row() -> None:
    async def figures(bench: Bench) -> list[Figure]:
        assert bench.peer is PEERS["naive"]
        return [Figure("CPU", [9.25], "ms", goal=1.7)]

    _install(PEERS["naive"])
    told = await beside.measure(Bench(0, Cores(), rounds=1), Row("a chat", figures, peers=["naive"]), OURS)
    assert told.peers == {"naive": THEIRS}


def test_the_report_has_a_column_for_each_server() -> None:
    rows = [Beside(OURS, {"litellm": beside.NOT_INSTALLED, "naive": THEIRS}), Beside(OURS, {"naive": THEIRS})]
    how = report.Circumstances("python -m benchmarks --peers", 1, Cores(), disturbed=0, speed=[1.0])
    text = report.report([OURS], how, rows)
    assert f"| row | figure | Cortex Flow | LiteLLM {PEERS['litellm'].version} | naive LangGraph" in text
    assert "| chat: a chat | CPU | 1.5 ms | not measured | 9.25 ms |" in text
    assert "|  | rate | 412 /s | not measured | - |" in text
    assert "| chat: a chat | CPU | 1.5 ms | - | 9.25 ms |" in text
    assert text.endswith(f"- LiteLLM was not measured: {beside.NOT_INSTALLED}.")


def test_without_peers_the_report_is_ours_alone() -> None:
    how = report.Circumstances("python -m benchmarks", 1, Cores(), disturbed=0, speed=[1.0])
    assert "LiteLLM" not in report.report([OURS], how)


async def _never(bench: Bench) -> list[Figure]:
    raise AssertionError("an absent peer is not asked")


def _install(known: Peer) -> None:
    known.environment.mkdir()
    (known.environment / peer.MADE).touch()


def _names(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    return [node.name] if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) else []
