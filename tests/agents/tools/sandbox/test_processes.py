"""What holds for sandboxes whose sessions are processes."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import psutil

from agents.tools.sandbox.port import Ran, Sandbox
from agents.tools.sandbox.process import FILES
from tests.agents.tools.sandbox.conftest import Opening
from tests.agents.tools.sandbox.test_remote import BUBBLEWRAP, WASI, in_each

pytestmark = in_each([*WASI, *BUBBLEWRAP])


def processes() -> set[int]:
    return {each.pid for each in psutil.Process().children(recursive=True) if each.status() != psutil.STATUS_ZOMBIE}


async def test_they_have_all_of_python(opened: Opening) -> None:
    session = await opened()
    ran = await session.run(
        "import statistics\n\nclass A(dict):\n    def each(self):\n        yield from self.values()\n\n"
        "rows = list(A(a=1, b=3).each())\ndel rows[0]\nstatistics.mean(rows)"
    )
    assert ran == Ran("3")


async def test_a_program_may_end_itself(opened: Opening) -> None:
    session = await opened()
    assert (await session.run("print('bye')\nexit()")).text.startswith("bye")
    assert (await session.run("1")).text == "1"
    assert (await session.run("import os\nos._exit(3)")).status in ("ok", "error")
    assert (await session.run("2")).text == "2"
    assert (await session.run("import sys\nsys.exit('no')")).status == "error"


async def test_so_many_files_come_out_and_the_others_are_named(opened: Opening) -> None:
    session = await opened()
    ran = await session.run(f"for n in range(10, {FILES + 12}):\n    open(f'f{{n}}', 'w').write('x')")
    assert len(ran.written) == FILES
    assert f"not f{FILES + 10} and others" in ran.text


async def test_what_is_in_folders_is_the_programs_own(opened: Opening) -> None:
    session = await opened()
    ran = await session.run("import os\nos.mkdir('a')\nopen('a/b', 'w').write('x')\nopen('.c', 'w').write('x')")
    assert ran.written == ()
    assert (await session.run("open('a/b').read() + open('.c').read()")).text == "xx"


async def test_a_process_that_is_killed_is_replaced(opened: Opening) -> None:
    before = processes()
    session = await opened(given__txt=b"given")
    await session.run("x = 1\nopen('made', 'w').write('made')")
    for pid in processes() - before:
        os.kill(pid, 9)
    ran = await session.run("open('given.txt').read() + open('made').read()")
    if ran.status == "error":  # it was at work on it already
        ran = await session.run("open('given.txt').read() + open('made').read()")
    assert ran == Ran("givenmade", afresh=True)


async def test_nothing_is_left_of_a_session_that_is_closed(opened: Opening) -> None:
    before = processes()
    session = await opened()
    await session.run("import threading, time\nthreading.Thread(target=time.sleep, args=(600,)).start()")
    assert processes() - before
    await session.close()
    assert not processes() - before


async def test_only_so_many_are_at_work(opened: Opening, sandbox: Sandbox) -> None:
    sessions = [await opened() for _ in range(3 * (os.cpu_count() or 2))]
    ran = await asyncio.gather(*(session.run(f"{number} * 2") for number, session in enumerate(sessions)))
    assert [each.text for each in ran] == [str(number * 2) for number in range(len(sessions))]
    assert 2 <= sandbox.most <= 32


async def test_the_folder_of_a_session_can_be_removed(opened: Opening, tmp_path: Path) -> None:
    session = await opened()
    [made] = (await session.run("open('a.txt', 'w').write('x')")).written
    assert made.path.is_relative_to(tmp_path / "session0")
