"""The index in the storage itself: one for all processes, which finds what SQLite's finds."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from psycopg import sql

from graph.storage.passages import Held, Passages, passages_of
from graph.storage.port import Storage
from graph.vector_stores.filters import Comparison
from graph.vector_stores.index.database import Database
from graph.vector_stores.index.port import Question
from graph.vector_stores.index.shared import _passages, _terms
from graph.vector_stores.values import Chunk, StoreFile
from tests import backends
from tests.backends.postgres import execute
from tests.corpus import corpus, word
from tests.graph.vector_stores.house import TENANT, house
from tests.graph.vector_stores.test_embeddings import Meaning
from tests.graph.vector_stores.test_retrieval import rated


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with backends.empty("postgresql", tmp_path) as url:
        yield url


def passages(of: Storage) -> Passages:
    offered = passages_of(of)
    assert offered is not None
    return offered


async def test_one_process_takes_in_what_all_of_them_find(url: str) -> None:
    async with house(url) as one, house(url) as other:
        store = await one.read(("a.txt", "The whale sings."), ("b.txt", "A hare runs."))
        found = await asyncio.gather(one.search(store, "whales"), other.search(store, "whales"))
        assert [[each.filename for each in each_found] for each_found in found] == [["a.txt"], ["a.txt"]]
        assert await passages(one.storage).revision(TENANT, store.id) == store.revision
        [first, _] = await one.all(store)
        await one.stores.detach(TENANT, store.id, first.file_id)
        assert await other.search(store, "whale") == []


async def test_a_process_that_knows_less_changes_nothing(url: str) -> None:
    async with house(url) as one, house(url) as other:
        before = await one.read(("a.txt", "The whale sings."))
        await one.attach(before, await one.file("A whale dives.", "b.txt"))
        await one.drain()
        assert len(await one.search(before, "whale")) == 2
        await other.knowledge.searches._index.prepare(TENANT, before)
        assert len(await other.search(before, "whale")) == 2


async def test_only_files_that_the_filter_lets_pass(url: str) -> None:
    async with house(url) as h:
        store = await h.read(("a.txt", "The whale sings."), ("b.txt", "The whale sleeps."))
        for file in await h.all(store):
            await h.stores.set_attributes(TENANT, store.id, file.file_id, {"loud": file.filename == "a.txt"})
        found = await h.search(store, "whale", filter=Comparison("eq", "loud", True))
        assert [each.filename for each in found] == ["a.txt"]
        assert await h.search(store, "whale", filter=Comparison("eq", "loud", "no")) == []


async def test_a_deleted_store_leaves_nothing(url: str) -> None:
    async with house(url) as h:
        store = await h.read(("a.txt", "The whale sings."))
        assert await h.search(store, "whale")
        await h.stores.delete(TENANT, store.id)
        assert await passages(h.storage).revision(TENANT, store.id) == -1
        assert await passages(h.storage).notes(TENANT, store.id) == {}


async def test_nothing_waits_beside_the_index(url: str) -> None:
    async with house(url) as h:
        store = await h.read(("a.txt", "The whale sings."))
        assert await h.search(store, "whale")
    [schema] = parse_qs(urlsplit(url).query)["schema"]
    index = f"{schema}.cortex_flow_passages_lexemes_idx"
    assert execute(sql.SQL("SELECT gin_clean_pending_list(%s::regclass)"), index) == [(0,)]


async def test_strange_words_do_no_harm(url: str) -> None:
    strange = "it's \\ 'quoted' & | ! <-> :* ( ) naïve Café " + "long" * 600
    async with house(url) as h:
        store = await h.read(("a'b\\.txt", strange))
        for query in (strange, "'", "\\", ":*", "&|!", "", "naive cafe"):
            await h.search(store, query)
        assert [each.filename for each in await h.search(store, "naive cafe")] == ["a'b\\.txt"]


async def test_the_right_file_is_found_and_embeddings_never_lose_it(url: str) -> None:
    known = corpus(7)
    results = []
    for model in (None, Meaning()):
        async with house(url, embeddings=model) as h:
            store = await h.read(*known.files)
            results.append([await rated(h, store, asked) for asked in (known.questions, known.reworded)])
    (own, reworded), (own_by_meaning, reworded_by_meaning) = results
    assert own[0] >= 0.95
    assert own[1] >= 0.8
    assert own_by_meaning[0] >= own[0]
    assert own_by_meaning[1] >= 0.8
    assert reworded_by_meaning[0] >= reworded[0] + 0.3


async def test_it_ranks_as_sqlite_does(url: str) -> None:
    """Of the ten best by one, most are among the best by the other, in a store large enough for common words to say little."""
    chosen = random.Random(5)
    words = [word(chosen) for _ in range(2000)]
    weights = [1 / (rank + 10) for rank in range(len(words))]
    texts = [[" ".join(chosen.choices(words, weights, k=60)) for _ in range(50)] for _ in range(50)]
    files = [StoreFile("s", f"f{number}", f"{number}.txt", 0) for number in range(len(texts))]
    sqlite = Database(None)
    async with house(url) as h:
        shared = passages(h.storage)
        async with shared.changing(TENANT, "s") as changes:
            for file, some in zip(files, texts, strict=True):
                chunks = [Chunk(number, 0, 1, text) for number, text in enumerate(some)]
                sqlite.put(file, chunks)
                await changes.put(file.file_id, Held(1, b"{}"), _passages(file, chunks))
            await changes.settle(1)
        agreed = []
        for pool in (words[:40], words[200:600], words[1000:]) * 8:
            query = " ".join(chosen.sample(pool, 4))
            ours = {(each.text, each.number) for each in await shared.find(TENANT, "s", _terms(query), None, 20)}
            theirs = [(each.file_id, each.number) for each in sqlite.search(Question(query), 10)]
            agreed.append(sum(each in ours for each in theirs))
        assert sum(agreed) / len(agreed) >= 7.5, agreed  # many of rare words fit equally well
    sqlite.close()
