"""Searching vector stores: what is found is told with its text, and with a score from 0 to 1."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from agents.models.port import ModelError
from agents.words import stems, telling_words
from graph.errors import InvalidRequest
from graph.vector_stores import documents
from graph.vector_stores.documents import CHUNK, chunk_id
from graph.vector_stores.embedded import Embedder
from graph.vector_stores.filters import Filter
from graph.vector_stores.index.port import Hit, Index, Question
from graph.vector_stores.stores import VectorStores
from graph.vector_stores.values import Attributes, VectorStore, key_of


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a search is for. `least` is the score below which nothing is told."""

    queries: Sequence[str]
    limit: int = 10
    filter: Filter | None = None
    least: float = 0.0


@dataclass(frozen=True, slots=True)
class Found:
    """A chunk that was found."""

    file_id: str
    filename: str
    score: float
    text: str
    number: int
    attributes: Attributes


class Searches:
    """Searches stores by words and, where there is a model for embeddings, by meaning."""

    def __init__(self, stores: VectorStores, index: Index, embedder: Embedder) -> None:
        self._stores = stores
        self._index = index
        self._embedder = embedder

    async def search(self, tenant: str, ids: Sequence[str], wanted: Wanted) -> Sequence[Found]:
        """The best chunks of these stores. Raises `NotFound`, and `InvalidRequest` where one has expired."""
        stores = [await self._usable(tenant, id) for id in ids]
        best: dict[tuple[str, int], Found] = {}
        for query in wanted.queries:
            question = Question(query, await self._embedded(query), wanted.filter)
            for found in await asyncio.gather(*(self._in(tenant, store, question, wanted.limit) for store in stores)):
                for each in found:
                    known = best.get((each.file_id, each.number))
                    if known is None or known.score < each.score:
                        best[each.file_id, each.number] = each
        ranked = sorted(best.values(), key=lambda each: -each.score)
        return [each for each in ranked if each.score >= wanted.least][: wanted.limit]

    async def _usable(self, tenant: str, id: str) -> VectorStore:
        store = await self._stores.get(tenant, id)
        if store.status == "expired":
            raise InvalidRequest(f"Vector store 'vs_{id}' has expired.", "vector_store_id", "vector_store_expired")
        await self._stores.touch(tenant, store)
        return store

    async def _embedded(self, query: str) -> bytes | None:
        """The query's embedding; None where there is no model, or none that answers: words are searched all the same."""
        if self._embedder.model is None:
            return None
        try:
            [embedding] = await self._embedder.model.embed([query])
        except ModelError:
            return None
        return embedding

    async def _in(self, tenant: str, store: VectorStore, question: Question, limit: int) -> list[Found]:
        hits = await self._index.search(tenant, store, question, limit)
        found = await self._read(tenant, store, hits)
        if not found:
            return []
        top = _relevance(question.text, found[0], hits[0])
        return [replace(each, score=round(top * each.score, 4)) for each in found]

    async def _read(self, tenant: str, store: VectorStore, hits: Sequence[Hit]) -> list[Found]:
        """The hits with their texts; those that have just gone are left out."""
        storage = self._stores.storage
        chunks = await storage.get_many(tenant, CHUNK, [chunk_id(hit.shelf, hit.number) for hit in hits])
        texts = {document.id: documents.chunk_of(document).text for document in chunks}
        keys = list(dict.fromkeys(key_of(store.id, hit.file_id) for hit in hits))
        files = {each.id: documents.file_of(each) for each in await storage.get_many(tenant, documents.FILE, keys)}
        found: list[Found] = []
        for hit in hits:
            text, file = texts.get(chunk_id(hit.shelf, hit.number)), files.get(key_of(store.id, hit.file_id))
            if text is not None and file is not None:
                found.append(Found(file.file_id, file.filename, hit.rank, text, hit.number, file.attributes))
        return found


def rewritten(query: str) -> str:
    """A query without the words that say nothing; as it is where there would be nothing left."""
    return " ".join(telling_words(query)) or query


def _relevance(query: str, found: Found, hit: Hit) -> float:
    """How well the best hit answers, from 0 to 1: how many of the query's words it holds, or how near its meaning is."""
    asked = stems(telling_words(query))
    held = stems(telling_words(f"{found.filename} {found.text}"))
    share = sum(stem in held for stem in asked) / len(asked) if asked else 0.0
    return min(1.0, max(share, hit.cosine or 0.0))
