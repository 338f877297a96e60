"""How well the right passage is found, and how fast: a generated corpus in which it is known which passage answers."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence

import pytest

from graph.vector_stores.index.database import Database
from graph.vector_stores.index.port import Question
from graph.vector_stores.values import Chunk, StoreFile, VectorStore
from tests.corpus import corpus, judged, word
from tests.graph.vector_stores.house import House, house
from tests.graph.vector_stores.test_embeddings import Meaning

Asked = Sequence[tuple[str, str]]


async def rated(h: House, store: VectorStore, asked: Asked) -> tuple[float, float]:
    """Recall and mean reciprocal rank over these questions."""
    found = []
    for question, _ in asked:
        hits = await h.search(store, question, limit=20)
        found.append(list(dict.fromkeys(each.filename for each in hits)))
    return judged(found, [name for _, name in asked])


@pytest.mark.parametrize("seed", [7, 11, 23, 42])
async def test_the_right_file_is_found_and_embeddings_never_lose_it(seed: int) -> None:
    known = corpus(seed)
    results = []
    for model in (None, Meaning()):
        async with house(embeddings=model) as h:
            store = await h.read(*known.files)
            results.append([await rated(h, store, asked) for asked in (known.questions, known.reworded)])
    (own, reworded), (own_by_meaning, reworded_by_meaning) = results
    assert own[0] >= 0.95
    assert own[1] >= 0.8
    assert own_by_meaning[0] >= own[0]
    assert own_by_meaning[1] >= 0.8
    assert reworded[0] <= 0.2, "there is no word of the question in any file"
    assert reworded_by_meaning[0] >= reworded[0] + 0.3, "by its meaning it is found all the same"


def test_a_query_among_ten_thousand_chunks_is_quick() -> None:
    chosen = random.Random(3)
    words = [word(chosen) for _ in range(5000)]
    weights = [1 / (rank + 10) for rank in range(len(words))]
    database = Database(None)
    for number in range(100):
        chunks = [Chunk(n, 0, 1, " ".join(chosen.choices(words, weights, k=120))) for n in range(100)]
        database.put(StoreFile("s", f"f{number}", f"{number}.txt", 0), chunks)
    for pool in (words[:40], words[200:1000], words[2000:]):
        spent = []
        for _ in range(9):
            question = Question("What is the " + " ".join(chosen.sample(pool, 5)))
            began = time.thread_time()
            assert database.search(question, 10)
            spent.append(time.thread_time() - began)
        assert sorted(spent)[4] <= 0.02, (pool[0], spent)
    database.close()
