"""What tests need of a backend's surroundings."""

from __future__ import annotations

import socket
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol


class Ground(Protocol):
    """Where empty stores of one scheme come from. Tests run side by side: none may see another's."""

    needs: str
    """What must be there, for who reads why a test was skipped."""

    required: bool
    """Whether CI fails without it."""

    def available(self) -> bool:
        """Whether stores can be had here. Asked before every test: remember the answer."""

    def empty(self, folder: Path) -> AbstractContextManager[str]:
        """The URL of an empty store, removed at the end. `folder` is the test's own."""


def listens(host: str, port: int) -> bool:
    """Whether anything answers there."""
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False
