"""What every sandbox promises to those who run programs in it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from agents.tools.sandbox.port import Ran, Sandbox
from tests.agents.tools.sandbox.conftest import Opening

CSV = b"name,price\napple,1.5\npear,2.5\n"


async def test_a_program_tells_what_it_prints_and_its_last_value(opened: Opening) -> None:
    session = await opened()
    assert await session.run("print('sum', 1 + 2)\n'done'") == Ran("sum 3\ndone")
    assert (await session.run("17 * 23")).text == "391"
    failed = await session.run("print('halfway')\n1 / 0")
    assert (failed.status, failed.text.startswith("halfway\n")) == ("error", True)
    assert failed.text.endswith("ZeroDivisionError: division by zero")
    assert (await session.run("x = (")).status == "error"


async def test_a_program_finds_what_those_before_it_have_left(opened: Opening) -> None:
    session, other = await opened(), await opened()
    await session.run("rows = [1, 2]\ndef total(rows):\n    return sum(rows)")
    await session.run("rows.append(3)\n1 / 0")
    assert await session.run("total(rows)") == Ran("6")
    assert "NameError" in (await other.run("rows")).text


async def test_a_program_reads_the_files_that_are_given(opened: Opening) -> None:
    session = await opened(sales__csv=CSV, **{"süß 1__txt": "süß".encode()})
    ran = await session.run(
        "import csv\nwith open('/mnt/data/sales.csv', newline='') as f:\n"
        "    prices = [float(row['price']) for row in csv.DictReader(f)]\nsum(prices) / len(prices)"
    )
    assert ran == Ran("2.0")
    assert (await session.run("open('sales.csv').read()[:4]")).text == "name"
    assert (await session.run("open('/mnt/data/süß 1.txt').read()")).text == "süß"
    assert (await session.run("import os\nsorted(os.listdir('/mnt/data'))")).text == "['sales.csv', 'süß 1.txt']"


async def test_the_files_that_a_program_writes_come_out(opened: Opening) -> None:
    session = await opened(sales__csv=CSV)
    ran = await session.run(
        "with open('/mnt/data/out.csv', 'w') as f:\n    f.write('a,b')\nopen('b.bin', 'wb').write(b'\\x00')"
    )
    assert [(each.name, each.path.read_bytes()) for each in ran.written] == [("b.bin", b"\0"), ("out.csv", b"a,b")]
    assert (await session.run("open('/mnt/data/out.csv').read()")) == Ran("a,b")
    [again] = (await session.run("with open('/mnt/data/out.csv', 'a') as f:\n    f.write(',c')")).written
    assert (again.name, again.path.read_bytes()) == ("out.csv", b"a,b,c")


async def test_what_a_program_writes_before_it_fails_comes_out(opened: Opening) -> None:
    ran = await (await opened()).run("with open('/mnt/data/half.txt', 'w') as f:\n    f.write('half')\n1 / 0")
    assert (ran.status, [each.name for each in ran.written]) == ("error", ["half.txt"])


async def test_what_is_given_stays_as_it_is(opened: Opening, tmp_path: Path) -> None:
    session = await opened(sales__csv=CSV, b__txt=b"b")
    await session.run("open('/mnt/data/sales.csv', 'w').write('gone')")
    await session.run("import os\nos.remove('/mnt/data/b.txt')")
    kept = tmp_path / "session0" / "files"
    assert ((kept / "sales.csv").read_bytes(), (kept / "b.txt").read_bytes()) == (CSV, b"b")


@pytest.mark.usefixtures("hurried")
async def test_behind_a_limit_programs_begin_afresh_with_their_files(opened: Opening) -> None:
    session = await opened(sales__csv=CSV)
    await session.run("x = 1\nwith open('/mnt/data/kept.txt', 'w') as f:\n    f.write('kept')")
    endless = await session.run("while True:\n    pass")
    assert (endless.status, endless.afresh) == ("error", False)
    after = await session.run("x")
    assert ("NameError" in after.text, after.afresh) == (True, True)
    assert await session.run("open('/mnt/data/kept.txt').read() + open('/mnt/data/sales.csv').read(4)") == Ran(
        "keptname"
    )


async def test_a_cancel_ends_the_program_at_once(opened: Opening) -> None:
    session = await opened()
    await session.run("x = 1")
    runs = [asyncio.create_task(session.run("while True:\n    pass"))]
    assert (await asyncio.wait(runs, timeout=0.3))[0] == set()
    runs[0].cancel()
    assert isinstance((await asyncio.gather(*runs, return_exceptions=True))[0], asyncio.CancelledError)
    assert await session.run("1 + 1") == Ran("2", afresh=True)


async def test_sessions_work_side_by_side(opened: Opening) -> None:
    sessions = [await opened() for _ in range(4)]
    await asyncio.gather(*(session.run(f"x = {number}") for number, session in enumerate(sessions)))
    ran = await asyncio.gather(*(session.run("x * 10") for session in sessions))
    assert [each.text for each in ran] == ["0", "10", "20", "30"]


async def test_a_session_can_be_closed_at_any_time(opened: Opening, sandbox: Sandbox, tmp_path: Path) -> None:
    unused = await opened()
    await unused.close()
    cancelled = await opened()
    run = asyncio.create_task(cancelled.run("while True:\n    pass"))
    await asyncio.sleep(0.2)
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)
    await cancelled.close()
    assert sandbox.guide
