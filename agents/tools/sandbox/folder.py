"""A session's folder on this machine's disk: copies of what it was given, and what its programs make of it."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from agents.tools.sandbox.port import Written

MOST_FILES: Final = 500
MOST_BYTES: Final = 256 * 1024 * 1024

_State = tuple[int, int, int]


class TooMuch(Exception):
    """A program has left more than a session may hold; what it had written is gone. The message is for the model."""


@dataclass(slots=True)
class Folder:
    """`path` shows the files of `inputs`, which stay as they are. To be used by one thread at a time."""

    path: Path
    inputs: Path
    _known: dict[str, _State] = field(default_factory=dict)

    def make(self) -> None:
        """Make it, with copies of the inputs."""
        self.path.mkdir(parents=True, mode=0o700)
        self._copy()

    def written(self) -> tuple[Written, ...]:
        """The files that have changed since this was asked last; those in folders below are the program's own. Raises
        `TooMuch`."""
        self._check()
        found = dict(self._found())
        changed = [name for name, state in found.items() if self._known.get(name) != state]
        self._known = found
        return tuple(Written(name, self.path / name) for name in sorted(changed))

    def _found(self) -> Iterator[tuple[str, _State]]:
        with os.scandir(self.path) as entries:
            for entry in entries:
                about = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(about.st_mode):
                    yield entry.name, (about.st_mtime_ns, about.st_size, about.st_ino)

    def _check(self) -> None:
        files = size = 0
        for folder, folders, names in os.walk(self.path):
            files += len(folders) + len(names)
            size += sum(Path(folder, name).lstat().st_size for name in names)
        if files > MOST_FILES or size > MOST_BYTES:
            self._clear()
            raise TooMuch(
                f"The program left {files} files with {size:,} bytes under /mnt/data. At most {MOST_FILES} with "
                f"{MOST_BYTES:,} bytes can be there: everything that programs had written was removed."
            )

    def _copy(self) -> None:
        if self.inputs.is_dir():
            for entry in os.scandir(self.inputs):
                shutil.copyfile(entry.path, self.path / entry.name)
        self._known = dict(self._found())

    def _clear(self) -> None:
        """Begin anew, in the same folder: who has it open goes on seeing it."""
        for entry in list(os.scandir(self.path)):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path)
            else:
                Path(entry.path).unlink()
        self._copy()
