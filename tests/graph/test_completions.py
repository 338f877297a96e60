"""Stored completions over each store: kept, found, paged through, changed, deleted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from graph import listing
from graph.attachments import THRESHOLD
from graph.completions import Completions, SentMessages
from graph.errors import NotFound
from graph.events import now_ms
from graph.storage import Storage
from graph.storage.port import Order
from tests import backends

IMAGE = "data:image/png;base64," + "A" * THRESHOLD


@pytest.fixture(params=backends.EVERY)
async def storage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Storage]:
    async with backends.opened(request.param, tmp_path) as storage:
        yield storage


@pytest.fixture
def completions(storage: Storage) -> Completions:
    return Completions(storage)


def said(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


async def keep(
    completions: Completions, id: str, *said: Any, tenant: str = "t", model: str = "m", **pairs: str
) -> None:
    await completions.keep(tenant, id, model, {"id": id, "choices": [1]}, said or [{"role": "user"}], pairs)


async def ids(completions: Completions, order: Order = "asc", after: int | None = None, **filters: Any) -> list[str]:
    found = await completions.all("t", **filters).read(order, after, None, 1000)
    return [each.id for each in found]


async def images(completions: Completions, id: str) -> list[str]:
    messages = await (await completions.messages("t", id)).read("asc", None, None, 10)
    return [each.fields["content"][0]["image_url"]["url"] for each in messages]


async def test_what_was_kept(completions: Completions) -> None:
    await keep(completions, "a", said("Hi"), topic="tea")
    kept = await completions.get("t", "a")
    assert (kept.id, kept.model, kept.messages) == ("a", "m", 1)
    assert (kept.body, kept.metadata) == ({"id": "a", "choices": [1]}, {"topic": "tea"})


async def test_other_tenants_have_none_of_it(completions: Completions) -> None:
    await keep(completions, "a")
    for ask in (completions.get, completions.delete, completions.messages):
        with pytest.raises(NotFound):
            await ask("other", "a")
    with pytest.raises(NotFound):
        await completions.change("other", "a", {})
    assert await completions.all("other").read("asc", None, None, 10) == []
    assert await completions.all("other").position("a") is None


async def test_order_and_filters(completions: Completions) -> None:
    for number in range(6):
        await keep(completions, str(number), model=f"m{number % 2}", third=str(number % 3), all="yes")
    assert await ids(completions) == ["0", "1", "2", "3", "4", "5"]
    assert await ids(completions, "desc") == ["5", "4", "3", "2", "1", "0"]
    assert await ids(completions, model="m1") == ["1", "3", "5"]
    assert await ids(completions, metadata={"third": "2"}) == ["2", "5"]
    assert await ids(completions, "desc", model="m0", metadata={"third": "0", "all": "yes"}) == ["0"]
    assert await ids(completions, model="m2") == await ids(completions, metadata={"all": "no"}) == []
    place = await completions.all("t").position("1")
    assert await ids(completions, after=place, metadata={"third": "1"}) == ["4"]


async def test_a_filter_reads_past_what_it_does_not_want(
    completions: Completions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "_SCANNED", 3)
    for number in range(20):
        await keep(completions, str(number), **({"rare": "yes"} if number in (0, 7, 8, 19) else {}))
    assert await ids(completions, metadata={"rare": "yes"}) == ["0", "7", "8", "19"]
    assert await ids(completions, "desc", metadata={"rare": "yes"}) == ["19", "8", "7", "0"]
    wanted = completions.all("t", metadata={"rare": "yes"})
    assert [each.id for each in await wanted.read("asc", None, None, 2)] == ["0", "7"]


async def test_other_metadata(completions: Completions) -> None:
    await keep(completions, "a", old="1")
    await keep(completions, "b")
    changed = await completions.change("t", "a", {"new": "2"})
    assert changed == await completions.get("t", "a")
    assert changed.metadata == {"new": "2"}
    assert await ids(completions, model="m") == ["a", "b"], "it stays where it was"


async def test_changes_at_the_same_time(completions: Completions) -> None:
    await keep(completions, "a")
    await asyncio.gather(*(completions.change("t", "a", {"n": str(number)}) for number in range(10)))
    assert (await completions.get("t", "a")).metadata["n"] in map(str, range(10))


async def test_messages_as_they_were_sent(completions: Completions) -> None:
    sent = [said(str(number)) | {"odd": [number, None, 1.5]} for number in range(5)]
    await keep(completions, "a", *sent)
    messages = await completions.messages("t", "a")
    everything = await messages.read("asc", None, None, 100)
    assert [(each.id, each.fields) for each in everything] == [(f"a-{n}", sent[n]) for n in range(5)]


async def test_pages_of_messages(completions: Completions) -> None:
    await keep(completions, "a", *(said(str(number)) for number in range(5)))
    messages = await completions.messages("t", "a")

    async def read(order: Order, after: str | None, before: str | None, limit: int) -> str:
        behind, until = [await messages.position(id) if id else None for id in (after, before)]
        found = await messages.read(order, behind, until, limit)
        return "".join(each.fields["content"] for each in found)

    assert await read("asc", None, None, 2) == "01"
    assert await read("asc", "a-1", None, 2) == "23"
    assert await read("asc", "a-1", "a-3", 5) == "2"
    assert await read("desc", None, None, 2) == "43"
    assert await read("desc", "a-3", None, 9) == "210"
    assert await read("desc", "a-3", "a-0", 9) == "21"
    assert await read("asc", "a-4", None, 9) == await read("asc", "a-3", "a-1", 9) == ""
    for unknown in ("a-5", "a--1", "a-x", "a-", "b-0", "0", "a-" + "1" * 5000):
        assert await messages.position(unknown) is None, unknown


async def test_big_data_is_stored_beside_and_goes_with_it(completions: Completions, storage: Storage) -> None:
    small = "data:image/png;base64,AAAA"
    shown = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]} for url in (IMAGE, small)]
    await keep(completions, "a", *shown, shown[0])
    kept = await completions.get("t", "a")
    entries = await storage.read("t", "completion/a")
    assert len(b"".join(body for _, body in entries)) < 1000
    assert await images(completions, "a") == [IMAGE, small, IMAGE]

    [mark] = kept.blobs
    key = f"completion/a/{mark.removeprefix('blob:')}"
    assert [chunk async for chunk in storage.get_blob("t", key)]
    await completions.delete("t", "a")
    with pytest.raises(KeyError):
        _ = [chunk async for chunk in storage.get_blob("t", key)]


async def test_a_url_that_looks_like_ours_is_the_clients(completions: Completions) -> None:
    await keep(completions, "b", {"content": [{"image_url": {"url": "blob:https://example.org/1"}}]})
    assert await images(completions, "b") == ["blob:https://example.org/1"]


async def test_nothing_is_left_of_what_was_deleted(completions: Completions, storage: Storage) -> None:
    await keep(completions, "a", said("Hi"))
    messages: SentMessages = await completions.messages("t", "a")
    await completions.delete("t", "a")
    assert await ids(completions) == []
    assert await storage.read("t", "completion/a") == []
    assert await messages.read("asc", None, None, 10) == []
    for gone in (completions.get, completions.delete):
        with pytest.raises(NotFound):
            await gone("t", "a")


async def test_what_was_deleted_is_a_cursor_for_an_hour(
    completions: Completions, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for id in "abc":
        await keep(completions, id)
    await completions.delete("t", "b")
    assert await ids(completions, after=await completions.all("t").position("b")) == ["c"]
    later = now_ms() + 3_600_001
    monkeypatch.setattr(listing, "now_ms", lambda: later)
    await completions.delete("t", "a")
    await listing.sweep_places(storage)
    assert await completions.all("t").position("b") is None
    assert await completions.all("t").position("a") is not None
