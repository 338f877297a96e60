"""Embeddings of chunks and queries. The same text is embedded once for a tenant: its chunk is found by a digest."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from agents.models.faults import may_pass
from agents.models.port import ModelError, ModelTimeout
from graph.storage.port import Storage
from graph.vector_stores import documents
from graph.vector_stores.documents import CHUNK
from graph.vector_stores.parsing.formats import Unreadable
from graph.vector_stores.values import Chunk


class EmbeddingModel(Protocol):
    """A model that turns texts into numbers: float32, little endian, of length one. Raises `ModelError`."""

    @property
    def name(self) -> str: ...

    async def embed(self, texts: Sequence[str]) -> Sequence[bytes]: ...


class EmbeddingFailed(Exception):
    """The model can't be asked just now."""


class Embedder:
    """Gives chunks their embeddings; none where there is no model."""

    def __init__(self, storage: Storage, model: EmbeddingModel | None = None) -> None:
        self._storage = storage
        self._model = model

    @property
    def model(self) -> EmbeddingModel | None:
        return self._model

    async def embed(self, tenant: str, chunks: Sequence[Chunk]) -> tuple[Sequence[Chunk], Sequence[str | None]]:
        """The chunks with their embeddings, and the digests to keep them under. Raises `EmbeddingFailed`, and `Unreadable`
        where another try is of no use."""
        if self._model is None:
            return chunks, [None] * len(chunks)
        digests = [self._digest(self._model, chunk.text) for chunk in chunks]
        known = {digest: found for digest in set(digests) if (found := await self._known(tenant, digest))}
        new = {digest: chunk.text for digest, chunk in zip(digests, chunks, strict=True) if digest not in known}
        try:
            fresh = await self._model.embed(list(new.values())) if new else []
        except ModelError as error:
            if may_pass(error) or isinstance(error, ModelTimeout):
                raise EmbeddingFailed(error.message) from error
            raise Unreadable(f"Its text can't be embedded: {error.message}", "server_error") from error
        known |= {digest: b64encode(numbers).decode() for digest, numbers in zip(new, fresh, strict=True)}
        return [replace(chunk, embedding=known[digest]) for digest, chunk in zip(digests, chunks, strict=True)], digests

    async def _known(self, tenant: str, digest: str) -> str | None:
        found = await self._storage.query(tenant, CHUNK, label=digest, limit=1)
        return documents.chunk_of(found[0]).embedding if found else None

    def _digest(self, model: EmbeddingModel, text: str) -> str:
        return hashlib.blake2b(f"{model.name}\n{text}".encode(), digest_size=16).hexdigest()
