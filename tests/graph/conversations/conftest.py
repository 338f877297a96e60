"""A log over each store, and its clock."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from graph.storage import Storage, open_storage
from tests.graph.conversations.logs import Clock, Log


@pytest.fixture(params=["memory", "sqlite"])
async def storage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Storage]:
    url = "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/log.db"
    storage = open_storage(url)
    await storage.open()
    yield storage
    await storage.close()


@pytest.fixture
def log(storage: Storage) -> Log:
    return Log(storage)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("graph.conversations.now_ms", clock)
    return clock
