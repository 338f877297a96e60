"""Files that clients have uploaded: a document each, and a blob that holds the bytes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final

import orjson

from graph.errors import NotFound
from graph.events import now_ms
from graph.ids import bare_file_id
from graph.incoming import Incoming, incoming, read, remove, stray
from graph.listing import Listing, place
from graph.storage.port import Conflict, Delete, Document, Put, Storage, Write

GONE: Final = "gone_file"
"""The kind of the notes that a file is no longer there: who has made something of it removes that, and the note."""
_KIND = "file"


@dataclass(frozen=True, slots=True)
class File:
    """A file. `id` is bare, times are epoch milliseconds, `filename` is what its client calls it and no path of ours.
    `fingerprint` tells files of one id apart."""

    id: str
    filename: str
    purpose: str
    size: int
    blob: str
    created_at: int
    expires_at: int | None = None
    fingerprint: str | None = None

    @property
    def expired(self) -> bool:
        """Whether its time is over: there is no such file any more, even if nobody has swept yet."""
        return self.expires_at is not None and self.expires_at <= now_ms()


class Files:
    """Keeps, finds, lists and deletes files. Methods that take an id raise `NotFound`."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def incoming(self, tenant: str) -> AbstractAsyncContextManager[Incoming]:
        """Room for a file's bytes."""
        return incoming(self._storage, tenant)

    async def keep(self, content: Incoming, file: File, *writes: Write) -> File:
        """Make a file of what has come. Returns the one that stands under its id, which is another one where that was
        taken. Raises `Conflict` where the other `writes` can't be."""
        try:
            await content.keep(put(file), *writes)
        except Conflict as conflict:
            if isinstance(conflict.write, Put) and conflict.write.kind == _KIND:
                return await self.get(content.tenant, file.id)
            raise
        return file

    async def get(self, tenant: str, id: str) -> File:
        return _file(await self._document(tenant, id))

    async def get_many(self, tenant: str, ids: Sequence[str]) -> list[File]:
        """The files of these ids, in their order. Raises `NotFound` about the first that is not there."""
        found = {document.id: _file(document) for document in await self._storage.get_many(tenant, _KIND, ids)}
        for id in ids:
            if id not in found or found[id].expired:
                raise _unknown(id)
        return [found[id] for id in ids]

    async def there(self, tenant: str, ids: Sequence[str]) -> list[File]:
        """Those of these ids that are files, in their order."""
        found = {document.id: _file(document) for document in await self._storage.get_many(tenant, _KIND, ids)}
        return [found[id] for id in dict.fromkeys(ids) if id in found and not found[id].expired]

    async def known(self, tenant: str, ids: Collection[str]) -> set[str]:
        """Which of these ids, as clients write them, are those of files."""
        bare = {id: bare_file_id(id) for id in ids}
        documents = await self._storage.get_many(tenant, _KIND, list(dict.fromkeys(filter(None, bare.values()))))
        there = {document.id for document in documents if not _file(document).expired}
        return {id for id, wanted in bare.items() if wanted in there}

    def all(self, tenant: str, purpose: str | None = None) -> Listing[File]:
        """Those of a purpose, or of any."""
        return Listing(self._storage, tenant, _KIND, _file, label=purpose, wanted=_is_there)

    async def content(
        self, tenant: str, file: File, start: int = 0, end: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """The bytes from `start` up to `end`, in chunks. The first one is there when this returns. Raises `NotFound` where
        the document has survived its blob."""
        chunks = read(self._storage, tenant, file.blob, start, end)
        try:
            first = await anext(chunks, b"")
        except KeyError:
            raise NotFound(f"The content of file 'file-{file.id}' is not there.") from None
        return _behind(first, chunks)

    async def delete(self, tenant: str, id: str) -> None:
        """Remove a file. Who is just reading it may get no more."""
        await self._remove(tenant, await self._document(tenant, id))

    async def forget_expired(self) -> None:
        """Remove files whose time is over."""
        while due := await self._storage.due(_KIND, now_ms()):
            for tenant, id in due:
                document = await self._storage.get(tenant, _KIND, id)
                if document is not None:
                    await self._remove(tenant, document)

    async def _remove(self, tenant: str, document: Document) -> None:
        blob = _file(document).blob
        gone = Put(GONE, document.id, b"", due=now_ms())
        await self._storage.commit(tenant, Delete(_KIND, document.id), place(_KIND, document), stray(blob), gone)
        await remove(self._storage, tenant, blob)

    async def _document(self, tenant: str, id: str) -> Document:
        document = await self._storage.get(tenant, _KIND, id)
        if document is None or _file(document).expired:
            raise _unknown(id)
        return document


def _unknown(id: str) -> NotFound:
    return NotFound(f"No file found with id 'file-{id:.100}'.")


def put(file: File) -> Put:
    """The write of a new file."""
    fields = {
        "filename": file.filename,
        "size": file.size,
        "blob": file.blob,
        "created_at": file.created_at,
        "expires_at": file.expires_at,
        "fingerprint": file.fingerprint,
    }
    body = orjson.dumps({key: value for key, value in fields.items() if value is not None})
    return Put(_KIND, file.id, body, expect=0, label=file.purpose, due=file.expires_at)


async def _behind(first: bytes, chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    if first:
        yield first
    async for chunk in chunks:
        yield chunk


def _file(document: Document) -> File:
    fields = orjson.loads(document.body)
    return File(
        document.id,
        fields["filename"],
        document.label or "",
        fields["size"],
        fields["blob"],
        fields["created_at"],
        fields.get("expires_at"),
        fields.get("fingerprint"),
    )


def _is_there(file: File) -> bool:
    return not file.expired
