"""Vector stores: what clients put into them, and what has become of it.

A file that is put into a store is a document that is due until it has been read. Its chunks are documents of their own;
they are written under the version of the file's document, so that whoever has lost the file writes nothing more.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from graph.changes import begun_anew
from graph.errors import InvalidRequest, NotFound
from graph.events import now_ms
from graph.files import GONE, File
from graph.ids import new_id
from graph.listing import Listing, place
from graph.storage.port import Conflict, Delete, Document, Storage, Write
from graph.vector_stores import documents
from graph.vector_stores.documents import BATCH, CHUNK, FILE, REMAINS, STORE
from graph.vector_stores.values import (
    Attributes,
    Batch,
    Chunk,
    Chunking,
    Counts,
    FileStatus,
    StoreFile,
    VectorStore,
    key_of,
)

T = TypeVar("T")

_TOUCHED_MS: Final = 60_000
_PAGE: Final = 100
_LOOKED_EVERY: Final = 1.0


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file to be put into a store."""

    file: File
    chunking: Chunking = field(default_factory=Chunking)
    attributes: Attributes | None = None


class VectorStores:
    """Keeps stores, their files and batches. Methods that take ids raise `NotFound`; those that change a store raise
    `InvalidRequest` where it has expired. `arrived` is set when there is something to be read, `on_gone` hears the tenant and
    id of a store whose content was removed."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.on_gone: Callable[[str, str], Awaitable[None]] | None = None
        self.arrived = asyncio.Event()
        self._finished = asyncio.Event()

    async def create(self, tenant: str, store: VectorStore, attachments: Sequence[Attachment] = ()) -> VectorStore:
        """A new store, with its first files. Raises `Conflict` where its id is taken."""
        store, writes, _ = await self._attached(tenant, store, attachments, None)
        await self.storage.commit(tenant, documents.put_store(store, 0), *writes)
        self.arrived.set()
        return store

    async def get(self, tenant: str, id: str) -> VectorStore:
        store, _ = await self._load(tenant, id)
        return store

    async def known(self, tenant: str, ids: Sequence[str]) -> set[str]:
        """Which of these ids are those of stores."""
        return {document.id for document in await self.storage.get_many(tenant, STORE, ids)}

    async def usable(self, tenant: str, ids: Sequence[str]) -> list[str]:
        """Those of these stores that are there and have not expired."""
        found = await self.storage.get_many(tenant, STORE, list(dict.fromkeys(ids)))
        return [store.id for store in map(documents.store_of, found) if store.status != "expired"]

    async def attached(self, tenant: str, id: str, file_ids: Sequence[str]) -> set[str]:
        """Which of these files are in a store."""
        found = await self.storage.get_many(tenant, FILE, [key_of(id, file_id) for file_id in file_ids])
        return {documents.file_of(document).file_id for document in found}

    async def settled(self, tenant: str, ids: Sequence[str], seconds: float | None) -> None:
        """Return when nothing in these stores is waiting to be read, after so many seconds at the latest; None = however long it
        takes."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    finished = self._finished
                    stores = map(documents.store_of, await self.storage.get_many(tenant, STORE, ids))
                    if not any(store.counts.in_progress for store in stores):
                        return
                    with suppress(TimeoutError):  # another process may be reading
                        await asyncio.wait_for(finished.wait(), _LOOKED_EVERY)

    def all(self, tenant: str) -> Listing[VectorStore]:
        return Listing(self.storage, tenant, STORE, documents.store_of)

    async def modify(self, tenant: str, id: str, changes: Mapping[str, Any]) -> VectorStore:
        """Replace the fields that are given."""

        async def change(store: VectorStore) -> tuple[VectorStore, list[Write], None]:
            return replace(store, **changes), [], None

        changed, _ = await self._change(tenant, id, change)
        return changed

    async def touch(self, tenant: str, store: VectorStore) -> None:
        """A store has been used."""
        if now_ms() - store.last_active_at > _TOUCHED_MS:
            await self.modify(tenant, store.id, {"last_active_at": now_ms()})

    async def delete(self, tenant: str, id: str) -> None:
        """Remove a store with everything in it. The files themselves stay."""
        document = await self._document(tenant, id)
        await self.storage.commit(tenant, Delete(STORE, id), place(STORE, document), documents.remains(id))
        await self._clear(tenant, id)

    async def attach(self, tenant: str, id: str, attachments: Sequence[Attachment]) -> Sequence[StoreFile]:
        """Put files into a store. What is in it already is read anew."""

        async def change(store: VectorStore) -> tuple[VectorStore, list[Write], Sequence[StoreFile]]:
            return await self._attached(tenant, _alive(store), attachments, None)

        _, files = await self._change(tenant, id, change)
        self.arrived.set()
        return files

    async def attach_batch(self, tenant: str, id: str, attachments: Sequence[Attachment]) -> Batch:
        """Put files into a store together."""
        batch_id = new_id()

        async def change(store: VectorStore) -> tuple[VectorStore, list[Write], Batch]:
            changed, writes, files = await self._attached(tenant, _alive(store), attachments, batch_id)
            batch = Batch(batch_id, id, now_ms(), Counts(in_progress=len(files)))
            return changed, [*writes, documents.put_batch(batch, 0)], batch

        _, batch = await self._change(tenant, id, change)
        self.arrived.set()
        return batch

    async def batch(self, tenant: str, id: str, batch_id: str) -> Batch:
        batch, _ = await self._load_batch(tenant, id, batch_id)
        return batch

    async def cancel_batch(self, tenant: str, id: str, batch_id: str) -> Batch:
        """Give up the files of a batch that have not been read yet; what is read stays. Raises `InvalidRequest` where there
        is none."""
        batch = await self.batch(tenant, id, batch_id)
        if batch.status != "in_progress":
            raise InvalidRequest(f"Cannot cancel a file batch with status '{batch.status}'.")
        listing = self.files(tenant, id, "in_progress", batch_id)
        while files := await listing.read("asc", None, None, _PAGE):
            await self._cancel_files(tenant, id, [each.file_id for each in files])

        async def change(store: VectorStore) -> tuple[VectorStore, list[Write], Batch]:
            batch, version = await self._load_batch(tenant, id, batch_id)
            cancelled = replace(batch, cancelled=True)
            return store, [documents.put_batch(cancelled, version)], cancelled

        _, cancelled = await self._change(tenant, id, change)
        return cancelled

    def files(
        self, tenant: str, id: str, status: FileStatus | None = None, batch_id: str | None = None
    ) -> Listing[StoreFile]:
        """The files of a store, or of a batch, of one status or of any."""

        def wanted(file: StoreFile) -> bool:
            return (status is None or file.status == status) and (batch_id is None or file.batch_id == batch_id)

        every = status is None and batch_id is None
        return Listing(
            self.storage, tenant, FILE, documents.file_of, id, wanted=None if every else wanted, scope=f"{id}/"
        )

    async def every_file(self, tenant: str, id: str, status: FileStatus | None = None) -> AsyncIterator[StoreFile]:
        """The files of a store, oldest first, however many there are."""
        after, listing = None, self.files(tenant, id, status)
        while files := await listing.read("asc", after, None, _PAGE):
            for file in files:
                yield file
            after = await listing.position(files[-1].file_id)
            if after is None:  # it has just gone for good
                return

    async def file(self, tenant: str, id: str, file_id: str) -> StoreFile:
        file, _ = await self._load_file(tenant, id, file_id)
        return file

    async def set_attributes(self, tenant: str, id: str, file_id: str, attributes: Attributes) -> StoreFile:
        """Replace a file's attributes."""

        async def change(store: VectorStore) -> tuple[VectorStore, list[Write], StoreFile]:
            file, version = await self._load_file(tenant, id, file_id)
            changed = replace(file, attributes=attributes, owner=None)  # whoever reads it begins anew
            due = now_ms() if file.status == "in_progress" else None
            return _revised(_alive(store)), [documents.put_file(changed, version, due)], changed

        _, file = await self._change(tenant, id, change)
        return file

    async def detach(self, tenant: str, id: str, file_id: str) -> None:
        """Take a file out of a store. The file itself stays."""

        async def change(store: VectorStore) -> tuple[VectorStore, list[Write], str]:
            document = await self._file_document(tenant, id, file_id)
            file = documents.file_of(document)
            gone: list[Write] = [
                Delete(FILE, file.key, expect=document.version),
                place(FILE, document),
                documents.remains(file.shelf),
            ]
            return _without(store, file), [*gone, *await self._moved_batch(tenant, file, None)], file.shelf

        _, shelf = await self._change(tenant, id, change)
        await self._clear_chunks(tenant, shelf)

    async def chunks(self, tenant: str, file: StoreFile) -> AsyncIterator[Sequence[Chunk]]:
        """The chunks of a file in order, some at a time."""
        after = None
        while found := await self.storage.query(
            tenant, CHUNK, parent=file.shelf, order="asc", after=after, limit=_PAGE
        ):
            yield list(map(documents.chunk_of, found))
            after = found[-1].sequence

    async def forget(self) -> None:
        """Empty stores whose time is over, take files out that are no longer there, and sweep what deletions have left."""
        while due := await self.storage.due(STORE, now_ms()):
            for tenant, id in due:
                await self._empty(tenant, id)
        while due := await self.storage.due(GONE, now_ms()):
            for tenant, file_id in due:
                await self.forget_file(tenant, file_id)
        while due := await self.storage.due(REMAINS, now_ms()):
            for tenant, id in due:
                await (self._clear_chunks(tenant, id) if "/" in id else self._clear(tenant, id))

    async def forget_file(self, tenant: str, file_id: str) -> None:
        """Take a file that was deleted out of every store."""
        while found := await self.storage.query(tenant, FILE, label=file_id, limit=_PAGE):
            for document in found:
                try:
                    await self.detach(tenant, document.parent, file_id)
                except NotFound:  # the store is just going
                    await self._remove_file(tenant, document)
        await self.storage.commit(tenant, Delete(GONE, file_id))

    async def pending(self, limit: int) -> list[tuple[str, str]]:
        """(tenant, key) of the files that are to be read, of all tenants."""
        return await self.storage.due(FILE, now_ms(), limit)

    async def claim(
        self, tenant: str, key: str, owner: str, is_alive: Callable[[str], Awaitable[bool]]
    ) -> Claim | None:
        """Take a file to read it; None where somebody else does. What was read of it before is gone."""
        document = await self.storage.get(tenant, FILE, key)
        if document is None:
            return None
        file = documents.file_of(document)
        if file.status != "in_progress" or (file.owner is not None and await is_alive(file.owner)):
            return None
        attempts = file.attempts + (file.owner is not None)
        claimed = replace(file, owner=owner, attempts=attempts)
        try:
            await self.storage.commit(tenant, documents.put_file(claimed, document.version, now_ms()))
        except Conflict:
            return None
        await self._drop_chunks(tenant, file.shelf)
        return Claim(self, tenant, claimed, document.version + 1)

    async def finish(self, claim: Claim, file: StoreFile) -> None:
        """Write what has become of a file. Raises `Lost`, and `NotFound` where its store is gone."""

        async def change(store: VectorStore) -> tuple[VectorStore, list[Write], None]:
            document = await self.storage.get(claim.tenant, FILE, file.key)
            if document is None or document.version != claim.version:
                raise Lost
            moved = replace(store, counts=store.counts.moved("in_progress", file.status))
            moved_batch = await self._moved_batch(claim.tenant, claim.file, file.status)
            writes: list[Write] = [documents.put_file(file, claim.version), *moved_batch]
            if file.status == "completed":
                return _revised(replace(moved, usage_bytes=moved.usage_bytes + file.usage_bytes)), writes, None
            return moved, [*writes, documents.remains(file.shelf)], None

        await self._change(claim.tenant, file.store_id, change)
        self._finished.set()
        self._finished = asyncio.Event()

    async def _attached(
        self, tenant: str, store: VectorStore, attachments: Sequence[Attachment], batch_id: str | None
    ) -> tuple[VectorStore, list[Write], Sequence[StoreFile]]:
        """A store with these files in it, and the writes that make it so."""
        keys = {key_of(store.id, each.file.id): each for each in attachments}
        known = {each.id: each for each in await self.storage.get_many(tenant, FILE, list(keys))}
        files, writes, now, left = list[StoreFile](), list[Write](), now_ms(), dict[str, int]()
        for key, each in keys.items():
            file = StoreFile(store.id, each.file.id, each.file.filename, now, chunking=each.chunking)
            file = replace(file, attributes=each.attributes or {}, batch_id=batch_id)
            document = known.get(key)
            if document is not None:
                old = documents.file_of(document)
                writes.append(documents.remains(old.shelf))
                store, file = _without(store, old), replace(file, revision=old.revision + 1)
                if old.status == "in_progress" and old.batch_id is not None:
                    left[old.batch_id] = left.get(old.batch_id, 0) + 1
            files.append(file)
            writes.append(documents.put_file(file, document.version if document else 0, now))
        for old_batch, number in left.items():
            writes += await self._moved(tenant, store.id, old_batch, "cancelled", number)
        counts = replace(store.counts, in_progress=store.counts.in_progress + len(files))
        return replace(store, counts=counts, last_active_at=now), writes, files

    async def _cancel_files(self, tenant: str, id: str, file_ids: Sequence[str]) -> None:
        async def change(store: VectorStore) -> tuple[VectorStore, list[Write], None]:
            writes, left = list[Write](), dict[str, int]()
            for document in await self.storage.get_many(tenant, FILE, [key_of(id, each) for each in file_ids]):
                file = documents.file_of(document)
                if file.status == "in_progress":
                    store = replace(store, counts=store.counts.moved("in_progress", "cancelled"))
                    writes += [
                        documents.put_file(replace(file, status="cancelled", owner=None), document.version),
                        documents.remains(file.shelf),
                    ]
                    left[file.batch_id or ""] = left.get(file.batch_id or "", 0) + 1
            for batch_id, number in left.items():
                writes += await self._moved(tenant, id, batch_id, "cancelled", number)
            return store, writes, None

        await self._change(tenant, id, change)

    async def _moved_batch(self, tenant: str, file: StoreFile, status: FileStatus | None) -> list[Write]:
        """The batch of a file whose status changes. A file that leaves the store stays counted, unless it was on its
        way."""
        if file.status != "in_progress" or file.batch_id is None:
            return []
        return await self._moved(tenant, file.store_id, file.batch_id, status or "cancelled", 1)

    async def _moved(self, tenant: str, id: str, batch_id: str, status: FileStatus, number: int) -> list[Write]:
        try:
            batch, version = await self._load_batch(tenant, id, batch_id)
        except NotFound:
            return []
        counts = batch.counts
        for _ in range(number):
            counts = counts.moved("in_progress", status)
        return [documents.put_batch(replace(batch, counts=counts), version)]

    @begun_anew("vector store")
    async def _change(
        self, tenant: str, id: str, change: Callable[[VectorStore], Awaitable[tuple[VectorStore, list[Write], T]]]
    ) -> tuple[VectorStore, T]:
        """Change a store and what belongs to it, in one commit."""
        store, version = await self._load(tenant, id)
        changed, writes, result = await change(store)
        await self.storage.commit(tenant, *writes, documents.put_store(changed, version))
        return changed, result

    async def _empty(self, tenant: str, id: str) -> None:
        """Take everything out of a store whose time is over."""

        async def change(store: VectorStore) -> tuple[VectorStore, list[Write], bool]:
            if store.status != "expired":  # it has just been used
                return store, [], False
            emptied = replace(store, emptied=True, counts=Counts(), usage_bytes=0, revision=store.revision + 1)
            return emptied, [documents.remains(id)], True

        try:
            _, emptied = await self._change(tenant, id, change)
        except NotFound:
            return
        if emptied:
            await self._clear(tenant, id)

    async def _clear(self, tenant: str, id: str) -> None:
        """Remove everything that belongs to a store."""
        while found := await self.storage.query(tenant, FILE, parent=id, limit=_PAGE):
            for document in found:
                await self._remove_file(tenant, document)
        while found := await self.storage.query(tenant, BATCH, parent=id, limit=_PAGE):
            await self.storage.commit(tenant, *(Delete(BATCH, each.id) for each in found))
        if self.on_gone is not None:
            await self.on_gone(tenant, id)
        await self.storage.commit(tenant, Delete(REMAINS, id))

    async def _remove_file(self, tenant: str, document: Document) -> None:
        shelf = documents.file_of(document).shelf
        await self.storage.commit(tenant, Delete(FILE, document.id), documents.remains(shelf))
        await self._clear_chunks(tenant, shelf)

    async def _clear_chunks(self, tenant: str, shelf: str) -> None:
        """Remove the chunks of a file that has left its store."""
        await self._drop_chunks(tenant, shelf)
        await self.storage.commit(tenant, Delete(REMAINS, shelf))

    async def _drop_chunks(self, tenant: str, shelf: str) -> None:
        while found := await self.storage.query(tenant, CHUNK, parent=shelf, limit=_PAGE):
            await self.storage.commit(tenant, *(Delete(CHUNK, each.id) for each in found))

    async def _load(self, tenant: str, id: str) -> tuple[VectorStore, int]:
        document = await self._document(tenant, id)
        return documents.store_of(document), document.version

    async def _document(self, tenant: str, id: str) -> Document:
        document = await self.storage.get(tenant, STORE, id)
        if document is None:
            raise NotFound(f"No vector store found with id 'vs_{id:.100}'.")
        return document

    async def _load_file(self, tenant: str, id: str, file_id: str) -> tuple[StoreFile, int]:
        document = await self._file_document(tenant, id, file_id)
        return documents.file_of(document), document.version

    async def _file_document(self, tenant: str, id: str, file_id: str) -> Document:
        document = await self.storage.get(tenant, FILE, key_of(id, file_id))
        if document is None:
            raise NotFound(f"No file found with id 'file-{file_id:.100}' in vector store 'vs_{id:.100}'.")
        return document

    async def _load_batch(self, tenant: str, id: str, batch_id: str) -> tuple[Batch, int]:
        document = await self.storage.get(tenant, BATCH, batch_id)
        if document is None or document.parent != id:
            raise NotFound(f"No file batch found with id 'vsfb_{batch_id:.100}' in vector store 'vs_{id:.100}'.")
        return documents.batch_of(document), document.version


