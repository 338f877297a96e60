"""The index in the storage itself, where that can search texts: one for all processes, made once."""

from __future__ import annotations

import asyncio
import unicodedata
from base64 import b64decode
from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import orjson

from agents.words import telling_words, unspaced, words
from graph.storage.passages import Changes, Held, Match, Passage, Passages, Term
from graph.vector_stores.filters import holds
from graph.vector_stores.index.port import Hit, Question
from graph.vector_stores.index.ranking import DEPTH, fused, scaled
from graph.vector_stores.stores import VectorStores
from graph.vector_stores.values import Chunk, StoreFile, VectorStore

if TYPE_CHECKING:
    from numpy.typing import NDArray

Place = tuple[str, str, int]
"""A chunk: its file, the shelf of it, its number."""

_TITLE: Final = 2  # a word of the title counts as much as so many of the text
_QUERY_CHARACTERS: Final = 2_000
_TERMS: Final = 32
_MATRICES: Final = 4


class SharedIndex:
    """A shelf for each store. What has changed is taken in by whoever searches next, or prepares; the others wait for it.
    Embeddings are compared here, and kept in memory for the stores that were searched last."""

    def __init__(self, stores: VectorStores, passages: Passages) -> None:
        self._stores = stores
        self._passages = passages
        self._following = asyncio.Lock()
        self._matrices: OrderedDict[tuple[str, str], tuple[int, list[Place], NDArray[Any]]] = OrderedDict()

    async def search(self, tenant: str, store: VectorStore, question: Question, limit: int) -> Sequence[Hit]:
        await self.prepare(tenant, store)
        among = await self._among(tenant, store, question)
        if among == []:
            return []
        terms = _terms(question.text)
        found = await self._passages.find(tenant, store.id, terms, among, limit * DEPTH)
        lexical = {_place(match): match.score for match in found}
        if not question.embedding:
            return _hits(scaled(lexical), lexical, None, limit)
        cosine = await self._cosine(tenant, store, question.embedding, among, limit * DEPTH)
        covered = await self._passages.covered(tenant, store.id, terms, found[0]) if found else 0.0
        return _hits(fused(lexical, cosine, covered), lexical, cosine, limit)

    async def prepare(self, tenant: str, store: VectorStore) -> None:
        if await self._passages.revision(tenant, store.id) >= store.revision:
            return
        async with self._following, self._passages.changing(tenant, store.id) as changes:
            if changes.revision < store.revision:
                await self._follow(tenant, store, changes)

    async def forget(self, tenant: str, id: str) -> None:
        """Remove the index of a store that is gone."""
        self._matrices.pop((tenant, id), None)
        await self._passages.drop(tenant, id)

    async def close(self) -> None:
        self._matrices.clear()

    async def _follow(self, tenant: str, store: VectorStore, changes: Changes) -> None:
        """Take in what has changed since the last time."""
        held = dict(changes.held)
        async for file in self._stores.every_file(tenant, store.id, "completed"):
            known = held.pop(file.file_id, None)
            note = orjson.dumps(file.attributes)
            if known is None or known.revision != file.revision:
                passages = await self._read(tenant, file)
                await changes.put(file.file_id, Held(file.revision, note), passages)
            elif known.note != note:
                await changes.note(file.file_id, note)
        if held:
            await changes.remove(list(held))
        await changes.settle(store.revision)

    async def _read(self, tenant: str, file: StoreFile) -> list[Passage]:
        chunks = [chunk async for some in self._stores.chunks(tenant, file) for chunk in some]
        return await asyncio.to_thread(_passages, file, chunks)

    async def _among(self, tenant: str, store: VectorStore, question: Question) -> list[str] | None:
        """The files to look in; None: all."""
        if question.filter is None:
            return None
        notes = await self._passages.notes(tenant, store.id)
        return [file_id for file_id, note in notes.items() if holds(question.filter, orjson.loads(note))]

    async def _cosine(
        self, tenant: str, store: VectorStore, asked: bytes, among: Sequence[str] | None, limit: int
    ) -> dict[Place, float]:
        places, vectors = await self._matrix(tenant, store)
        wanted = None if among is None else set(among)
        return await asyncio.to_thread(_nearest, places, vectors, asked, wanted, limit)

    async def _matrix(self, tenant: str, store: VectorStore) -> tuple[list[Place], NDArray[Any]]:
        """Where the chunks of a store stand, and their embeddings."""
        known = self._matrices.get((tenant, store.id))
        if known is None or known[0] != store.revision:
            read = [
                ((each.text, each.place, each.number), each.embedding)
                async for each in self._passages.embeddings(tenant, store.id)
            ]
            known = (store.revision, *await asyncio.to_thread(_stacked, read))
        self._matrices[tenant, store.id] = known
        self._matrices.move_to_end((tenant, store.id))
        while len(self._matrices) > _MATRICES:
            self._matrices.popitem(last=False)
        return known[1], known[2]


def _passages(file: StoreFile, chunks: Sequence[Chunk]) -> list[Passage]:
    title = Counter({word: _TITLE * count for word, count in Counter(words(_bare(file.filename))).items()})
    return [
        Passage(
            file.shelf,
            chunk.number,
            title + Counter(words(_bare(chunk.text))),
            b64decode(chunk.embedding) if chunk.embedding else None,
        )
        for chunk in chunks
    ]


def _terms(text: str) -> list[Term]:
    """The telling words of a question, with the beginnings by which their inflected forms are found."""
    return [_term(word) for word in telling_words(_bare(text[:_QUERY_CHARACTERS]))[:_TERMS]]


def _term(word: str) -> Term:
    if unspaced(word):
        return Term((word,)) if len(word) > 1 else Term((), (word,))
    if len(word) < 4 or not word.isalpha():
        return Term((word,))
    return Term((word,), (word[:-1] if len(word) > 5 else word,))


def _bare(text: str) -> str:
    """A text without the accents of its letters. What is composed of other parts (한) stays as it is."""
    apart = unicodedata.normalize("NFD", text)
    return unicodedata.normalize("NFC", "".join(each for each in apart if not "\u0300" <= each <= "\u036f"))


def _place(match: Match) -> Place:
    return match.text, match.place, match.number


def _stacked(read: Sequence[tuple[Place, bytes]]) -> tuple[list[Place], NDArray[Any]]:
    import numpy

    size = len(read[-1][1]) if read else 0
    kept = [(place, embedding) for place, embedding in read if len(embedding) == size]  # others are another model's
    matrix = numpy.frombuffer(b"".join(embedding for _, embedding in kept), numpy.float32)
    return [place for place, _ in kept], matrix.reshape(len(kept), -1) if kept else matrix.reshape(0, 0)


def _nearest(
    places: Sequence[Place], vectors: NDArray[Any], asked: bytes, wanted: set[str] | None, limit: int
) -> dict[Place, float]:
    import numpy

    direction = numpy.frombuffer(asked, numpy.float32)
    if not len(places) or vectors.shape[1] != len(direction):
        return {}
    near = vectors @ direction
    if wanted is not None:
        near = numpy.where([file_id in wanted for file_id, _, _ in places], near, -numpy.inf)
    best = numpy.argsort(-near, kind="stable")[:limit]
    return {places[at]: float(near[at]) for at in best if near[at] > -numpy.inf}


def _hits(
    ranks: Mapping[Place, float], lexical: Mapping[Place, float], cosine: Mapping[Place, float] | None, limit: int
) -> list[Hit]:
    best = list(ranks.items())[:limit]
    return [
        Hit(*place, lexical.get(place, 0.0), None if cosine is None else cosine.get(place, 0.0), rank)
        for place, rank in best
    ]
