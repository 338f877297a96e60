"""Where tests find an empty store of each scheme. A backend joins by writing one file here and naming it in `GROUNDS`.

`CORTEX_TEST_STORAGE=<scheme>` lets every test of the whole (journeys, servers, the engine) run on that backend; without it
they run on SQLite, as the server does, or in memory where the test wants no file.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest

from graph.storage import SCHEMES, Storage, open_storage
from tests.backends.cosmos import CosmosGround
from tests.backends.ground import Ground
from tests.backends.memory import MemoryGround
from tests.backends.postgres import PostgresGround
from tests.backends.redis import RedisGround
from tests.backends.sqlite import SqliteGround

GROUNDS: Mapping[str, Ground] = {
    "memory": MemoryGround(),
    "sqlite": SqliteGround(),
    "redis": RedisGround(),
    "cosmos": CosmosGround(),
    "postgresql": PostgresGround(),
}
assert GROUNDS.keys() == SCHEMES.keys() - {"rediss", "postgres"}  # other names of the same

DEFAULT: Final = "sqlite"
CHOSEN: Final = os.environ.get("CORTEX_TEST_STORAGE", DEFAULT)
assert CHOSEN in GROUNDS, f"CORTEX_TEST_STORAGE names one of {', '.join(GROUNDS)}"

EVERY: Final = tuple(sorted(GROUNDS))
"""All schemes: for tests of what every backend promises."""

USUAL: Final = ("memory", "sqlite") if CHOSEN == DEFAULT else (CHOSEN,)
"""Those that tests of what stands on the storage run on."""

on_indexes = pytest.mark.skipif(
    CHOSEN == "cosmos", reason="the Cosmos DB of tests reads all items at every query: too slow for many"
)
on_sqlite = pytest.mark.skipif(CHOSEN != DEFAULT, reason="about what a SQLite file, or the server of one, does")


@contextmanager
def empty(scheme: str, folder: Path) -> Iterator[str]:
    """The URL of an empty store, gone at the end. Skips the test where the backend is not there; in CI it must be."""
    ground = GROUNDS[scheme]
    if not ground.available():
        if ground.required and os.environ.get("CI"):
            pytest.fail(f"{scheme}:// can't be tested: {ground.needs}")
        pytest.skip(f"{scheme}:// needs {ground.needs}")
    with ground.empty(folder) as url:
        yield url


@asynccontextmanager
async def opened(scheme: str, folder: Path) -> AsyncIterator[Storage]:
    """An empty store, open. Its blobs are in the folder, or in memory."""
    with empty(scheme, folder) as url:
        storage = open_storage(url, "memory://" if scheme == "memory" else str(folder / "blobs"))
        await storage.open()
        try:
            yield storage
        finally:
            await storage.close()


@contextmanager
def chosen(default: str) -> Iterator[str]:
    """The URL of an empty store of the chosen backend; `default` where none was chosen."""
    if CHOSEN == DEFAULT:
        yield default
        return
    with TemporaryDirectory() as folder, empty(CHOSEN, Path(folder)) as url:
        yield url


__all__ = ["CHOSEN", "DEFAULT", "EVERY", "GROUNDS", "USUAL", "Ground", "chosen", "empty", "on_sqlite", "opened"]
