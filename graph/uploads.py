"""Files that come in parts: an upload gathers them for an hour, and completing it joins them to one file."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Final, Literal

import orjson

from graph.changes import begun_anew
from graph.errors import ConversationBusy, InvalidRequest, NotFound
from graph.events import now_ms
from graph.files import File, Files
from graph.ids import new_id
from graph.incoming import Incoming, incoming, read, remove, stray
from graph.storage.port import TRIES, Conflict, Delete, Document, Put, Storage

UploadStatus = Literal["pending", "completed", "cancelled", "expired"]

LIFETIME_MS: Final = 3_600_000
_REMEMBERED_MS = 24 * 3_600_000  # how long it can be told how an upload ended
_UPLOAD, _PART = "upload", "upload_part"


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload. Ids are bare, times epoch milliseconds. `size` is what was announced, `keep_ms` how long the file will
    stay, None = for ever. A completed one has the file's id and those of its parts, in their order."""

    id: str
    filename: str
    purpose: str
    size: int
    created_at: int
    keep_ms: int | None = None
    status: UploadStatus = "pending"
    file_id: str | None = None
    part_ids: tuple[str, ...] = ()

    @property
    def expires_at(self) -> int:
        """When it takes no more parts."""
        return self.created_at + LIFETIME_MS


@dataclass(frozen=True, slots=True)
class Part:
    """A part of an upload. `fingerprint` tells parts of one id apart."""

    id: str
    upload_id: str
    size: int
    blob: str
    created_at: int
    fingerprint: str | None = None


class Uploads:
    """Gathers parts. Methods that take an id raise `NotFound`, and `InvalidRequest` for what the upload's status, or what
    it was given, does not allow."""

    def __init__(self, storage: Storage, files: Files) -> None:
        self._storage = storage
        self._files = files

    async def create(self, tenant: str, upload: Upload) -> None:
        """Open an upload."""
        await self._storage.commit(tenant, _put(upload, 0))

    async def pending(self, tenant: str, id: str) -> Upload:
        """An upload that still takes parts."""
        upload, _ = await self._load(tenant, id)
        if upload.status != "pending":
            raise _over(upload)
        return upload

    def incoming(self, tenant: str) -> AbstractAsyncContextManager[Incoming]:
        """Room for a part's bytes."""
        return incoming(self._storage, tenant)

    async def add(self, content: Incoming, part: Part) -> Part:
        """Add what has come to its upload, which may have ended meanwhile. Returns the part that stands under its id, which
        is another one where that was taken."""
        await self.pending(content.tenant, part.upload_id)
        try:
            await content.keep(_put_part(part))
        except Conflict:
            document = await self._storage.get(content.tenant, _PART, part.id)
            if document is None:
                raise
            return _part(document)
        return part

    async def complete(self, tenant: str, id: str, part_ids: Sequence[str], md5: str | None) -> tuple[Upload, File]:
        """Join the parts, in this order, to a file. Completing it again with the same parts gives the same file."""
        for attempt in range(TRIES):
            upload, version = await self._load(tenant, id)
            if upload.status == "completed" and upload.part_ids == tuple(part_ids) and upload.file_id:
                return upload, await self._files.get(tenant, upload.file_id)
            if upload.status != "pending":
                raise _over(upload)
            parts = await self._parts(tenant, upload, part_ids)
            try:
                return await self._joined(tenant, upload, version, parts, md5)
            except Conflict:  # it was completed or cancelled meanwhile
                continue
            except KeyError:  # the same, and its parts have gone: or they are lost
                if attempt:
                    raise InvalidRequest("The bytes of a part are not there.", "part_ids") from None
        raise ConversationBusy("The upload is being changed by too many requests at once. Try again.")

    async def cancel(self, tenant: str, id: str) -> Upload:
        """Give an upload up: its parts go."""
        cancelled = await self._given_up(tenant, id)
        await self._remove_parts(tenant, id)
        return cancelled

    @begun_anew("upload")
    async def _given_up(self, tenant: str, id: str) -> Upload:
        upload, version = await self._load(tenant, id)
        if upload.status != "pending":
            raise _over(upload)
        cancelled = replace(upload, status="cancelled")
        await self._storage.commit(tenant, _put(cancelled, version))
        return cancelled

    async def forget_expired(self) -> None:
        """End uploads whose hour is over, and forget those that ended a day ago. No part outlives either."""
        while due := await self._storage.due(_UPLOAD, now_ms()):
            for tenant, id in due:
                document = await self._storage.get(tenant, _UPLOAD, id)
                if document is not None:
                    await self._forget(tenant, document)

    async def _forget(self, tenant: str, document: Document) -> None:
        upload = _upload(document)
        try:
            if upload.status == "pending":
                await self._storage.commit(tenant, _put(replace(upload, status="expired"), document.version))
                await self._remove_parts(tenant, upload.id)
            else:
                await self._remove_parts(tenant, upload.id)
                await self._storage.commit(tenant, Delete(_UPLOAD, upload.id, expect=document.version))
        except Conflict:
            return  # it has just ended in another way

    async def _joined(
        self, tenant: str, upload: Upload, version: int, parts: Sequence[Part], md5: str | None
    ) -> tuple[Upload, File]:
        async with self._files.incoming(tenant) as content:
            checksum = hashlib.md5(usedforsecurity=False) if md5 else None
            await content.take(self._bytes(tenant, parts, checksum))
            if md5 and checksum and checksum.hexdigest() != md5.lower():
                raise InvalidRequest("The md5 checksum does not match the uploaded bytes.", "md5", "invalid_value")
            now = now_ms()
            expires_at = now + upload.keep_ms if upload.keep_ms else None
            file = File(new_id(), upload.filename, upload.purpose, content.size, content.blob, now, expires_at)
            ids = tuple(part.id for part in parts)
            completed = replace(upload, status="completed", file_id=file.id, part_ids=ids)
            await self._files.keep(content, file, _put(completed, version))
        await self._remove_parts(tenant, upload.id)
        return completed, file

    async def _bytes(self, tenant: str, parts: Sequence[Part], checksum: hashlib._Hash | None) -> AsyncIterator[bytes]:
        for part in parts:
            async for chunk in read(self._storage, tenant, part.blob):
                if checksum:
                    checksum.update(chunk)
                yield chunk

    async def _parts(self, tenant: str, upload: Upload, ids: Sequence[str]) -> Sequence[Part]:
        """The parts of these ids. Their bytes together are those that were announced."""
        documents = await self._storage.get_many(tenant, _PART, list(dict.fromkeys(ids)))
        found = {document.id: _part(document) for document in documents if document.parent == upload.id}
        for id in ids:
            if id not in found:
                raise InvalidRequest(
                    f"No part found with id 'part_{id:.100}' in this upload.", "part_ids", "invalid_value"
                )
        parts = [found[id] for id in ids]
        size = sum(part.size for part in parts)
        if size != upload.size:
            raise InvalidRequest(
                f"The parts have {size} bytes together, the upload was created for {upload.size}.",
                "part_ids",
                "invalid_value",
            )
        return parts

    async def _remove_parts(self, tenant: str, upload_id: str) -> None:
        while documents := await self._storage.query(tenant, _PART, parent=upload_id):
            for document in documents:
                blob = _part(document).blob
                await self._storage.commit(tenant, Delete(_PART, document.id), stray(blob))
                await remove(self._storage, tenant, blob)

    async def _load(self, tenant: str, id: str) -> tuple[Upload, int]:
        """The upload as it stands, with its version. One whose hour is over is expired, even if nobody has swept yet."""
        document = await self._storage.get(tenant, _UPLOAD, id)
        if document is None:
            raise NotFound(f"No upload found with id 'upload_{id:.100}'.")
        upload = _upload(document)
        if upload.status == "pending" and upload.expires_at <= now_ms():
            upload = replace(upload, status="expired")
        return upload, document.version


def _over(upload: Upload) -> InvalidRequest:
    return InvalidRequest(f"Upload 'upload_{upload.id}' is {upload.status}.", "upload_id", "invalid_value")


def _put(upload: Upload, version: int) -> Put:
    fields = {
        "filename": upload.filename,
        "purpose": upload.purpose,
        "size": upload.size,
        "created_at": upload.created_at,
        "keep_ms": upload.keep_ms,
        "status": upload.status,
        "file_id": upload.file_id,
        "part_ids": upload.part_ids,
    }
    due = upload.expires_at if upload.status == "pending" else now_ms() + _REMEMBERED_MS
    return Put(_UPLOAD, upload.id, orjson.dumps(fields), expect=version, due=due)


def _upload(document: Document) -> Upload:
    fields = orjson.loads(document.body)
    return Upload(document.id, **{**fields, "part_ids": tuple(fields["part_ids"])})


def _put_part(part: Part) -> Put:
    fields = {"size": part.size, "blob": part.blob, "created_at": part.created_at, "fingerprint": part.fingerprint}
    return Put(_PART, part.id, orjson.dumps(fields), parent=part.upload_id, expect=0)


def _part(document: Document) -> Part:
    return Part(document.id, document.parent, **orjson.loads(document.body))
