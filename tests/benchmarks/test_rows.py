"""The benchmarks run: a real server between a scripted upstream and the load generator, with numbers as small as can be."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from benchmarks.bench import Bench, chat, question
from benchmarks.client import Unanswered, ask, connect, load
from benchmarks.cores import Cores
from benchmarks.figures import Figure
from benchmarks.paced import Paced
from benchmarks.processes import scripted_upstream
from benchmarks.rows import ROWS

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with scripted_upstream() as port:
        yield Bench(port, Cores(), rounds=1, scale=0.001)


async def figures(bench: Bench, row: str) -> dict[str, Figure]:
    return {figure.name: figure for figure in await ROWS[row].measure(bench)}


async def test_a_row_measures_the_product_and_the_upstream(bench: Bench) -> None:
    found = await figures(bench, "chat")
    assert found["CPU per request"].value > 0
    assert found["CPU per request"].goal == 1.7
    assert found["the direct upstream's"].value > found["requests per second"].value


async def test_the_team_makes_seven_calls(bench: Bench) -> None:
    found = await figures(bench, "team")
    assert found["upstream calls per run"].values == [7]


async def test_an_assistants_run_is_polled_and_streamed_over_both_stores(bench: Bench) -> None:
    found = await figures(bench, "assistants")
    assert found["SQLite, polled: CPU per run"].goal == 1000 / 300
    assert all(figure.value > 0 for figure in found.values())
    assert {name.partition(":")[0] for name in found} == {
        "SQLite, polled",
        "SQLite, streamed",
        "memory, polled",
        "memory, streamed",
    }


async def test_a_vector_store_is_searched_with_and_without_embeddings(bench: Bench) -> None:
    found = await figures(bench, "retrieval")
    assert found["chunks"].value > 50
    assert found["words: p50"].goal == 20
    assert found["words: recall@5"].value == 1
    assert found["with embeddings: recall@5"].verdict == "PASS"


async def test_an_answer_is_told_with_its_tokens_and_times(bench: Bench) -> None:
    target = bench.direct("stream200")
    connection = await connect(target)
    streamed = await connection.ask(target.request(chat(question(), stream=True)))
    again = await connection.ask(target.request(chat(question(), stream=True)))
    whole = await connection.ask(target.request(chat(question())))
    connection.close()
    assert [streamed.tokens, again.tokens, whole.tokens] == [200, 200, 200]
    assert streamed.began <= streamed.first <= streamed.ended
    assert streamed.body != again.body, "no cache may know an answer already"
    assert len(whole.json()["choices"][0]["message"]["content"].split()) == 200


async def test_an_answer_that_is_too_short_is_no_measurement(bench: Bench) -> None:
    target = bench.direct("chat64")
    with pytest.raises(Unanswered, match="64 tokens came instead of 65"):
        await load(target, lambda number: target.request(chat(question())), 4, 2, tokens=65)


async def test_a_refusal_is_no_measurement(bench: Bench) -> None:
    target = bench.direct("nothing")
    with pytest.raises(Unanswered, match="404"):
        await load(target, lambda number: target.request(chat(question())), 2, 1, tokens=1)


async def test_the_upstream_has_no_list_of_models(bench: Bench) -> None:
    target = bench.direct("chat64")
    with pytest.raises(Unanswered, match="404"):
        await ask(target, target.get("/chat64/v1/models"))
    assert await bench.tally() == {"calls": 0, "hung_up": [], "asked": []}


async def test_the_upstream_tells_who_hung_up(bench: Bench) -> None:
    async with Paced(bench.direct("paced"), 3) as paced:
        assert paced.tokens >= 3
        paced.drop()
        told = await bench.tally(hung_up=3)
    assert told["calls"] == 3
    assert len(told["hung_up"]) == 3
    assert await bench.tally() == {"calls": 0, "hung_up": [], "asked": []}


def test_an_unknown_row_is_refused() -> None:
    command = [sys.executable, "-m", "benchmarks", "lunch"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "there is no row 'lunch'" in done.stderr
