"""Bytes on their way into the store. They stand as a blob before a document points to them, so a note says of each such
blob that it is a stray: what never gets a document, because its client left or the process died, is swept away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from graph.events import now_ms
from graph.ids import new_id
from graph.storage.port import Delete, Put, Storage, StorageError, StorageUnavailable, Write

_KIND = "stray"
_LONGEST_MS = 24 * 3_600_000  # more than the slowest upload may take


@dataclass(slots=True)
class Incoming:
    """A blob that comes to be. `size` counts what was taken."""

    storage: Storage
    tenant: str
    blob: str
    size: int = 0
    settled: bool = False

    async def take(self, data: bytes | AsyncIterator[bytes]) -> None:
        """Store the bytes, as they come where they do."""
        self.size = await self.storage.put_blob(self.tenant, _key(self.blob), data)

    async def keep(self, *writes: Write) -> None:
        """Commit what points to the blob. Raises `Conflict`."""
        try:
            await self.storage.commit(self.tenant, *writes, Delete(_KIND, self.blob, expect=1))
        except StorageUnavailable:  # it may stand all the same: the note, if it is still there, tells the sweep
            self.settled = True
            raise
        self.settled = True


@asynccontextmanager
async def incoming(storage: Storage, tenant: str) -> AsyncIterator[Incoming]:
    """Room for a blob, which is removed behind it unless it was kept."""
    begun = Incoming(storage, tenant, new_id())
    await storage.commit(tenant, Put(_KIND, begun.blob, b"", expect=0, due=now_ms() + _LONGEST_MS))
    try:
        yield begun
    finally:
        if not begun.settled:
            with suppress(StorageError):  # the sweep comes later
                await remove(storage, tenant, begun.blob)


def stray(blob: str) -> Put:
    """The write that belongs to the removal of what points to a blob. `remove` comes after it, or the sweep does."""
    return Put(_KIND, blob, b"", due=now_ms())


async def remove(storage: Storage, tenant: str, blob: str) -> None:
    """Remove a blob that nothing points to."""
    await storage.delete_blob(tenant, _key(blob))
    await storage.commit(tenant, Delete(_KIND, blob))


def read(storage: Storage, tenant: str, blob: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
    """The bytes from `start` up to `end`. Raises `KeyError` at the first read when there are none."""
    return storage.get_blob(tenant, _key(blob), start, end)


async def sweep_strays(storage: Storage) -> None:
    """Remove the blobs that never got a document, or lost theirs."""
    while due := await storage.due(_KIND, now_ms()):
        for tenant, blob in due:
            await remove(storage, tenant, blob)


def _key(blob: str) -> str:
    return f"file/{blob}"
