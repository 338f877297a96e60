"""What the tests of this room share: a folder of their own, where blobs may fall, and the store of who needs one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import backends


@pytest.fixture(autouse=True)
def own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The working directory is empty."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[str]:
    """The URL of an empty store that outlives the processes that use it: SQLite's, or the chosen backend's."""
    with backends.empty(backends.CHOSEN, tmp_path) as url:
        yield url