@dataclass(slots=True)
class Claim:
    """A file that is being read here. `version` is that of its document: whoever writes another one has taken it."""

    stores: VectorStores
    tenant: str
    file: StoreFile
    version: int

    async def add(self, chunks: Sequence[Chunk], digests: Sequence[str | None]) -> None:
        """Keep chunks. Raises `Conflict` where the file was lost."""
        pairs = zip(chunks, digests, strict=True)
        await self.stores.storage.commit(
            self.tenant,
            documents.put_file(self.file, self.version, now_ms()),
            *(documents.put_chunk(self.file.shelf, chunk, digest) for chunk, digest in pairs),
        )
        self.version += 1

    async def release(self, later_ms: int = 0) -> None:
        """Give the file back, unread. Raises `Conflict` where it was lost."""
        back = replace(self.file, owner=None)
        await self.stores.storage.commit(self.tenant, documents.put_file(back, self.version, now_ms() + later_ms))


class Lost(Exception):
    """The file that was being read is another's now, or gone."""


def new_store(**fields: Any) -> VectorStore:
    """A store that begins now."""
    now = now_ms()
    return VectorStore(new_id(), now, now, **fields)


def _alive(store: VectorStore) -> VectorStore:
    if store.status == "expired":
        raise InvalidRequest(f"Vector store 'vs_{store.id}' has expired.", "vector_store_id", "vector_store_expired")
    return store


def _revised(store: VectorStore) -> VectorStore:
    return replace(store, revision=store.revision + 1)


def _without(store: VectorStore, file: StoreFile) -> VectorStore:
    """A store that a file leaves."""
    counts = store.counts.moved(file.status, None)
    gone = file.usage_bytes if file.status == "completed" else 0
    return _revised(replace(store, counts=counts, usage_bytes=store.usage_bytes - gone))
