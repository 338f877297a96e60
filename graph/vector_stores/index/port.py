"""The port of an index: what finds chunks by their words, and by their meaning where they have embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from graph.vector_stores.filters import Filter
from graph.vector_stores.values import VectorStore


@dataclass(frozen=True, slots=True)
class Question:
    """What to look for: words and, where there is a model for it, their embedding; in files that the filter lets pass."""

    text: str
    embedding: bytes | None = None
    filter: Filter | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk that was found: the `number`th of a file, kept on this `shelf`. `lexical` is by how much of its words a query
    found it (BM25, 0 = not at all), `cosine` how near their meanings are (None = that was not asked). Best are first; `rank`
    is 1 for a hit that is first in every respect, and less for the others."""

    file_id: str
    shelf: str
    number: int
    lexical: float
    cosine: float | None
    rank: float


class Index(Protocol):
    """Finds chunks of completed files. What it holds is made from the stored chunks and can be made again: a search sees
    every change that was committed before it."""

    async def search(self, tenant: str, store: VectorStore, question: Question, limit: int) -> Sequence[Hit]:
        """At most `limit` chunks of a store as it was just read, best first."""

    async def prepare(self, tenant: str, store: VectorStore) -> None:
        """Take in what has changed in a store, so that the next search need not."""

    async def forget(self, tenant: str, id: str) -> None:
        """Remove what is held of a store that is gone."""

    async def close(self) -> None: ...
