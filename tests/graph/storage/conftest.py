"""The stores that the contract is asked of."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from graph.storage import Storage
from tests import backends


@pytest.fixture(params=backends.EVERY)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Storage]:
    """An empty store of each scheme, open."""
    async with backends.opened(request.param, tmp_path) as storage:
        yield storage


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A SQLite file that is not there yet."""
    return f"sqlite:///{tmp_path / 'data' / 'store.db'}"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """The file that `url` names."""
    return tmp_path / "data" / "store.db"
