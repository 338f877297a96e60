"""How well the right passage is found, and how fast: a generated corpus in which it is known which passage answers."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence

from agents.words import STOP_WORDS
from graph.vector_stores.index.database import Database
from graph.vector_stores.index.port import Question
from graph.vector_stores.values import Chunk, StoreFile
from tests.graph.vector_stores.house import house
from tests.graph.vector_stores.test_embeddings import Meaning

CONSONANTS, VOWELS = "bcdfgklmnprstvz", "aeiou"
TOPICS = 60
QUERY = "What is said about {} and {} in the records?"


def word(chosen: random.Random) -> str:
    return "".join(chosen.choice(CONSONANTS) + chosen.choice(VOWELS) for _ in range(chosen.choice((2, 3, 4))))


def corpus(seed: int) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Files, each about its own topic in words that others use too, and questions with the file that answers them."""
    chosen = random.Random(seed)
    shared = [word(chosen) for _ in range(400)]
    fillers = [each for each in sorted(STOP_WORDS) if each.isascii()][:80]
    files, questions = [], []
    for number in range(TOPICS):
        own = chosen.sample(shared, 3) + [word(chosen) for _ in range(3)]
        sentences = []
        for _ in range(40):
            said = chosen.choices(fillers, k=6) + chosen.choices(shared, k=4) + chosen.sample(own, 2)
            chosen.shuffle(said)
            sentences.append(" ".join(said).capitalize() + ".")
        files.append((f"record-{number}.txt", " ".join(sentences)))
        questions.append((QUERY.format(own[0], own[1]), f"record-{number}.txt"))
    return files, questions


def judged(found: Sequence[Sequence[str]], right: Sequence[str]) -> tuple[float, float]:
    """Recall among the first five, and the mean reciprocal rank."""
    ranks = [names.index(name) + 1 if name in names else 0 for names, name in zip(found, right, strict=True)]
    return sum(0 < rank <= 5 for rank in ranks) / len(ranks), sum(1 / rank for rank in ranks if rank) / len(ranks)


async def test_the_right_file_is_found_and_embeddings_never_lose_it() -> None:
    results = []
    files, questions = corpus(7)
    for model in (None, Meaning()):
        async with house(embeddings=model) as h:
            store = await h.read(*files)
            found = []
            for question, _ in questions:
                hits = await h.search(store, question, limit=20)
                found.append(list(dict.fromkeys(each.filename for each in hits)))
            results.append(judged(found, [name for _, name in questions]))
    (recall, mrr), (with_embeddings, _) = results
    assert recall >= 0.95
    assert mrr >= 0.8
    assert with_embeddings >= recall


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
