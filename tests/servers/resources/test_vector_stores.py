"""Vector stores on the wire: every operation against OpenAI's own description, and what can't be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from servers.app import App, create_app
from tests.servers.asgi import Connection, ask
from tests.servers.conftest import Configure
from tests.servers.forms import HEADERS, Part, file, form
from tests.servers.openai_schema import check

WHALES = "The blue whale is the largest animal. It eats krill, four tonnes a day."
TEA = "Green tea is steeped at 70 degrees for two minutes. Black tea takes boiling water."


@pytest.fixture
async def app(configure: Configure) -> AsyncIterator[App]:
    app = create_app(configure(api_keys="k,acme:a"))
    async with app.lifespan():
        await app.opened()
        yield app


async def at(app: App, method: str, path: str, key: str = "k", **request: Any) -> Connection:
    headers = {"Authorization": f"Bearer {key}", **request.pop("headers", {})}
    return await ask(app, method, f"/v1{path}", headers=headers, **request)


async def ok(app: App, schema: str, method: str, path: str, **request: Any) -> Any:
    answer = await at(app, method, path, **request)
    assert answer.status == 200, answer.body
    check(schema, answer.json(), without=())
    return answer.json()


async def uploaded(app: App, text: str | bytes, name: str = "notes.txt") -> str:
    body = form(Part("purpose", "assistants"), file(text, name))
    return str((await at(app, "POST", "/files", body=body, headers=HEADERS)).json()["id"])


async def created(app: App, **fields: Any) -> Any:
    return await ok(app, "VectorStoreObject", "POST", "/vector_stores", json=fields)


def _schema(path: str) -> str:
    """What OpenAI calls the object at a path."""
    parts = path.split("/")
    return {"files": "VectorStoreFileObject", "file_batches": "VectorStoreFileBatchObject"}.get(
        parts[-2], "VectorStoreObject"
    )


async def settled(app: App, path: str) -> Any:
    """The object at a path, once it is no longer in progress."""
    async with asyncio.timeout(30):
        while True:
            found = await ok(app, _schema(path), "GET", path)
            if found["status"] != "in_progress":
                return found
            await asyncio.sleep(0.02)


async def filled(app: App, *texts: tuple[str, str], **fields: Any) -> str:
    """A store with files of these names and texts, read to their end."""
    ids = [await uploaded(app, text, name) for name, text in texts]
    store = (await created(app, file_ids=ids, **fields))["id"]
    await settled(app, f"/vector_stores/{store}")
    return str(store)


async def search(app: App, store: str, query: Any, **fields: Any) -> Any:
    path = f"/vector_stores/{store}/search"
    return await ok(app, "VectorStoreSearchResultsPage", "POST", path, json={"query": query, **fields})


async def test_the_life_of_a_store(app: App) -> None:
    store = await created(app, name="Sea", metadata={"a": "b"}, expires_after={"anchor": "last_active_at", "days": 7})
    assert (store["name"], store["status"], store["file_counts"]["total"]) == ("Sea", "completed", 0)
    assert store["expires_at"] == store["last_active_at"] + 7 * 86400
    path = f"/vector_stores/{store['id']}"
    assert await ok(app, "VectorStoreObject", "GET", path) == store
    changed = await ok(app, "VectorStoreObject", "POST", path, json={"name": "Land", "expires_after": None})
    assert (changed["name"], changed["expires_at"], changed["metadata"]) == ("Land", None, {"a": "b"})
    other = await created(app)
    assert other["name"] == ""
    page = await ok(app, "ListVectorStoresResponse", "GET", "/vector_stores?limit=1")
    assert ([each["id"] for each in page["data"]], page["has_more"]) == ([other["id"]], True)
    gone = await ok(app, "DeleteVectorStoreResponse", "DELETE", path)
    assert gone == {"id": store["id"], "object": "vector_store.deleted", "deleted": True}
    for method, end in (("GET", ""), ("POST", ""), ("DELETE", ""), ("GET", "/files")):
        assert (await at(app, method, path + end, json={})).status == 404


async def test_a_file_is_read_found_and_taken_out(app: App) -> None:
    store, id = (await created(app))["id"], await uploaded(app, WHALES, "whales.md")
    path = f"/vector_stores/{store}/files"
    body = {"file_id": id, "attributes": {"kind": "animal", "year": 2024, "wild": True}}
    begun = await at(app, "POST", path, json=body)
    assert begun.headers["openai-poll-after-ms"] == "100"
    check("VectorStoreFileObject", begun.json(), without=())
    done = await settled(app, f"{path}/{id}")
    check("VectorStoreFileObject", done, without=())
    assert (done["status"], done["last_error"], done["attributes"]) == ("completed", None, body["attributes"])
    assert done["usage_bytes"] == len(WHALES)
    assert done["chunking_strategy"]["static"] == {"max_chunk_size_tokens": 800, "chunk_overlap_tokens": 400}
    of_store = await ok(app, "VectorStoreObject", "GET", f"/vector_stores/{store}")
    assert of_store["usage_bytes"] == len(WHALES)
    assert of_store["file_counts"] == {"in_progress": 0, "completed": 1, "failed": 0, "cancelled": 0, "total": 1}
    content = await ok(app, "VectorStoreFileContentResponse", "GET", f"{path}/{id}/content")
    assert content["data"] == [{"type": "text", "text": WHALES}]
    found = await search(app, store, "What does a whale eat?")
    assert found["search_query"] == ["What does a whale eat?"]
    [hit] = found["data"]
    assert (hit["file_id"], hit["filename"], hit["attributes"]) == (id, "whales.md", body["attributes"])
    assert hit["score"] == 1
    changed = await ok(app, "VectorStoreFileObject", "POST", f"{path}/{id}", json={"attributes": {"kind": "fish"}})
    assert changed["attributes"] == {"kind": "fish"}
    assert (await search(app, store, "whale"))["data"][0]["attributes"] == {"kind": "fish"}
    gone = await ok(app, "DeleteVectorStoreFileResponse", "DELETE", f"{path}/{id}")
    assert gone == {"id": id, "object": "vector_store.file.deleted", "deleted": True}
    assert (await search(app, store, "whale"))["data"] == []
    assert (await at(app, "GET", f"{path}/{id}")).status == 404
    assert (await at(app, "GET", f"/files/{id}")).status == 200
    assert (await ok(app, "VectorStoreObject", "GET", f"/vector_stores/{store}"))["usage_bytes"] == 0


async def test_filters_rank_and_rewriting(app: App) -> None:
    store = (await created(app))["id"]
    files = [
        {
            "file_id": await uploaded(app, f"A note on whales, number {year}.", f"{year}.txt"),
            "attributes": {"year": year},
        }
        for year in (2020, 2021, 2022)
    ]
    batch = await ok(
        app, "VectorStoreFileBatchObject", "POST", f"/vector_stores/{store}/file_batches", json={"files": files}
    )
    await settled(app, f"/vector_stores/{store}/file_batches/{batch['id']}")

    async def years(**wanted: Any) -> set[int]:
        return {each["attributes"]["year"] for each in (await search(app, store, "whales", filters=wanted))["data"]}

    assert await years(type="eq", key="year", value=2021) == {2021}
    assert await years(type="ne", key="year", value=2021) == {2020, 2022}
    assert await years(type="gt", key="year", value=2020) == {2021, 2022}
    assert await years(type="lte", key="year", value=2020) == {2020}
    assert await years(type="in", key="year", value=[2020, 2022]) == {2020, 2022}
    assert await years(type="nin", key="year", value=[2020, 2022]) == {2021}
    assert await years(type="eq", key="other", value="x") == set()
    late = {"type": "gte", "key": "year", "value": 2021}
    assert await years(type="and", filters=[late, {"type": "lt", "key": "year", "value": 2022}]) == {2021}
    assert await years(type="or", filters=[late, {"type": "eq", "key": "year", "value": 2020}]) == {2020, 2021, 2022}
    assert len((await search(app, store, "whales", max_num_results=2))["data"]) == 2
    asked = await search(app, store, "What is there about the whales?", rewrite_query=True)
    assert asked["search_query"] == ["whales"]
    assert len(asked["data"]) == 3
    several = await search(app, store, ["whales number 2020", "dolphins"])
    assert several["data"][0]["attributes"] == {"year": 2020}
    strict = {"ranker": "auto", "score_threshold": 0.99}
    few = await search(app, store, "whales number 2021", ranking_options=strict)
    assert [each["attributes"]["year"] for each in few["data"]] == [2021]
    assert (await search(app, store, "zebra"))["data"] == []


async def test_a_batch_with_a_broken_file(app: App) -> None:
    store = (await created(app))["id"]
    ids = [
        await uploaded(app, TEA),
        await uploaded(app, b"%PDF-1.7 broken", "a.pdf"),
        await uploaded(app, b"\0\1\2", "b.bin"),
    ]
    path = f"/vector_stores/{store}/file_batches"
    batch = await ok(app, "VectorStoreFileBatchObject", "POST", path, json={"file_ids": ids})
    assert (batch["status"], batch["file_counts"]["in_progress"]) == ("in_progress", 3)
    done = await settled(app, f"{path}/{batch['id']}")
    check("VectorStoreFileBatchObject", done, without=())
    assert done["status"] == "completed"
    assert done["file_counts"] == {"in_progress": 0, "completed": 1, "failed": 2, "cancelled": 0, "total": 3}
    listed = await ok(app, "ListVectorStoreFilesResponse", "GET", f"{path}/{batch['id']}/files?order=asc")
    assert [(each["id"], each["status"]) for each in listed["data"]] == list(
        zip(ids, ["completed", "failed", "failed"], strict=True)
    )
    assert [each["last_error"] and each["last_error"]["code"] for each in listed["data"]] == [
        None,
        "invalid_file",
        "unsupported_file",
    ]
    failed = await ok(
        app, "ListVectorStoreFilesResponse", "GET", f"/vector_stores/{store}/files?filter=failed&order=asc&limit=1"
    )
    assert ([each["id"] for each in failed["data"]], failed["has_more"]) == ([ids[1]], True)
    after = await ok(
        app,
        "ListVectorStoreFilesResponse",
        "GET",
        f"/vector_stores/{store}/files?filter=failed&order=asc&after={ids[1]}",
    )
    assert [each["id"] for each in after["data"]] == [ids[2]]
    assert (await at(app, "POST", f"{path}/{batch['id']}/cancel")).status == 400
    assert (await at(app, "GET", f"/vector_stores/{store}/files/{ids[1]}/content")).status == 400


async def test_a_batch_is_cancelled_before_it_is_read(app: App) -> None:
    store, id = (await created(app))["id"], await uploaded(app, TEA)
    path = f"/vector_stores/{store}/file_batches"
    batch = await ok(app, "VectorStoreFileBatchObject", "POST", path, json={"file_ids": [id]})
    cancelled = await ok(app, "VectorStoreFileBatchObject", "POST", f"{path}/{batch['id']}/cancel")
    assert cancelled["status"] == "cancelled"
    assert cancelled["file_counts"] == {"in_progress": 0, "completed": 0, "failed": 0, "cancelled": 1, "total": 1}
    listed = await ok(app, "ListVectorStoreFilesResponse", "GET", f"{path}/{batch['id']}/files?filter=cancelled")
    assert [each["id"] for each in listed["data"]] == [id]
    assert (await at(app, "GET", f"/vector_stores/{store}/files/{id}/content")).status == 400


async def test_a_file_can_be_put_in_again_with_other_sizes(app: App) -> None:
    store = await filled(app, ("tea.txt", TEA * 40))
    [known] = (await ok(app, "ListVectorStoreFilesResponse", "GET", f"/vector_stores/{store}/files"))["data"]
    static = {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 20}}
    path = f"/vector_stores/{store}/files"
    await ok(app, "VectorStoreFileObject", "POST", path, json={"file_id": known["id"], "chunking_strategy": static})
    done = await settled(app, f"{path}/{known['id']}")
    assert done["chunking_strategy"] == static
    of_store = await ok(app, "VectorStoreObject", "GET", f"/vector_stores/{store}")
    assert (of_store["file_counts"]["total"], of_store["usage_bytes"]) == (1, done["usage_bytes"])
    found = await search(app, store, "steeped", max_num_results=50)
    assert len(found["data"]) > 5
    assert all(len(each["content"][0]["text"]) < 500 for each in found["data"])
    content = await ok(app, "VectorStoreFileContentResponse", "GET", f"{path}/{known['id']}/content")
    joined = " ".join(" ".join(each["text"] for each in content["data"]).split())
    assert joined.count("Green tea") == 40


async def test_a_deleted_file_leaves_its_stores(app: App) -> None:
    store = await filled(app, ("tea.txt", TEA), ("whales.txt", WHALES))
    files = await ok(app, "ListVectorStoreFilesResponse", "GET", f"/vector_stores/{store}/files?order=asc")
    await at(app, "DELETE", f"/files/{files['data'][0]['id']}")
    assert (await search(app, store, "tea"))["data"] == []
    assert (await ok(app, "VectorStoreObject", "GET", f"/vector_stores/{store}"))["file_counts"]["total"] == 1


async def test_tenants_see_their_own(app: App) -> None:
    store = await filled(app, ("tea.txt", TEA))
    foreign = await uploaded(app, WHALES)
    for method, path in (
        ("GET", ""),
        ("DELETE", ""),
        ("GET", "/files"),
        ("POST", "/search"),
        ("POST", "/file_batches"),
    ):
        body = {"query": "tea", "file_ids": [foreign]}
        assert (await at(app, method, f"/vector_stores/{store}{path}", "a", json=body)).status in (400, 404)
    assert (await at(app, "POST", "/vector_stores", "a", json={"file_ids": [foreign]})).error["param"] == "file_ids[0]"


SEARCHES = [
    ({}, "query"),
    ({"query": ""}, "query"),
    ({"query": []}, "query"),
    ({"query": "x", "max_num_results": 0}, "max_num_results"),
    ({"query": "x", "max_num_results": 51}, "max_num_results"),
    ({"query": "x", "filters": {"type": "like", "key": "a", "value": 1}}, "filters.type"),
    ({"query": "x", "filters": {"type": "eq", "key": "a"}}, "filters.value"),
    ({"query": "x", "filters": {"type": "in", "key": "a", "value": 1}}, "filters.value"),
    ({"query": "x", "filters": {"type": "gt", "key": "a", "value": [1]}}, "filters.value"),
    ({"query": "x", "filters": {"type": "and", "filters": [{"type": "eq"}]}}, "filters.filters[0].key"),
    ({"query": "x", "ranking_options": {"score_threshold": 2}}, "ranking_options.score_threshold"),
    ({"query": "x", "ranking_options": {"ranker": "best"}}, "ranking_options.ranker"),
]


async def test_what_can_not_be(app: App) -> None:
    store, id = (await created(app))["id"], await uploaded(app, TEA)
    deep: Any = {"type": "eq", "key": "a", "value": 1}
    for _ in range(30):
        deep = {"type": "and", "filters": [deep]}
    for body, param in [*SEARCHES, ({"query": "x", "filters": deep}, "filters")]:
        refused = await at(app, "POST", f"/vector_stores/{store}/search", json=body)
        assert (refused.status, refused.error["param"]) == (400, param), refused.body
    for kind, message in (
        ("like", "Supported values are: 'eq', 'ne', 'gt',"),
        (["eq"], "expected a string, but got an array"),
    ):
        body = {"query": "x", "filters": {"type": kind, "key": "a", "value": 1}}
        refused = await at(app, "POST", f"/vector_stores/{store}/search", json=body)
        assert message in refused.error["message"]
    sizes: Any = {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 51}}
    for path, body, param in (
        ("", {"expires_after": {"anchor": "created_at", "days": 1}}, "expires_after.anchor"),
        ("", {"expires_after": {"anchor": "last_active_at", "days": 366}}, "expires_after.days"),
        ("", {"file_ids": ["file-none"]}, "file_ids[0]"),
        (f"/{store}/files", {}, "file_id"),
        (f"/{store}/files", {"file_id": "file-none"}, "file_id"),
        (
            f"/{store}/files",
            {"file_id": id, "chunking_strategy": sizes},
            "chunking_strategy.static.chunk_overlap_tokens",
        ),
        (f"/{store}/files", {"file_id": id, "chunking_strategy": {"type": "clever"}}, "chunking_strategy.type"),
        (f"/{store}/files", {"file_id": id, "attributes": {"a": [1]}}, "attributes.a"),
        (f"/{store}/files", {"file_id": id, "attributes": {"a" * 65: 1}}, "attributes"),
        (f"/{store}/file_batches", {}, "file_ids"),
        (f"/{store}/file_batches", {"file_ids": []}, "file_ids"),
        (f"/{store}/file_batches", {"files": [{"file_id": "file-none"}]}, "files[0].file_id"),
        (f"/{store}/file_batches", {"file_ids": [id], "files": [{"file_id": id}]}, "files"),
    ):
        refused = await at(app, "POST", f"/vector_stores{path}", json=body)
        assert (refused.status, refused.error["param"]) == (400, param), refused.body
    for method, path in (
        ("GET", "/vs_none"),
        ("GET", "/none"),
        ("GET", f"/{store}/files/{id}"),
        ("DELETE", f"/{store}/files/{id}"),
        ("GET", f"/{store}/files/{id}/content"),
        ("GET", f"/{store}/file_batches/vsfb_none"),
        ("POST", f"/{store}/file_batches/vsfb_none/cancel"),
        ("GET", f"/{store}/file_batches/vsfb_none/files"),
    ):
        assert (await at(app, method, f"/vector_stores{path}")).status == 404
    assert (await at(app, "GET", f"/vector_stores/{store}/files?filter=done")).error["param"] == "filter"
    assert (await at(app, "GET", f"/vector_stores/{store}/files?after=file-none")).error["param"] == "after"
