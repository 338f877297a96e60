"""Searching by meaning: embeddings are asked for in batches, once for each text, and a search without them still finds words."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from agents.models.embeddings import AT_ONCE, OpenAIEmbeddings, open_embeddings
from agents.models.faults import ConnectionLost
from agents.models.port import ModelError, ModelUnavailable
from agents.models.provider import ModelNotConfigured, ModelSettings
from graph.vector_stores.values import Chunking
from tests.graph.vector_stores.house import TENANT, House, house
from tests.meaning import answer, numbers, unit
from tests.replies import Reply
from tests.upstream import Body, Upstream


def answering(body: Body, *, plain: bool = False) -> Reply:
    return Reply(raw=answer(body, plain=plain))


def settings(upstream: Upstream) -> ModelSettings:
    return ModelSettings(openai_api_key="k", openai_base_url=upstream.url, backoff=0.001)


class Meaning:
    """A model in process. `fails` is raised instead."""

    name = "meaning"

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.fails: ModelError | None = None

    async def embed(self, texts: Sequence[str]) -> Sequence[bytes]:
        if self.fails:
            raise self.fails
        self.asked += texts
        return [unit(numbers(text)) for text in texts]


@pytest.mark.parametrize("plain", [False, True])
async def test_the_wire(plain: bool) -> None:
    async with Upstream(lambda body: answering(body, plain=plain)) as upstream:
        model = OpenAIEmbeddings("small", settings(upstream))
        texts = [f"whale {number}" for number in range(AT_ONCE + 3)]
        assert await model.embed(texts) == [unit(numbers(text)) for text in texts]
        assert [len(request.body["input"]) for request in upstream.requests] == [AT_ONCE, 3]
        assert upstream.requests[0].body["model"] == "small"
        await model.close()


async def test_what_may_pass_is_tried_again() -> None:
    said = iter([Reply(status=429, error="slow down"), Reply(status=500, error="x")])
    async with Upstream(lambda body: next(said, None) or answering(body)) as upstream:
        model = OpenAIEmbeddings("small", settings(upstream))
        assert len(await model.embed(["whale"])) == 1
        assert len(upstream.requests) == 3
        upstream.script = lambda body: Reply(status=400, error="too long")
        with pytest.raises(ModelError, match="too long"):
            await model.embed(["whale"])
        assert len(upstream.requests) == 4
        upstream.script = lambda body: Reply(raw=b"no json")
        with pytest.raises(ModelUnavailable, match="can't be read"):
            await model.embed(["whale"])
        await model.close()


def test_names_that_are_none() -> None:
    for name in ("small", "cohere:x", "openai:"):
        with pytest.raises(ModelNotConfigured, match="names no embedding model"):
            open_embeddings(name, ModelSettings(openai_api_key="k"))


async def test_a_meaning_is_found_without_its_words_and_words_without_a_meaning() -> None:
    model = Meaning()
    async with house(embeddings=model) as h:
        files = ("sea.txt", "The orca swims."), ("cup.txt", "The drink is hot."), ("code.txt", "Error E4711 occurs.")
        store = await h.read(*files)
        found = await h.search(store, "cetacean")
        assert found[0].filename == "sea.txt"
        assert 0 < found[0].score <= 1
        assert [each.score for each in found] == sorted((each.score for each in found), reverse=True)
        assert (await h.search(store, "E4711"))[0].filename == "code.txt"
        model.fails = ModelUnavailable("away")
        assert [each.filename for each in await h.search(store, "orca")] == ["sea.txt"]
        model.fails = None
        [sea, *_] = await h.all(store)
        await h.stores.set_attributes(TENANT, store.id, sea.file_id, {"a": 1})
        from graph.vector_stores.filters import Comparison

        only = await h.search(store, "cetacean", filter=Comparison("eq", "a", 1))
        assert [each.filename for each in only] == ["sea.txt"]


async def test_a_text_is_embedded_once() -> None:
    model = Meaning()
    async with house(embeddings=model) as h:
        text = " ".join(f"Sentence {number} of the whale." for number in range(300))
        await h.read(("a.txt", text), chunking=Chunking(100, 0))
        asked = len(model.asked)
        assert asked == len(set(model.asked)) > 10
        await h.read(("b.txt", text), chunking=Chunking(100, 0))
        assert len(model.asked) == asked


async def test_a_model_that_is_away_makes_files_wait_and_one_that_refuses_makes_them_fail() -> None:
    model = Meaning()
    async with house(embeddings=model) as h:
        model.fails = ConnectionLost("away")
        store = await h.store(("a.txt", "whale"))
        await h.drain()
        assert (await h.all(store))[0].status == "in_progress"
        await again(h, model, ModelError("no such model"), store_id=store.id)
        [failed] = await h.all(store)
        assert failed.error is not None
        assert (failed.status, failed.error.code) == ("failed", "server_error")


async def again(h: House, model: Meaning, fails: ModelError | None, store_id: str) -> None:
    """Put the files of a store in again, and read them."""
    model.fails = fails
    for file in await h.stores.files(TENANT, store_id).read("asc", None, None, 100):
        store = await h.stores.get(TENANT, store_id)
        await h.attach(store, await h.files.get(TENANT, file.file_id))
    await h.drain()
