"""Storage by URL. A backend joins by writing one file and naming its class in `SCHEMES`.

A backend's class is constructed with `(url, blob_url)` and imported when its scheme is used, not before.

- What all of them promise: `port`; `passages` are the texts of vector stores, for a store that searches them itself.
- What they share: `blobs`, `waiters` (for a log to grow), `patience` (with a server at the start), `versions` (of schemas), `urls`.
- From one into another: `copying`.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from graph.storage.port import (
    Append,
    Conflict,
    Delete,
    Document,
    Drop,
    Entry,
    Filed,
    Order,
    Put,
    Storage,
    StorageError,
    StorageInUse,
    StorageUnavailable,
    Stored,
    UnknownScheme,
    Write,
)

SCHEMES: Mapping[str, str] = {
    "memory": "graph.storage.memory:MemoryStorage",
    "redis": "graph.storage.redis:RedisStorage",
    "rediss": "graph.storage.redis:RedisStorage",
    "sqlite": "graph.storage.sqlite:SqliteStorage",
    "cosmos": "graph.storage.cosmos:CosmosStorage",
    "postgresql": "graph.storage.postgres:PostgresStorage",
    "postgres": "graph.storage.postgres:PostgresStorage",
}


class Backend(Storage, Protocol):
    """What the class of a scheme makes: the port, and the way from an older schema to today's."""

    def __init__(self, url: str, blob_url: str | None = None) -> None: ...

    async def migrate(self) -> tuple[int, int]:
        """Bring the store, not open at the time, to today's schema. Returns the versions before and after."""


def open_storage(url: str, blob_url: str | None = None) -> Storage:
    """The store at `url`, to be connected by its `open`. `blob_url` says where blobs live, None = the backend's default.

    Raises `UnknownScheme` for a URL (of either kind) that nothing serves, `StorageError` for one that can't be read.
    """
    return _backend(url)(url, blob_url)


def index_folder(url: str) -> Path | None:
    """Where indexes of what a store at `url` holds can be kept: beside its file; None where it has none."""
    if not url.startswith("sqlite://"):
        return None
    from graph.storage.sqlite.location import Location

    return Location.of(url).index_folder


async def migrate(url: str) -> tuple[int, int]:
    """Bring the store at `url` to today's schema. Returns the versions before and after; nobody may be using it."""
    return await _backend(url)(url).migrate()


def _backend(url: str) -> type[Backend]:
    scheme, separator, _ = url.partition("://")
    if not separator or scheme not in SCHEMES:
        known = ", ".join(f"{name}://" for name in SCHEMES)
        named = f"{scheme}://" if separator else "a URL without a scheme"  # the rest may hold a password
        raise UnknownScheme(f"no storage backend serves {named}; known: {known}")
    module, _, name = SCHEMES[scheme].partition(":")
    try:
        return cast("type[Backend]", getattr(import_module(module), name))
    except ImportError as error:
        extra = module.rpartition(".")[2]
        raise StorageError(
            f"{scheme}:// needs packages that are not installed: pip install 'cortex-flow[{extra}]' ({error})"
        ) from error


__all__ = [
    "SCHEMES",
    "Append",
    "Backend",
    "Conflict",
    "Delete",
    "Document",
    "Drop",
    "Entry",
    "Filed",
    "Order",
    "Put",
    "Storage",
    "StorageError",
    "StorageInUse",
    "StorageUnavailable",
    "Stored",
    "UnknownScheme",
    "Write",
    "index_folder",
    "migrate",
    "open_storage",
]
