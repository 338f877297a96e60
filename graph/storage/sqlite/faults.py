"""SQLite's errors in the port's words."""

from __future__ import annotations

import sqlite3

from graph.storage.port import StorageError, StorageUnavailable

_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_AWAY = frozenset(
    {
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_READONLY,
    }
)


def busy(error: sqlite3.Error) -> bool:
    """Whether another connection was in the way, so that trying again may help."""
    return _code(error) in _BUSY


def translated(error: sqlite3.Error, where: str) -> StorageError:
    """The error to raise instead; `where` is the file."""
    code = _code(error)
    if code in _BUSY:
        return StorageUnavailable(f"{where} stays busy: another process keeps writing to it")
    if code in _AWAY:
        return StorageUnavailable(
            f"{where} can't be read or written ({error}): check its folder, rights and free space"
        )
    if code == sqlite3.SQLITE_NOTADB:
        return StorageError(f"{where} is not a SQLite database: choose another file in STORAGE_URL")
    if code == sqlite3.SQLITE_CORRUPT:
        return StorageError(f"{where} is damaged ({error}): restore it from a backup")
    return StorageError(f"{where}: {error}")


def _code(error: sqlite3.Error) -> int:
    """The primary result code, 0 for errors of the Python module itself."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF
