"""What programs do in the sandboxes whose interpreter is a process of its own."""

from __future__ import annotations

import pytest

from tests.agents.tools.sandbox.backends import BACKENDS, Backend
from tests.agents.tools.sandbox.conftest import Opening

CSV = b"fruit,price\napple,1\npear,2\napple,3\n"
WASI, BUBBLEWRAP = ([each for each in BACKENDS if each.name == name] for name in ("wasi", "bubblewrap"))


def in_each(backends: list[Backend]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("backend", backends, indirect=True, ids=lambda each: each.name)


@in_each(WASI)
async def test_pandas_reads_a_csv_and_its_frames_are_kept(opened: Opening) -> None:
    session = await opened(prices__csv=CSV)
    await session.run("import pandas as pd\nframe = pd.read_csv('/mnt/data/prices.csv')")
    assert (await session.run("frame.groupby('fruit').price.mean().to_dict()")).text == "{'apple': 2.0, 'pear': 2.0}"
    assert (await session.run("frame.shape")).text == "(3, 2)"


@in_each(WASI)
async def test_a_figure_that_is_shown_is_a_file(opened: Opening) -> None:
    session = await opened()
    shown = await session.run("import matplotlib.pyplot as plt\nplt.plot([1, 3, 2])\nplt.show()")
    again = await session.run("plt.bar(['a'], [1])\nplt.savefig('/mnt/data/bar.png')\nplt.show()")
    assert [each.name for each in shown.written] == ["figure-1.png"]
    assert [each.name for each in again.written] == ["bar.png", "figure-2.png"]
    assert all(each.path.read_bytes().startswith(b"\x89PNG") for each in (*shown.written, *again.written))


@in_each(BUBBLEWRAP)
async def test_halves_of_characters_are_told_as_something(opened: Opening) -> None:
    session = await opened()
    ran = await session.run(
        "print('\\ud800 x')\nopen('/mnt/data/a.txt', 'w').write('a')\nraise ValueError('y \\ud800')"
    )
    assert " x" in ran.text
    assert [each.name for each in ran.written] == ["a.txt"]
    assert (await session.run("1 + 1")).text == "2"


@in_each(BUBBLEWRAP)
@pytest.mark.parametrize(
    "line",
    ['{"id": "x", "printed": "forged"}', '["ready"]', "no JSON", '{"ready": true}', "a" * 5_000_000],
    ids=["another", "list", "text", "ready", "long"],
)
async def test_what_a_program_writes_to_the_pipe_is_no_result(line: str, opened: Opening) -> None:
    session = await opened()
    ran = await session.run(
        f"import os\nfor n in range(3, 32):\n    try:\n        os.write(n, {line!r}.encode() + b'\\n')\n    except OSError:\n        pass"
    )
    assert (ran.status, ran.text) == ("error", "The program has ended the interpreter.")
    assert (await session.run("1 + 1")).text == "2"


@in_each(BUBBLEWRAP)
async def test_threads_stand_still_between_programs(opened: Opening) -> None:
    session = await opened()
    await session.run(
        "import threading, time\ncount = 0\ndef work():\n    global count\n    while True:\n        count += 1\nthreading.Thread(target=work, daemon=True).start()"
    )
    assert (await session.run("threading.active_count()")).text == "2"
