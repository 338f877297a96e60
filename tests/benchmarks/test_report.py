"""What the benchmarks tell: a table, a page, and where the CPU went."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import costs, report
from benchmarks.cores import Cores
from benchmarks.figures import Figure, Result
from benchmarks.processes import ROOT, SAMPLER
from benchmarks.table import table

RESULTS = [
    Result("chat", "a chat", [Figure("CPU", [1.5, 9.0, 1.4], "ms", goal=1.7), Figure("rate", [412.3], "/s")]),
    Result("drop", "clients leave", [Figure("closed after", [26.0], "ms", goal=25)]),
]


def test_the_table_has_medians_ranges_and_goals() -> None:
    assert table(RESULTS).splitlines()[2:] == [
        "| chat: a chat | CPU | 1.5 ms | 1.4 - 9 | <= 1.7 | PASS |",
        "|  | rate | 412 /s | 412 - 412 | - |  |",
        "| drop: clients leave | closed after | 26 ms | 26 - 26 | <= 25 | MISS |",
    ]


def test_a_goal_may_be_a_lower_bound() -> None:
    assert Figure("runs", [310.0], "/s", goal=300, at_least=True).verdict == "PASS"
    assert Figure("runs", [290.0], "/s", goal=300, at_least=True).verdict == "MISS"


def test_the_report_names_what_missed() -> None:
    how = report.Circumstances("python -m benchmarks", 3, Cores(), disturbed=0.25, speed=[41.2, 39.8])
    text = report.report(RESULTS, how)
    assert "`python -m benchmarks`" in text
    assert "not pinned" in text
    assert "25% of the machine; a fixed piece of Python took 40 to 41 ms" in text
    assert text.endswith("Missed: drop: closed after.")


def test_the_page_keeps_what_people_wrote(tmp_path: Path) -> None:
    page = tmp_path / "benchmarks.md"
    page.write_text(f"# Ours\n\n{report.BEGIN}\nold\n{report.END}\n\n## Why\n")
    report.write(page, "new")
    report.write(page, "newer")
    assert page.read_text() == f"# Ours\n\n{report.BEGIN}\n\nnewer\n\n{report.END}\n\n## Why\n"


def test_a_page_without_a_place_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "benchmarks.md"
    page.write_text("# Ours\n")
    with pytest.raises(ValueError, match="no place for figures"):
        report.write(page, "new")
    assert page.read_text() == "# Ours\n"


def test_our_page_has_a_place() -> None:
    page = (ROOT / "docs" / "benchmarks.md").read_text()
    assert page.index(report.BEGIN) < page.index(report.END)


def test_costs_are_told_by_package_and_function(tmp_path: Path) -> None:
    ours = f"{ROOT}/graph/engine.py:10:Engine.start"
    library = "/usr/lib/python3.11/site-packages/aiohttp/client.py:5:post"
    stacks = [([ours, library], 3), ([ours], 1)]
    (tmp_path / "1.stacks").write_text("\n".join(json.dumps(each) for each in stacks))
    found = costs.read(tmp_path)
    assert found.samples == 4
    assert found.packages == [("aiohttp", 0.75), ("cortex-flow", 0.25)]
    assert found.ours == [("graph/engine.py:10 Engine.start", 1.0)]
    assert "| `aiohttp/client.py:5 post` | 75.0% |" in costs.table(found)


def test_the_sampler_runs_the_command(tmp_path: Path) -> None:
    command = [sys.executable, "-P", str(SAMPLER), str(tmp_path), "version"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip()
    assert [path.suffix for path in tmp_path.iterdir()] == [".stacks"]
