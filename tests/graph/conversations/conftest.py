"""A log over each store, and its clock."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from graph.storage import Storage
from tests import backends
from tests.graph.conversations.logs import Clock, Log


@pytest.fixture(params=backends.USUAL)
async def storage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Storage]:
    async with backends.opened(request.param, tmp_path) as storage:
        yield storage


@pytest.fixture
def log(storage: Storage) -> Log:
    return Log(storage)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("graph.conversations.now_ms", clock)
    return clock
