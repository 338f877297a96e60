"""A sandbox of each kind, and its sessions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from agents.tools.sandbox.port import Sandbox, Session
from tests.agents.tools.sandbox.backends import BACKENDS, Backend

Opening = Callable[..., Awaitable[Session]]


@pytest.fixture(params=BACKENDS, ids=lambda backend: backend.name)
def backend(request: pytest.FixtureRequest) -> Backend:
    backend: Backend = request.param
    if why := backend.missing():
        pytest.skip(why)
    return backend


@pytest.fixture
def hurried(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits of time come soon."""
    for name, value in backend.hurried.items():
        monkeypatch.setattr(name, value)


@pytest.fixture
async def sandbox(backend: Backend) -> AsyncIterator[Sandbox]:
    sandbox = backend.open()
    yield sandbox
    await sandbox.close()


@pytest.fixture
async def opened(sandbox: Sandbox, tmp_path: Path) -> AsyncIterator[Opening]:
    """Opens sessions over files of these names and contents, and closes them."""
    sessions: list[Session] = []

    async def open_session(**files: bytes) -> Session:
        folder = tmp_path / f"session{len(sessions)}" / "files"
        for name, content in files.items():
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name.replace("__", ".")).write_bytes(content)
        session = await sandbox.open(folder)
        sessions.append(session)
        return session

    yield open_session
    for session in sessions:
        await session.close()
