"""The `python` tool: what a program can do, and what it is kept from."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from agents.tools import TOOLS
from agents.tools.port import Passage, ToolContext, ToolOutput
from agents.tools.python import CODE_CHARACTERS
from agents.tools.sandbox.shown import OUTPUT_CHARACTERS


class EmptyLibrary:
    async def search(self, tenant: str, query: str, limit: int) -> Sequence[Passage]:
        return []


async def python(code: object) -> ToolOutput:
    return await TOOLS["python"].run({"code": code}, ToolContext("default", EmptyLibrary(), lambda source, shown="": 1))


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("17 * 23", "391"),
        ("data = [3, 5, 8]\nprint(sum(data) / len(data))", "5.333333333333333"),
        ("print('sum', 1 + 2)\n'done'", "sum 3\ndone"),
        ("print('perché 日本語 🎉')", "perché 日本語 🎉"),
        ("{'b': 1, 'a': [1.5, None, True]}", "{'b': 1, 'a': [1.5, None, True]}"),
        ("import math\nmath.sqrt(144)", "12.0"),
        ("x = 5", "(The program printed nothing and ends with no value.)"),
    ],
)
async def test_a_program_returns_what_it_prints_and_its_last_value(code: str, text: str) -> None:
    assert await python(code) == ToolOutput(text)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("x = (", "SyntaxError"),
        ("def half(n):\n    return n / 0\nhalf(3)", "line 2, in half"),
        ("def f(n):\n    return f(n + 1)\nf(0)", "RecursionError"),
        ("[0] * 10**9", "MemoryError"),
        ("rows = []\nwhile True:\n    rows.append('a' * 1000)", "MemoryError"),
        ("list(range(3 * 10**6))", "MemoryError"),
        ("open('/etc/passwd').read()", "PermissionError"),
        ("from pathlib import Path\nPath('/etc/passwd').read_text()", "PermissionError"),
        ("import os\nos.environ['PATH']", "not supported"),
        ("import os\nos.listdir('/')", "PermissionError"),
        ("import os\nos.system('true')", "AttributeError"),
        ("import socket", "ModuleNotFoundError"),
        ("import subprocess", "ModuleNotFoundError"),
        ("import numpy", "ModuleNotFoundError"),
        ("input()", "NameError"),
        ("import time\ntime.sleep(60)", "TimeoutError"),
        ("10 ** 5000", "4300 digits"),
        ("", "must be a Python program"),
        (17, "must be a Python program"),
        ("1" * (CODE_CHARACTERS + 1), "longer than"),
    ],
)
async def test_what_fails_is_told_to_the_model(code: object, reason: str) -> None:
    output = await python(code)
    assert output.status == "error"
    assert reason in output.text


async def test_what_was_printed_before_the_error_is_kept() -> None:
    output = await python("print('halfway')\n1 / 0")
    assert output.status == "error"
    assert output.text.startswith("halfway\n")
    assert output.text.endswith("ZeroDivisionError: division by zero")


async def test_without_a_run_each_program_starts_afresh() -> None:
    assert (await python("x = 1\nx")).text == "1"
    assert "NameError" in (await python("x")).text


@pytest.mark.parametrize("code", ["for i in range(10**5):\n    print(i)", "'y' * 10**6", "['z' * 100] * 10**4"])
async def test_output_is_bounded(code: str) -> None:
    output = await python(code)
    assert output.status == "ok"
    assert len(output.text) < OUTPUT_CHARACTERS + 100
    assert f"cut at {OUTPUT_CHARACTERS} characters" in output.text


async def test_an_endless_loop_is_stopped_and_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.tools.sandbox.monty.SECONDS", 1.0)
    endless, quick = (asyncio.create_task(python(code)) for code in ("while True:\n    pass", "1 + 1"))
    done, _ = await asyncio.wait([endless, quick], return_when=asyncio.FIRST_COMPLETED)
    assert done == {quick}
    assert (await endless).status == "error"
    assert "TimeoutError" in (await endless).text


async def test_cancelling_ends_the_program() -> None:
    runs = [asyncio.create_task(python("while True:\n    pass")) for _ in range(8)]
    assert (await asyncio.wait(runs, timeout=0.2))[0] == set()
    for run in runs:
        run.cancel()
    assert all(isinstance(end, asyncio.CancelledError) for end in await asyncio.gather(*runs, return_exceptions=True))
    async with asyncio.timeout(4):  # its threads are free again well before the programs would have timed out
        assert (await python("2 + 2")).text == "4"


@pytest.mark.parametrize("part", ["[a]*4", "(a,)*4", "{1: a, 2: a, 3: a, 4: a}"])
async def test_a_value_that_explodes_when_it_is_shown_is_cut(part: str) -> None:
    output = await python(f"a = []\nfor i in range(22):\n    a = {part}\na")
    assert output.status == "ok"
    assert len(output.text) < 100_000
