"""`SANDBOX=bubblewrap`: what its programs see, that they can't speak for it, and where it is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agents.tools.sandbox import open_sandbox
from agents.tools.settings import ToolNotConfigured, ToolSettings
from tests.agents.tools.sandbox.conftest import Opening
from tests.agents.tools.sandbox.test_remote import BUBBLEWRAP, in_each

FLOOD = """
import os
for number in range(256):
    try:
        for _ in range(1000):
            os.write(number, b"x" * 100000)
    except OSError:
        pass
"""
NAMES_ITS_FILES = """
import sys
driver = next(f for f in iter(lambda f=[sys._getframe()]: f.__setitem__(0, f[0].f_back) or f[0], None) if "self" in f.f_locals)
driver = driver.f_locals["self"]
tell = driver._tell
def forged(told, files=()):
    tell({**told, "files": [["../../escaped.txt", 1]]}, [("../../escaped.txt", b"x")])
driver._tell = forged
"""


@in_each(BUBBLEWRAP)
async def test_a_program_is_nobody_in_an_empty_house(opened: Opening) -> None:
    session = await opened()
    assert (await session.run("import os\nos.getuid(), os.getpid(), os.listdir('/mnt'), os.listdir('/tmp')")).text == (
        "(65534, 1, ['data'], [])"
    )
    seen = await session.run("sorted(os.listdir('/'))")
    assert not {"home", "root", "proc", "sys", "var", "run"} & set(seen.text.replace("'", " ").split())
    for path in ("/made", "/usr/made", "/dev/made"):
        assert (await session.run(f"open({path!r}, 'w')")).status == "error"
    assert (await session.run("import ctypes\nctypes.CDLL(None).unshare(0x10000000)")).text == "-1"


@in_each(BUBBLEWRAP)
@pytest.mark.parametrize("code", [FLOOD, NAMES_ITS_FILES])
async def test_what_a_program_says_in_the_name_of_its_interpreter_is_not_believed(
    code: str, opened: Opening, tmp_path: Path
) -> None:
    session = await opened()
    ran = await session.run(code)
    assert (ran.status, ran.written) == ("error", ())
    assert "forged" not in ran.text
    assert await session.run("1 + 1") == type(ran)("2", afresh=True)
    assert "escaped.txt" not in {name for _, _, names in os.walk(tmp_path) for name in names}


def test_it_is_refused_where_there_is_no_bubblewrap(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolNotConfigured, match=r"SANDBOX=bubblewrap needs the program bwrap: install bubblewrap"):
        open_sandbox(ToolSettings(sandbox="bubblewrap"))


def test_it_is_refused_where_the_kernel_refuses_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    scripts = {
        "bwrap": "echo 'bwrap: No permissions' >&2; exit 1",
        "setpriv": 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"',
    }
    for name, script in scripts.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(
        ToolNotConfigured, match=r"^SANDBOX=bubblewrap can't start Python here .*: bwrap: No permissions\.$"
    ):
        open_sandbox(ToolSettings(sandbox="bubblewrap"))


def test_a_sandbox_that_is_not_there() -> None:
    with pytest.raises(
        ToolNotConfigured, match=r"SANDBOX: there is no 'docker'. Choose one of monty, wasi, bubblewrap"
    ):
        open_sandbox(ToolSettings(sandbox="docker"))
