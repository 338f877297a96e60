"""The stores that the contract is asked of."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest

from graph.storage import SCHEMES, Storage, open_storage

# A backend joins the contract by a line here: its scheme, and the URL of an empty store.
STORES: Mapping[str, Callable[[Path], str]] = {
    "memory": lambda folder: "memory://",
    "sqlite": lambda folder: f"sqlite:///{folder / 'store.db'}",
}
assert STORES.keys() == SCHEMES.keys()


@pytest.fixture(params=sorted(STORES))
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Storage]:
    """An empty store of each scheme, open."""
    storage = open_storage(STORES[request.param](tmp_path))
    await storage.open()
    try:
        yield storage
    finally:
        await storage.close()


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A SQLite file that is not there yet."""
    return f"sqlite:///{tmp_path / 'data' / 'store.db'}"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """The file that `url` names."""
    return tmp_path / "data" / "store.db"
