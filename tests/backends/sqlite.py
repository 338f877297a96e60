"""SQLite files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class SqliteGround:
    needs = "nothing"
    required = True

    def available(self) -> bool:
        return True

    @contextmanager
    def empty(self, folder: Path) -> Iterator[str]:
        yield f"sqlite:///{folder / 'store.db'}"
