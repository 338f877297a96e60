"""Where a thread manager keeps its things, said in a dictionary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Self

from graph.storage import Storage, open_storage

TYPES: Final = ("memory", "sqlite")


class ThreadStorage:
    """A storage, connected by `connect` or at its first use. `url` is what the option `storage_url` of a server takes."""

    def __init__(self, url: str = "memory://", blob_url: str | None = None) -> None:
        self.url = url
        self._storage = open_storage(url, blob_url)
        self._connected = False

    async def connect(self) -> Storage:
        """The storage, open. Raises `graph.storage.StorageError`."""
        if not self._connected:
            await self._storage.open()
            self._connected = True
        return self._storage

    async def disconnect(self) -> None:
        """Close it. What was kept in memory stays as long as this object."""
        connected, self._connected = self._connected, False
        if connected:
            await self._storage.close()

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.disconnect()


def create_thread_storage(options: Mapping[str, Any] | None = None, **fields: Any) -> ThreadStorage:
    """A storage by `type`: `memory` (the default), or `sqlite` with a `path`; `url` and `blob_url` are those of a server.

    Raises `ValueError` for a type that there is not, and `TypeError` for an option that it does not take.
    """
    asked = {**(options or {}), **fields}
    match asked.pop("type", None):
        case None | "memory" | "sqlite" if "url" in asked:
            return ThreadStorage(**asked)
        case "sqlite":
            return _sqlite(**asked)
        case None if "path" in asked:
            return _sqlite(**asked)
        case None | "memory":
            return ThreadStorage("memory://", **asked)
        case kind:
            raise ValueError(f"There is no storage of type {kind!r} in this version; there are: {', '.join(TYPES)}.")


def _sqlite(path: Any = "cortex-flow.db", blob_url: str | None = None) -> ThreadStorage:
    return ThreadStorage(f"sqlite:///{path}", blob_url)
