"""The claim of a server on its file: a lock of the operating system, which ends with the process however it ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from graph.storage.port import StorageError, StorageInUse


class Claim:
    """An exclusive lock on `<file>.lock`. The file stays behind, the lock does not."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._path = database.with_name(f"{database.name}.lock")
        self._descriptor: int | None = None

    def take(self) -> None:
        """Raises `StorageInUse` when another claim stands, of this process or another."""
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StorageError(f"{self._path} can't be written: {error.strerror}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StorageInUse(
                f"{self._database} is in use by another server ({_holder(descriptor)}): "
                "stop it, or choose another file in STORAGE_URL"
            ) from error
        except OSError as error:
            os.close(descriptor)
            raise StorageError(f"{self._path} can't be locked: {error.strerror}") from error
        _sign(descriptor)
        self._descriptor = descriptor

    def release(self) -> None:
        """Give it back, if it was taken."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _sign(descriptor: int) -> None:
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())


def _holder(descriptor: int) -> str:
    """Who has it, for the message alone. Closes the file."""
    with os.fdopen(descriptor, "rb") as file:
        number = file.read(32).decode(errors="replace").strip()
    return f"process {number}" if number else "its process is just starting"
