"""`SANDBOX=wasi`: how it gets ready."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from agents.tools.sandbox import open_sandbox
from agents.tools.sandbox.wasi import Wasi
from agents.tools.settings import ToolNotConfigured, ToolSettings
from tests.agents.tools.sandbox.test_remote import WASI, in_each


@in_each(WASI)
@pytest.mark.usefixtures("backend")
async def test_one_waits_for_the_next_session(tmp_path: Path) -> None:
    before = len(psutil.Process().children())
    sandbox = Wasi()
    sandbox.start()
    sandbox.start()
    for number in range(50):  # the first ones may come before it is ready
        session = await sandbox.open(tmp_path / str(number) / "files")
        ran = await session.run("import sys\n'pandas' in sys.modules")
        await session.close()
        if ran.text == "True":
            break
    await sandbox.close()
    assert ran.text == "True"
    assert len(psutil.Process().children()) == before


@in_each(WASI)
@pytest.mark.usefixtures("backend")
async def test_where_it_cannot_be_compiled_a_program_is_told(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("no folder")
    sandbox = Wasi(tmp_path / "cache")
    session = await sandbox.open(tmp_path / "own" / "files")
    ran = await session.run("1")
    assert (ran.status, ran.text) == ("error", "The sandbox is not ready: its interpreter could not be compiled.")
    await session.close()
    await sandbox.close()


def test_the_package_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.tools.sandbox.wasi.find_spec", lambda name: None)
    with pytest.raises(ToolNotConfigured, match=r"SANDBOX=wasi: .*pip install 'cortex-flow\[code\]'"):
        open_sandbox(ToolSettings(sandbox="wasi"))
