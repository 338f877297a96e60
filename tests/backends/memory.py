"""Stores in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class MemoryGround:
    needs = "nothing"
    required = True

    def available(self) -> bool:
        return True

    @contextmanager
    def empty(self, folder: Path) -> Iterator[str]:
        yield "memory://"
