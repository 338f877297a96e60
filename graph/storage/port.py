"""The storage port: documents, logs and blobs, under one tenant each.

What every backend promises, and `tests/graph/storage/test_contract.py` asks of each:

- Everything lives under a tenant; no operation but `due` and `everything` sees two of them.
- `commit` is all or nothing and in order. Whoever reads after it returned sees all of it.
- A document's `sequence` is given at its first write, grows with every new document of the store, never changes and
  is the only order there is. Its `version` starts at 1 and grows by one at every write.
- A log is dense: its entries stand at positions 1, 2, 3... and never change.
- Bodies are bytes; what they mean is the caller's affair.

    StorageError
      Conflict              an expectation of a commit did not hold: nothing was written
      StorageUnavailable    the backend is away: nothing was written, or (connection cut) it can't be known
      StorageInUse          another process has claimed this store
      UnknownScheme         no backend is called that
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from graph.storage.blobs import Blobs

Order = Literal["asc", "desc"]

TRIES = 32
"""How often a commit is tried again after a `Conflict`: each time, somebody else's change was written."""


@dataclass(frozen=True, slots=True)
class Document:
    """A stored document, as read."""

    id: str
    parent: str
    sequence: int
    version: int
    body: bytes
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Filed:
    """A document with all that it was put with, as `Storage.everything` tells it."""

    tenant: str
    kind: str
    document: Document
    due: int | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a log, as `Storage.everything` tells it."""

    tenant: str
    log: str
    position: int
    body: bytes


Stored = Filed | Entry


@dataclass(frozen=True, slots=True)
class Put:
    """Write a document. `expect`: 0 = must not exist, n = must have that version, None = whatever is there.

    `parent`, `label` (one indexed string) and `due` (epoch milliseconds; what `Storage.due` looks at) are written anew
    each time: what is left out is gone.
    """

    kind: str
    id: str
    body: bytes
    parent: str = ""
    expect: int | None = None
    label: str | None = None
    due: int | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove a document. `expect` as in `Put`; None also accepts that there is none."""

    kind: str
    id: str
    expect: int | None = None


@dataclass(frozen=True, slots=True)
class Append:
    """Add entries to the end of a log. `after` = the length the log must have, None = any."""

    log: str
    entries: tuple[bytes, ...]
    after: int | None = None


@dataclass(frozen=True, slots=True)
class Drop:
    """Remove a log with all its entries, if it is there."""

    log: str


Write = Put | Delete | Append | Drop


class StorageError(Exception):
    """Something about the store."""


class Conflict(StorageError):
    """An expectation did not hold. `write` is the one that failed."""

    def __init__(self, write: Write) -> None:
        super().__init__(f"conflict at {write!r:.200}")
        self.write = write


class StorageUnavailable(StorageError):
    """The backend can't be reached."""


class StorageInUse(StorageError):
    """Another process has claimed this store."""


class UnknownScheme(StorageError):
    """A URL whose scheme no backend serves."""


class Storage(Protocol):
    """A backend. Opened once per process, used from one event loop. `shared`: several processes may serve it together."""

    shared: bool

    async def open(self, *, claim: bool = False) -> None:
        """Connect and check the schema version. `claim`: be the only server on this store, where the backend is for one
        process (`StorageInUse` if another has it); backends made to be shared ignore it."""

    async def close(self) -> None: ...

    async def get(self, tenant: str, kind: str, id: str) -> Document | None: ...

    async def get_many(self, tenant: str, kind: str, ids: Sequence[str]) -> list[Document]:
        """Those that exist, in the order of `ids`."""

    async def query(
        self,
        tenant: str,
        kind: str,
        *,
        parent: str | None = None,
        label: str | None = None,
        order: Order = "desc",
        after: int | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> list[Document]:
        """Documents by sequence. `after` and `before` are sequences, read in the direction of `order`: with desc,
        `after=n` gives smaller sequences than n. None as `parent` or `label` means any."""

    async def commit(self, tenant: str, *writes: Write) -> None:
        """All or nothing, in order. Raises `Conflict`."""

    async def read(self, tenant: str, log: str, after: int = 0, limit: int = 1000) -> list[tuple[int, bytes]]:
        """Entries with positions greater than `after`, ascending."""

    async def wait(self, tenant: str, log: str, after: int, timeout: float) -> bool:
        """Return True soon after the log has grown beyond `after`, False after `timeout` seconds. A wake-up, no promise."""

    async def due(self, kind: str, until: int, limit: int = 100) -> list[tuple[str, str]]:
        """(tenant, id) of documents whose `due` is at most `until`, earliest first, of all tenants."""

    def everything(self) -> AsyncIterator[Stored]:
        """All documents and logs of all tenants, for who moves them elsewhere, a few in memory at a time.

        Documents first, those of one kind of one tenant in the order of their sequences. Then the logs, one after the
        other, each from its first entry to its last. What is written meanwhile may be missing.
        """

    @property
    def blobs(self) -> Blobs:
        """Where its blobs are, for who moves them elsewhere."""

    async def put_blob(self, tenant: str, key: str, data: bytes | AsyncIterator[bytes]) -> int:
        """Store bytes under a key, replacing what was there; returns how many."""

    def get_blob(self, tenant: str, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The bytes in chunks of at most 1 MiB. Raises `KeyError` at the first read when there is none."""

    async def delete_blob(self, tenant: str, key: str) -> None:
        """Remove it, if it is there."""


def lifetime(storage: Storage) -> int:
    """How many seconds after its last turn a conversation is forgotten, whole: what the store's URL says where its
    backend knows such a thing; 0 = never."""
    seconds: int = getattr(storage, "lifetime", 0)
    return seconds
