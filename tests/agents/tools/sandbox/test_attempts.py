"""No program gets out of a sandbox, and none takes more than it may."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.tools.sandbox.folder import MOST_BYTES
from tests.agents.tools.sandbox.attempts import ESCAPES, EXHAUSTIONS, FLOODS
from tests.agents.tools.sandbox.conftest import Opening

SECRET = "what stands on the host"


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


@pytest.mark.parametrize("name", ESCAPES)
async def test_a_program_stays_inside(
    name: str, opened: Opening, tmp_path: Path, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SANDBOX_SECRET", SECRET)
    secret = tmp_path / "host" / "secret.txt"
    secret.parent.mkdir()
    secret.write_text(SECRET)
    session = await opened(given__txt=b"given")
    host = {"secret": secret, "folder": secret.parent, "port": listener.getsockname()[1], "pid": os.getpid()}
    ran = await session.run(filled(ESCAPES[name], host))
    assert SECRET not in ran.text.replace("\\n", "\n")
    assert "secret.txt'" not in ran.text or ran.status == "error"
    assert [each.name for each in secret.parent.iterdir()] == ["secret.txt"]
    assert secret.read_text() == SECRET
    assert not any(
        SECRET in each.path.read_text(errors="replace") for each in ran.written if not each.path.is_symlink()
    )
    with pytest.raises(BlockingIOError):
        listener.accept()
    assert (await session.run("1 + 1")).text == "2"


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("name", EXHAUSTIONS)
async def test_a_program_that_takes_too_much_is_stopped(name: str, opened: Opening, tmp_path: Path) -> None:
    session = await opened(given__txt=b"given")
    ran = await session.run(EXHAUSTIONS[name])
    assert ran.status == "error"
    assert len(ran.text) < 5_000
    assert sum(each.path.stat().st_size for each in ran.written) <= MOST_BYTES
    after = await session.run("1 + 1\nopen('/mnt/data/given.txt').read()")
    assert (after.text, after.status) == ("given", "ok")


@pytest.mark.parametrize("name", FLOODS)
async def test_output_is_bounded(name: str, opened: Opening) -> None:
    session = await opened()
    ran = await session.run(FLOODS[name])
    assert ran.status == "ok"
    assert len(ran.text) < 25_000
    assert (await session.run("1 + 1")).text == "2"


def filled(code: str, host: dict[str, object]) -> str:
    for name, value in host.items():
        code = code.replace(f"{{{name}}}", str(value))
    return code
