"""Where a `sqlite:///` URL points to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from graph.storage.port import StorageError

PREFIX = "sqlite:///"
MEMORY = ":memory:"


@dataclass(frozen=True, slots=True)
class Location:
    """A file by its absolute path, symbolic links resolved, so that one file has one lock. None = in memory."""

    path: Path | None

    @classmethod
    def of(cls, url: str) -> Location:
        """Raises `StorageError` for a URL without a path. What follows the third slash is taken as it is written."""
        name = url.removeprefix(PREFIX)
        if name == url or not name:
            raise StorageError(
                "a SQLite URL names a file: sqlite:///relative/path.db, sqlite:////absolute/path.db, sqlite:///:memory:"
            )
        return cls(None if name == MEMORY else Path(name).resolve())

    @property
    def database(self) -> str:
        """What SQLite opens, and what messages call it."""
        return MEMORY if self.path is None else str(self.path)

    @property
    def blob_url(self) -> str:
        """The default place of blobs: `<stem>-files` beside the file."""
        return "memory://" if self.path is None else str(self.path.with_name(f"{self.path.stem}-files"))

    @property
    def index_folder(self) -> Path | None:
        """The place of what can be made again from the file: `<stem>-index` beside it."""
        return None if self.path is None else self.path.with_name(f"{self.path.stem}-index")

    def make_folder(self) -> None:
        """Raises `StorageError` when it can't be made."""
        if self.path is None:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"the folder {self.path.parent} can't be made: {error.strerror}") from error
