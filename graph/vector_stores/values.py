"""Vector stores as they are kept. Ids are bare, times epoch milliseconds; pure values, as `graph.compact` writes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from graph.events import now_ms

FileStatus = Literal["in_progress", "completed", "failed", "cancelled"]
StoreStatus = Literal["in_progress", "completed", "expired"]
BatchStatus = Literal["in_progress", "completed", "cancelled"]
ErrorCode = Literal["server_error", "unsupported_file", "invalid_file"]
Attributes = Mapping[str, str | float | bool]

DAY_MS: Final = 24 * 3_600_000


@dataclass(frozen=True, slots=True)
class Chunking:
    """How a file is cut: `size` tokens at most, of which `overlap` stand in the chunk before too."""

    size: int = 800
    overlap: int = 400


@dataclass(frozen=True, slots=True)
class Counts:
    """How many files have which status."""

    in_progress: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0

    @property
    def total(self) -> int:
        return self.in_progress + self.completed + self.failed + self.cancelled

    def moved(self, old: FileStatus | None, new: FileStatus | None) -> Counts:
        """The counts when a file has another status; None is not being there."""
        counts = self
        if old is not None:
            counts = replace(counts, **{old: getattr(counts, old) - 1})
        return counts if new is None else replace(counts, **{new: getattr(counts, new) + 1})


@dataclass(frozen=True, slots=True)
class VectorStore:
    """A store. `revision` grows with every change of what a search may find. `emptied`: its time was over, and what it held
    is gone."""

    id: str
    created_at: int
    last_active_at: int
    name: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    expires_days: int | None = None
    counts: Counts = field(default_factory=Counts)
    usage_bytes: int = 0
    revision: int = 0
    emptied: bool = False

    @property
    def expires_at(self) -> int | None:
        return None if self.expires_days is None else self.last_active_at + self.expires_days * DAY_MS

    @property
    def status(self) -> StoreStatus:
        if self.emptied or (self.expires_at is not None and self.expires_at <= now_ms()):
            return "expired"
        return "in_progress" if self.counts.in_progress else "completed"


@dataclass(frozen=True, slots=True)
class FileError:
    """Why a file is not in its store."""

    code: ErrorCode
    message: str


@dataclass(frozen=True, slots=True)
class StoreFile:
    """A file in a store. `revision` grows each time the file is put in anew. While it is in progress, `owner` is the process
    that reads it, and `attempts` how often its predecessors have died of that."""

    store_id: str
    file_id: str
    filename: str
    created_at: int
    status: FileStatus = "in_progress"
    chunking: Chunking = field(default_factory=Chunking)
    attributes: Attributes = field(default_factory=dict)
    batch_id: str | None = None
    usage_bytes: int = 0
    error: FileError | None = None
    revision: int = 1
    owner: str | None = None
    attempts: int = 0

    @property
    def key(self) -> str:
        """Its document's id."""
        return key_of(self.store_id, self.file_id)

    @property
    def shelf(self) -> str:
        """The parent of its chunks: each time that it is put in, another one."""
        return f"{self.key}/{self.revision}"


@dataclass(frozen=True, slots=True)
class Batch:
    """Files that were put into a store together."""

    id: str
    store_id: str
    created_at: int
    counts: Counts
    cancelled: bool = False

    @property
    def status(self) -> BatchStatus:
        if self.cancelled:
            return "cancelled"
        return "in_progress" if self.counts.in_progress else "completed"


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a file's text, from code point `start` to `end` of it. The first `head` characters of `text` stand before
    that piece: the first line of the table that it belongs to. `embedding` is base64 of float32 numbers."""

    number: int
    start: int
    end: int
    text: str
    head: int = 0
    embedding: str | None = None


def key_of(store_id: str, file_id: str) -> str:
    """The id of the document of a file in a store."""
    return f"{store_id}/{file_id}"
