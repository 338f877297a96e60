"""Reading into stores: what is left of it when things go wrong, when clients change their mind, and when time is over."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from graph.errors import InvalidRequest, NotFound
from graph.events import now_ms
from graph.storage import open_storage
from graph.storage.port import Conflict
from graph.vector_stores.documents import BATCH, CHUNK, FILE, REMAINS, put_store
from graph.vector_stores.stores import Attachment, new_store
from graph.vector_stores.values import DAY_MS, Chunk, Chunking
from tests.graph.vector_stores.house import TENANT, House, house

LONG = " ".join(f"Sentence number {number} is about whales." for number in range(400))


async def chunk_count(of: House) -> int:
    return len(await of.storage.query(TENANT, CHUNK, limit=100_000))


async def test_files_are_read_in_the_background_as_they_come() -> None:
    async with house() as h:
        h.start()
        store = await h.store(("a.txt", "one"), ("b.txt", "two"))
        assert (await h.settled(store)).counts.completed == 2
        await h.attach(store, await h.file("three"))
        assert (await h.settled(store)).counts.completed == 3


async def test_a_file_whose_bytes_are_gone_fails_alone() -> None:
    async with house() as h:
        store = await h.store(("a.txt", "one"), ("b.txt", "two"))
        [first, _] = await h.all(store)
        await h.files.delete(TENANT, first.file_id)
        await h.drain()
        [failed, done] = await h.all(store)
        assert (failed.status, done.status) == ("failed", "completed")
        assert failed.error is not None
        assert "No file found" in failed.error.message


async def test_a_dead_reader_s_work_is_done_again_and_nothing_is_doubled() -> None:
    async with house() as h:
        store = await h.store(("a.txt", LONG), chunking=Chunking(100, 50))
        [file] = await h.all(store)
        claim = await h.stores.claim(TENANT, file.key, "dead", h.lease.is_alive)
        assert claim is not None
        await claim.add([Chunk(number, 0, 4, "half") for number in range(5)], [None] * 5)
        assert await chunk_count(h) == 5
        await h.drain()
        [done] = await h.all(store)
        assert (done.status, done.attempts) == ("completed", 0)
        texts = await h.chunks(done)
        assert len(texts) == len(set(texts)) == await chunk_count(h) > 20
        assert "half" not in texts
        with pytest.raises(Conflict):  # the dead one was only slow
            await claim.add([Chunk(9, 0, 4, "late")], [None])


async def test_a_file_that_kills_its_readers_is_given_up() -> None:
    async with house() as h:
        store = await h.store(("a.txt", "one"))
        for number in range(3):
            [file] = await h.all(store)
            assert await h.stores.claim(TENANT, file.key, f"dead {number}", h.lease.is_alive) is not None
        await h.drain()
        [failed] = await h.all(store)
        assert failed.error is not None
        assert (failed.status, failed.error.code) == ("failed", "invalid_file")
        assert (await h.stores.get(TENANT, store.id)).counts.failed == 1


async def test_what_another_living_process_reads_is_left_to_it() -> None:
    async with house() as h:
        store = await h.store(("a.txt", "one"))
        [file] = await h.all(store)
        other = House(h.storage)
        await other.lease.acquire()
        assert await other.stores.claim(TENANT, file.key, other.lease.owner, other.lease.is_alive) is not None
        await h.drain()
        assert (await h.all(store))[0].status == "in_progress"
        await other.close()
        await h.drain()
        assert (await h.all(store))[0].status == "completed"


async def test_stopping_gives_back_what_is_half_read(kept: str) -> None:
    async with house(kept) as h:
        store = await h.store(*((f"{number}.txt", LONG) for number in range(20)))
        h.start()
        await asyncio.sleep(0)
        await h.knowledge.stop()
        assert all(file.owner is None and file.attempts == 0 for file in await h.all(store))
    async with house(kept) as h:
        await h.drain()
        counts = (await h.stores.get(TENANT, store.id)).counts
        assert (counts.completed, counts.in_progress) == (20, 0)


async def test_cancelling_a_batch_keeps_what_was_read() -> None:
    async with house() as h:
        store = await h.stores.create(TENANT, new_store())
        files = [await h.file(f"number {number}") for number in range(150)]
        batch = await h.stores.attach_batch(TENANT, store.id, [Attachment(file) for file in files[:1]])
        await h.drain()
        assert (await h.stores.batch(TENANT, store.id, batch.id)).status == "completed"
        batch = await h.stores.attach_batch(TENANT, store.id, [Attachment(file) for file in files])
        claim = await h.stores.claim(TENANT, f"{store.id}/{files[5].id}", h.lease.owner, h.lease.is_alive)
        cancelled = await h.stores.cancel_batch(TENANT, store.id, batch.id)
        assert (cancelled.status, cancelled.counts.cancelled) == ("cancelled", 150)
        assert claim is not None
        with pytest.raises(Conflict):
            await claim.add([Chunk(0, 0, 1, "x")], [None])
        await h.drain()
        counts = (await h.stores.get(TENANT, store.id)).counts
        assert (counts.cancelled, counts.total) == (150, 150)
        with pytest.raises(InvalidRequest, match="cancelled"):
            await h.stores.cancel_batch(TENANT, store.id, batch.id)
        await h.stores.forget()
        assert await chunk_count(h) == 0


async def test_a_file_in_two_batches_is_counted_once() -> None:
    async with house() as h:
        store = await h.stores.create(TENANT, new_store())
        files = [Attachment(await h.file(f"number {number}")) for number in range(3)]
        first = await h.stores.attach_batch(TENANT, store.id, [*files[:2], files[0]])
        second = await h.stores.attach_batch(TENANT, store.id, files[1:])
        await h.drain()
        first, second = [await h.stores.batch(TENANT, store.id, each.id) for each in (first, second)]
        assert (first.status, first.counts.completed, first.counts.cancelled) == ("completed", 1, 1)
        assert (second.status, second.counts.completed) == ("completed", 2)
        assert (await h.stores.get(TENANT, store.id)).counts.total == 3


async def test_taking_a_file_out_while_it_is_read() -> None:
    async with house() as h:
        store = await h.store(("a.txt", "one"))
        [file] = await h.all(store)
        claim = await h.stores.claim(TENANT, file.key, h.lease.owner, h.lease.is_alive)
        await h.stores.detach(TENANT, store.id, file.file_id)
        assert claim is not None
        with pytest.raises(NotFound):
            await h.stores.file(TENANT, store.id, file.file_id)
        with pytest.raises(Conflict):
            await claim.add([Chunk(0, 0, 1, "x")], [None])
        await h.drain()
        assert (await h.stores.get(TENANT, store.id)).counts.total == 0


async def test_deleting_a_store_leaves_nothing(tmp_path: Path) -> None:
    async with house(f"sqlite:///{tmp_path}/a.db", index_folder=tmp_path / "index") as h:
        store = await h.read(("a.txt", LONG), ("b.txt", "two"), chunking=Chunking(100, 0))
        await h.stores.attach_batch(TENANT, store.id, [Attachment(await h.file("three"))])
        assert await h.search(store, "whales")
        assert list((tmp_path / "index").rglob("*.db"))
        await h.stores.delete(TENANT, store.id)
        for kind in (FILE, CHUNK, BATCH, REMAINS):
            assert await h.storage.query(TENANT, kind) == [], kind
        assert not list((tmp_path / "index").rglob("*.db"))
        with pytest.raises(NotFound):
            await h.search(store, "whales")


async def test_what_a_dead_process_left_half_deleted_is_swept() -> None:
    async with house() as h:
        store = await h.read(("a.txt", LONG))
        document = await h.storage.get(TENANT, "vector_store", store.id)
        assert document is not None
        from graph.storage.port import Delete, Put

        await h.storage.commit(TENANT, Delete("vector_store", store.id), Put(REMAINS, store.id, b"", due=now_ms()))
        await h.stores.forget()
        assert await chunk_count(h) == 0
        assert await h.storage.query(TENANT, FILE) == []


async def test_an_unused_store_expires_and_a_used_one_does_not() -> None:
    async with house() as h:
        store = await h.read(("a.txt", "whales"))
        await h.stores.modify(TENANT, store.id, {"expires_days": 1, "last_active_at": now_ms() - DAY_MS + 60_000})
        used = await h.search(store, "whales")
        assert len(used) == 1
        touched = await h.stores.get(TENANT, store.id)
        assert now_ms() - touched.last_active_at < 60_000
        await h.stores.forget()
        assert (await h.stores.get(TENANT, store.id)).status == "completed"
        await h.stores.modify(TENANT, store.id, {"last_active_at": now_ms() - DAY_MS})
        for _ in range(2):
            with pytest.raises(InvalidRequest, match="has expired"):
                await h.search(store, "whales")
            with pytest.raises(InvalidRequest, match="has expired"):
                await h.stores.attach(TENANT, store.id, [Attachment(await h.file("x"))])
            await h.stores.forget()
        expired = await h.stores.get(TENANT, store.id)
        assert (expired.status, expired.counts.total, await chunk_count(h)) == ("expired", 0, 0)


async def test_attributes_can_change_while_a_file_is_read() -> None:
    async with house() as h:
        store = await h.store(("a.txt", "whales"))
        [file] = await h.all(store)
        assert await h.stores.claim(TENANT, file.key, h.lease.owner, h.lease.is_alive) is not None
        await h.stores.set_attributes(TENANT, store.id, file.file_id, {"a": 1})
        await h.drain()
        [done] = await h.all(store)
        assert (done.status, done.attributes) == ("completed", {"a": 1})


async def test_the_index_follows_and_is_made_again(tmp_path: Path) -> None:
    url, folder = f"sqlite:///{tmp_path}/a.db", tmp_path / "index"
    async with house(url, index_folder=folder) as h:
        store = await h.read(("a.txt", "The whale sings."), ("b.txt", "The whale sleeps."))
        assert len(await h.search(store, "whale")) == 2
        await h.attach(store, await h.file("A whale dives."))
        await h.drain()
        assert len(await h.search(store, "whale")) == 3
        [first, *_] = await h.all(store)
        await h.stores.detach(TENANT, store.id, first.file_id)
        assert len(await h.search(store, "whale")) == 2
    async with house(url, index_folder=folder) as h:
        assert len(await h.search(store, "whale")) == 2
    [path] = folder.rglob("*.db")
    path.write_bytes(b"no database at all")
    async with house(url, index_folder=folder) as h:
        assert len(await h.search(store, "whale")) == 2
    async with house(url) as h:
        assert len(await h.search(store, "whale")) == 2


async def test_many_stores_are_open_one_after_the_other() -> None:
    async with house() as h:
        stores = [await h.store((f"{number}.txt", f"Whale number {number}.")) for number in range(40)]
        await h.drain()
        for _ in range(2):
            found = await asyncio.gather(*(h.search(store, "whale") for store in stores))
            assert [len(each) for each in found] == [1] * 40


async def test_words_without_spaces_and_inflected_ones() -> None:
    async with house() as h:
        store = await h.read(
            ("a.txt", "東京都の天気は晴れです。"), ("b.txt", "Die Häuser der Stadt."), ("c.txt", "大阪の天気")
        )
        assert [each.filename for each in await h.search(store, "東京")] == ["a.txt"]
        assert {each.filename for each in await h.search(store, "天気")} == {"a.txt", "c.txt"}
        assert [each.filename for each in await h.search(store, "Haus Häusern")] == ["b.txt"]


async def test_changing_a_store_at_once_loses_nothing(kept: str) -> None:
    async with house(kept) as h:
        h.start()
        store = await h.stores.create(TENANT, new_store())
        files = [await h.file(f"number {number}") for number in range(30)]
        await asyncio.gather(*(h.attach(store, file) for file in files))
        assert (await h.settled(store)).counts == replace((await h.stores.get(TENANT, store.id)).counts, completed=30)


async def test_an_expiry_is_swept_by_its_time() -> None:
    storage = open_storage("memory://")
    await storage.open()
    store = replace(new_store(), expires_days=1, last_active_at=now_ms() - 2 * DAY_MS)
    await storage.commit(TENANT, put_store(store, 0))
    assert await storage.due("vector_store", now_ms()) == [(TENANT, store.id)]
    await storage.close()
