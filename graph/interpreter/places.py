"""Folders for the files of runs: under one that belongs to this process, and goes with it."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

_PREFIX: Final = "cortex-flow-code-"
_LOCK: Final = "lock"


class Place:
    """A folder of this process's own, made when it is first needed. Its lock ends with the process, however that ends."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._lock: int | None = None

    def folder(self) -> Path:
        """The folder."""
        if self._path is None:
            self._path = Path(tempfile.mkdtemp(prefix=_PREFIX))
            self._lock = _locked(self._path)
        return self._path

    def remove(self) -> None:
        """Remove it with all that is in it."""
        if self._path is not None:
            shutil.rmtree(self._path, ignore_errors=True)
            self._path = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def remove_left_over() -> None:
    """Remove the folders of processes that are no more."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if path.stat().st_uid == os.getuid() and (path / _LOCK).exists():
                os.close(_locked(path))
                shutil.rmtree(path, ignore_errors=True)


def _locked(folder: Path) -> int:
    """Raises `BlockingIOError` where another one holds it."""
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
