"""Vector stores through the official client, and what is left of them when the process dies."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import openai
import psutil
import pytest
from openai import OpenAI

from tests.backends import on_indexes
from tests.journeys.server import Server, running

pytestmark = [
    pytest.mark.xdist_group("journeys-trouble"),
    pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The Assistants API is deprecated:DeprecationWarning"),
]

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "vector-stores.md"
PROGRAMS = re.findall(r"^```python\n(.*?)^```$", GUIDE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
MB = 1024 * 1024


@pytest.fixture
def client(strict: Server) -> OpenAI:
    return strict.client(api_key="key-of-red")


def test_the_helpers_of_the_client(client: OpenAI) -> None:
    store = client.vector_stores.create(name="Sea")
    one = client.vector_stores.files.upload_and_poll(
        vector_store_id=store.id, file=("whales.md", b"The blue whale eats krill.")
    )
    assert (one.status, one.last_error) == ("completed", None)
    batch = client.vector_stores.file_batches.upload_and_poll(
        vector_store_id=store.id,
        files=[("tea.txt", b"Green tea is steeped."), ("bad.pdf", b"%PDF-1.7 broken"), ("sharks.txt", b"Sharks hunt.")],
    )
    assert batch.status == "completed"
    assert (batch.file_counts.completed, batch.file_counts.failed, batch.file_counts.total) == (2, 1, 3)
    statuses = [each.status for each in client.vector_stores.files.list(store.id, order="asc")]
    assert statuses.count("completed") == 3
    [failed] = client.vector_stores.file_batches.list_files(batch.id, vector_store_id=store.id, filter="failed")
    assert failed.last_error is not None
    assert failed.last_error.code == "invalid_file"
    [found] = client.vector_stores.search(store.id, query="What do whales eat?", max_num_results=1)
    assert (found.filename, found.file_id, found.content[0].text) == ("whales.md", one.id, "The blue whale eats krill.")
    changed = client.vector_stores.files.update(one.id, vector_store_id=store.id, attributes={"kind": "animal"})
    assert changed.attributes == {"kind": "animal"}
    filters: Any = {"type": "eq", "key": "kind", "value": "animal"}
    assert len(list(client.vector_stores.search(store.id, query="whale tea sharks", filters=filters))) == 1
    [content] = client.vector_stores.files.content(one.id, vector_store_id=store.id)
    assert content.text == "The blue whale eats krill."
    assert client.vector_stores.files.delete(one.id, vector_store_id=store.id).deleted
    assert client.vector_stores.delete(store.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.vector_stores.retrieve(store.id)


def test_the_guide_works(offline: Server) -> None:
    names: dict[str, Any] = {}
    for program in PROGRAMS:
        exec(program.replace("http://127.0.0.1:8001", offline.url), names)
    assert "krill" in names["answer"].value
    assert names["mark"].text.endswith("†whales.txt】")


@on_indexes
def test_a_batch_outlives_its_process(tmp_path: Path) -> None:
    texts = [" ".join(f"File {number} says sentence {n}." for n in range(300)) for number in range(200)]
    with Server(tmp_path) as server:
        client = server.client()
        files = [
            client.files.create(file=(f"{n}.txt", text.encode()), purpose="assistants") for n, text in enumerate(texts)
        ]
        store = client.vector_stores.create()
        static: Any = {"type": "static", "static": {"max_chunk_size_tokens": 200, "chunk_overlap_tokens": 0}}
        batch = client.vector_stores.file_batches.create(
            store.id, file_ids=[each.id for each in files], chunking_strategy=static
        )
        for kills in range(2):
            wanted = 30 * (kills + 1)
            while (
                client.vector_stores.file_batches.retrieve(batch.id, vector_store_id=store.id).file_counts.completed
                < wanted
            ):
                pass
            server.kill()
            server.start()
            client = server.client()
        done = client.vector_stores.file_batches.poll(batch.id, vector_store_id=store.id)
        assert (done.status, done.file_counts.completed, done.file_counts.total) == ("completed", 200, 200)
        assert client.vector_stores.retrieve(store.id).file_counts.completed == 200
        for number in (0, 60, 199):
            parts = client.vector_stores.files.content(files[number].id, vector_store_id=store.id)
            assert " ".join((part.text or "").strip() for part in parts) == texts[number]
            found = list(client.vector_stores.search(store.id, query=f"File {number} sentence", max_num_results=50))
            own = [each.content[0].text for each in found if each.file_id == files[number].id]
            assert len(own) == len(set(own)) > 3


@on_indexes
def test_a_thousand_files_in_one_batch_pass_through_little_memory(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        client, process = server.client(), psutil.Process(server.pid)
        text = b" ".join(b"Sentence number %d." % number for number in range(300))
        files = [
            client.files.create(file=(f"{n}.txt", b"%d. %s" % (n, text)), purpose="assistants") for n in range(1000)
        ]
        store = client.vector_stores.create()
        before = peak = process.memory_info().rss
        batch = client.vector_stores.file_batches.create(store.id, file_ids=[each.id for each in files])
        while batch.status == "in_progress":
            time.sleep(0.2)  # who asks without a pause takes the time that the files need
            batch = client.vector_stores.file_batches.retrieve(batch.id, vector_store_id=store.id)
            peak = max(peak, process.memory_info().rss)
        assert batch.file_counts.completed == 1000
        assert peak - before < 60 * MB
