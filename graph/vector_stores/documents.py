"""Vector stores, their files, batches and chunks as documents."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter

from graph.compact import compact, dumps
from graph.events import now_ms
from graph.storage.port import Document, Put
from graph.vector_stores.values import Batch, Chunk, StoreFile, VectorStore

T = TypeVar("T")

STORE: Final = "vector_store"
FILE: Final = "vector_store_file"
BATCH: Final = "vector_store_batch"
CHUNK: Final = "vector_store_chunk"
REMAINS: Final = "vector_store_remains"
"""What is left of a store or of a file in one, to be swept: its id is the parent of what goes."""


def store_of(document: Document) -> VectorStore:
    return _read(VectorStore, document)


def file_of(document: Document) -> StoreFile:
    return _read(StoreFile, document)


def batch_of(document: Document) -> Batch:
    return _read(Batch, document)


def chunk_of(document: Document) -> Chunk:
    return _read(Chunk, document)


def put_store(store: VectorStore, expect: int) -> Put:
    due = None if store.emptied else store.expires_at
    return Put(STORE, store.id, _write(store), expect=expect, due=due)


def put_file(file: StoreFile, expect: int, due: int | None = None) -> Put:
    """`due`: when somebody is to read it. The label finds the stores that a file is in."""
    return Put(FILE, file.key, _write(file), parent=file.store_id, expect=expect, label=file.file_id, due=due)


def put_batch(batch: Batch, expect: int) -> Put:
    return Put(BATCH, batch.id, _write(batch), parent=batch.store_id, expect=expect)


def put_chunk(shelf: str, chunk: Chunk, digest: str | None) -> Put:
    """`digest` of its text, where it has an embedding: the same text need not be embedded again."""
    return Put(CHUNK, chunk_id(shelf, chunk.number), _write(chunk), parent=shelf, label=digest)


def chunk_id(shelf: str, number: int) -> str:
    return f"{shelf}/{number}"


def remains(parent: str) -> Put:
    """The note that what has this parent is to be swept."""
    return Put(REMAINS, parent, b"", due=now_ms())


def _write(value: Any) -> bytes:
    return dumps(compact(value))


def _read(cls: type[T], document: Document) -> T:
    reader: TypeAdapter[T] = _adapter(cls)  # type: ignore[arg-type]  # a class can be hashed
    return reader.validate_json(document.body)


@lru_cache
def _adapter(cls: type) -> TypeAdapter[Any]:
    return TypeAdapter(cls)
