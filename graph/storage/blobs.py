"""Blobs by obstore: a local folder, memory, S3, Azure or Google Cloud Storage, chosen by URL.

`path/to/folder` or `file:///path/to/folder`, `memory://`, `s3://bucket/prefix`, `az://account/container/prefix`,
`gs://bucket/prefix`; the clouds take their credentials from their own environment variables. A put that breaks off
leaves what was there; parts that it had already sent to a cloud are removed by the bucket's rule for incomplete uploads.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from graph.storage.port import StorageError, StorageUnavailable, UnknownScheme

if TYPE_CHECKING:
    from obstore import GetResult
    from obstore.store import ClientConfig, ObjectStore, RetryConfig

log = logging.getLogger(__name__)

BESIDE_SERVERS = "cortex-flow-files"
"""The folder, under the working directory, of stores that have no place of their own for blobs."""

CLOUDS = frozenset({"s3", "az", "gs"})
CHUNK = 1024 * 1024
PART = 5 * 1024 * 1024  # the smallest part that S3 takes
PARTS_AT_ONCE = 2
ABANDONED = 3600  # seconds after which nobody is still writing what has not changed since
LONGEST_NAME = 180  # file systems take 255 bytes; obstore adds a suffix while it writes

# A body may take as long as its reader does; silence may not. Plain HTTP is for an endpoint the operator named so.
_CLIENT: ClientConfig = {"connect_timeout": "5s", "read_timeout": "30s", "timeout": "1h", "allow_http": True}
_RETRY: RetryConfig = {"max_retries": 3, "retry_timeout": timedelta(seconds=30)}


class Blobs:
    """A blob store. Nothing is imported, made or connected before it is used, but for a cloud, which `open` checks."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._scheme = _scheme(url)
        self._store: ObjectStore | None = None
        self._making = asyncio.Lock()

    @classmethod
    def of_many(cls, url: str | None) -> Blobs:
        """Those of a store that several machines may share, which is told when it is opened where nobody chose the place."""
        return cls(url) if url else _BesideServers(BESIDE_SERVERS)

    async def open(self) -> None:
        """Raises `StorageError` for a cloud's URL or settings that can't be used."""
        if self._scheme in CLOUDS:
            await self._ready()

    async def put(self, tenant: str, key: str, data: bytes | AsyncIterator[bytes]) -> int:
        """Store bytes, replacing what was there only when all of them have arrived; returns how many."""
        store, path = await self._ready(), _path(tenant, key)
        if isinstance(data, bytes):
            return await _put_whole(store, path, data)
        return await _put_stream(store, path, data)

    async def get(self, tenant: str, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from `start` up to `end` (exclusive), in chunks of at most 1 MiB. Raises `KeyError` when none."""
        if start < 0 or (end is not None and end < 0):
            raise ValueError("a range counts from the beginning of the blob: it can't be negative")
        try:
            result = await _fetch(await self._ready(), _path(tenant, key), start, end)
        except FileNotFoundError:
            raise KeyError(key) from None
        if result is not None:
            async for chunk in _chunks(result):
                yield chunk

    async def delete(self, tenant: str, key: str) -> None:
        """Remove it, if it is there."""
        import obstore

        store, path = await self._ready(), _path(tenant, key)
        with suppress(FileNotFoundError), _translated():
            await obstore.delete_async(store, path)
        if self._scheme == "file":
            await asyncio.to_thread(_remove_unfinished, _folder(self._url) / path)

    @property
    def place(self) -> str:
        """Where they are: equal for two stores that keep them in the same place. Memory is nobody else's."""
        if self._scheme == "memory":
            return f"memory://{id(self)}"
        return str(_folder(self._url).resolve()) if self._scheme == "file" else self._url.rstrip("/")

    async def paths(self) -> AsyncIterator[tuple[str, int]]:
        """Of every blob of every tenant: where it is, as other stores of blobs call it too, and its size."""
        import obstore

        pages = obstore.list(await self._ready())
        while True:
            with _translated():
                page = await anext(pages, None)
            if page is None:
                return
            for each in page:
                if "#" not in each["path"]:  # obstore's name for what is unfinished
                    yield each["path"], each["size"]

    async def read(self, path: str) -> AsyncIterator[bytes]:
        """The bytes at one of `paths`. Raises `KeyError`."""
        try:
            result = await _fetch(await self._ready(), path, 0, None)
        except FileNotFoundError:
            raise KeyError(path) from None
        if result is not None:
            async for chunk in _chunks(result):
                yield chunk

    async def write(self, path: str, data: AsyncIterator[bytes]) -> int:
        """Store bytes at one of another store's `paths`. Returns how many."""
        return await _put_stream(await self._ready(), path, data)

    async def _ready(self) -> ObjectStore:
        async with self._making:
            if self._store is None:
                self._store = await asyncio.to_thread(_make, self._scheme, self._url)
        return self._store


class _BesideServers(Blobs):
    async def open(self) -> None:
        log.warning(
            "files are kept in ./%s, on this machine alone: servers on several machines need one BLOB_URL for all",
            self._url,
        )


class WithBlobs:
    """The blob half of a backend."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs

    @property
    def blobs(self) -> Blobs:
        """All of them, for who moves them elsewhere."""
        return self._blobs

    async def put_blob(self, tenant: str, key: str, data: bytes | AsyncIterator[bytes]) -> int:
        return await self._blobs.put(tenant, key, data)

    def get_blob(self, tenant: str, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        return self._blobs.get(tenant, key, start, end)

    async def delete_blob(self, tenant: str, key: str) -> None:
        await self._blobs.delete(tenant, key)


def tenant_of(path: str) -> str:
    """Whose the blob at a path is, as far as a path tells: a long name ends in a digest."""
    return unquote(path.partition("/")[0]) if path.partition("/")[0] != "%" else ""


def _scheme(url: str) -> str:
    scheme, separator, _ = url.partition("://")
    if not separator:
        return "file"
    if scheme not in CLOUDS | {"file", "memory"}:
        raise UnknownScheme(
            f"no blob store serves {scheme}://; known: a folder, file://, memory://, s3://, az://, gs://"
        )
    return scheme


def _make(scheme: str, url: str) -> ObjectStore:
    from obstore.exceptions import BaseError
    from obstore.store import LocalStore, MemoryStore, from_url

    try:
        if scheme == "memory":
            return MemoryStore()
        if scheme == "file":
            return LocalStore(_folder(url), mkdir=True)
        return from_url(url, client_options=_CLIENT, retry_config=_RETRY)
    except (BaseError, OSError) as error:
        raise StorageError(f"the place for blobs can't be used, check BLOB_URL: {_sentence(error)}") from error


def _folder(url: str) -> Path:
    path = Path(unquote(url.removeprefix("file://"))) if url.startswith("file://") else Path(url)
    if not url or (url.startswith("file://") and not path.is_absolute()):
        raise StorageError(f"{url!r} names no folder for blobs: use file:///absolute/path or a plain path")
    return path.absolute()


def _remove_unfinished(blob: Path) -> None:
    """Remove what a process that died while it wrote has left beside a blob: obstore's own name for what is unfinished."""
    unfinished = blob.with_name(f"{blob.name}#1")
    with suppress(FileNotFoundError):
        if time.time() - unfinished.stat().st_mtime > ABANDONED:
            unfinished.unlink()


async def _put_whole(store: ObjectStore, path: str, data: bytes) -> int:
    import obstore

    with _translated():
        await obstore.put_async(store, path, data, max_concurrency=PARTS_AT_ONCE)
    return len(data)


async def _put_stream(store: ObjectStore, path: str, data: AsyncIterator[bytes]) -> int:
    import obstore

    # A writer that is dropped before it is closed leaves nothing readable: never `async with`, which closes it always.
    writer = obstore.open_writer_async(store, path, buffer_size=PART, max_concurrency=PARTS_AT_ONCE)
    size = 0
    async for chunk in data:
        with _translated():
            await writer.write(chunk)
        size += len(chunk)
    with _translated():
        await writer.close()
    return size


async def _fetch(store: ObjectStore, path: str, start: int, end: int | None) -> GetResult | None:
    """None for a range without bytes, which stores answer with errors of their own. `FileNotFoundError` when missing."""
    import obstore

    with _translated():
        if start == 0 and end is None:
            return await obstore.get_async(store, path)
        size = (await obstore.head_async(store, path))["size"]
        stop = size if end is None else min(end, size)
        return await obstore.get_async(store, path, options={"range": (start, stop)}) if start < stop else None


async def _chunks(result: GetResult) -> AsyncIterator[bytes]:
    stream = result.stream(min_chunk_size=CHUNK // 4)
    while True:
        with _translated():
            data = await anext(stream, None)
        if data is None:
            return
        for start in range(0, len(data), CHUNK):
            yield data if len(data) <= CHUNK else data[start : start + CHUNK]


@contextmanager
def _translated() -> Iterator[None]:
    from obstore.exceptions import BaseError, GenericError

    try:
        yield
    except GenericError as error:
        raise StorageUnavailable(f"the blob store failed: {_sentence(error)}") from error
    except BaseError as error:
        raise StorageError(f"the blob store refused: {_sentence(error)}") from error


def _sentence(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _path(tenant: str, key: str) -> str:
    return f"{_segment(tenant)}/{_segment(key)}"


def _segment(name: str) -> str:
    """One path segment for any string, distinct on file systems that ignore case too; long ones end in a digest."""
    raw = name.encode("utf-8", "surrogatepass")
    encoded = re.sub(rb"^\.|[^a-z0-9._-]", lambda match: b"%%%02x" % match[0][0], raw).decode() or "%"
    if len(encoded) <= LONGEST_NAME:
        return encoded
    return f"{encoded[:100]}~{hashlib.blake2b(raw, digest_size=32).hexdigest()}"
