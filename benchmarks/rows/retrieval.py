"""Searching a vector store of 10,000 chunks: how fast, and how often the right file is among the first five, by words alone and
by embeddings too. The corpus is generated; each question has one file that answers it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Final

from benchmarks.bench import Bench
from benchmarks.client import TIMEOUT, Answer, Connection, Target, Unanswered, connect
from benchmarks.figures import Figure
from benchmarks.processes import Product
from tests.corpus import corpus, judged

TITLE = "searching a vector store of 10,000 chunks, one question at a time"
SEED, FILES, SENTENCES, QUESTIONS = 7, 313, 120, 100
GOAL: Final = 20  # milliseconds
CHUNKING: Final = {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 0}}
EMBEDDED: Final = {"EMBEDDING_MODEL": "openai:meaning"}
POLL: Final = 0.2
BOUNDARY: Final = "benchmark"


@dataclass
class Found:
    """What a store's rounds have brought: milliseconds, and how good the answers were."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    recall: float = 0.0
    mrr: float = 0.0


async def measure(bench: Bench) -> list[Figure]:
    words, chunks = await _searched(bench, {})
    both, _ = await _searched(bench, EMBEDDED)
    return [
        Figure("chunks", [chunks], ""),
        Figure("words: p50", words.wall, "ms", GOAL),
        Figure("words: CPU per query", words.cpu, "ms"),
        Figure("words: recall@5", [words.recall], ""),
        Figure("words: MRR", [words.mrr], ""),
        Figure("with embeddings: p50", both.wall, "ms"),
        Figure("with embeddings: CPU per query", both.cpu, "ms"),
        Figure("with embeddings: recall@5", [both.recall], "", goal=words.recall, at_least=True),
        Figure("with embeddings: MRR", [both.mrr], ""),
    ]


async def _searched(bench: Bench, settings: dict[str, str]) -> tuple[Found, int]:
    """A server's figures, and how many chunks it has searched."""
    known = corpus(SEED, bench.many(FILES, 5), SENTENCES)
    asked = known.questions[: bench.many(QUESTIONS, 5)]
    async with bench.product("chat64", **settings) as product:
        connection = await connect(product.target)
        store = await _filled(connection, product.target, known.files)
        chunks = await _chunks(connection, product.target, store)
        await _round(connection, product, store, asked[:5])
        found = Found()
        for _ in range(bench.rounds):
            await _add_round(found, connection, product, store, asked)
        connection.close()
    return found, chunks


async def _add_round(
    found: Found, connection: Connection, product: Product, store: str, asked: Sequence[tuple[str, str]]
) -> None:
    before = product.cpu()
    answers = await _round(connection, product, store, asked)
    found.cpu.append((product.cpu() - before) / len(asked) * 1000)
    found.wall.append(median(answer.seconds for answer in answers) * 1000)
    names = [list(dict.fromkeys(each["filename"] for each in answer.json()["data"])) for answer in answers]
    found.recall, found.mrr = judged(names, [name for _, name in asked])


async def _round(
    connection: Connection, product: Product, store: str, asked: Sequence[tuple[str, str]]
) -> list[Answer]:
    path = f"/vector_stores/{store}/search"
    bodies = [{"query": question, "max_num_results": 20} for question, _ in asked]
    return [await connection.ask(product.target.post(path, body)) for body in bodies]


async def _filled(connection: Connection, target: Target, files: Sequence[tuple[str, str]]) -> str:
    """A store in which all files have been read."""
    ids = [(await connection.ask(_upload(target, name, text))).json()["id"] for name, text in files]
    created = await connection.ask(target.post("/vector_stores", {}))
    store: str = created.json()["id"]
    batch = {"file_ids": ids, "chunking_strategy": CHUNKING}
    path = f"/vector_stores/{store}/file_batches"
    told: dict[str, Any] = (await connection.ask(target.post(path, batch))).json()
    async with asyncio.timeout(5 * TIMEOUT):
        while told["status"] == "in_progress":
            await asyncio.sleep(POLL)
            told = (await connection.ask(target.get(f"{target.path}{path}/{told['id']}"))).json()
    if told["file_counts"]["completed"] != len(files):
        raise Unanswered(f"not all files were read: {told}")
    return store


async def _chunks(connection: Connection, target: Target, store: str) -> int:
    """How many chunks a store has, from those of its newest files: all are made alike."""
    listed = (await connection.ask(target.get(f"{target.path}/vector_stores/{store}/files?limit=100"))).json()["data"]
    count = 0
    for file in listed:
        path = f"{target.path}/vector_stores/{store}/files/{file['id']}/content"
        count += len((await connection.ask(target.get(path))).json()["data"])
    stored = (await connection.ask(target.get(f"{target.path}/vector_stores/{store}"))).json()
    total: int = stored["file_counts"]["total"]
    return round(count / len(listed) * total)


def _upload(target: Target, name: str, text: str) -> bytes:
    """The request that uploads a file."""
    parts = [
        'Content-Disposition: form-data; name="purpose"\r\n\r\nassistants',
        f'Content-Disposition: form-data; name="file"; filename="{name}"\r\nContent-Type: text/plain\r\n\r\n{text}',
    ]
    body = "".join(f"--{BOUNDARY}\r\n{part}\r\n" for part in parts) + f"--{BOUNDARY}--\r\n"
    head = (
        f"POST {target.path}/files HTTP/1.1\r\nHost: 127.0.0.1:{target.port}\r\nAuthorization: Bearer {target.key}\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\nContent-Length: {len(body.encode())}\r\n\r\n"
    )
    return (head + body).encode()
