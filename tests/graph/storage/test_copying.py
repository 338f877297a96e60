"""Everything of one store into another, whichever they are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from graph.storage import Append, Delete, Drop, Filed, Put, Storage, StorageUnavailable, Stored, Write, open_storage
from graph.storage.copying import BLOBS, LOGS, Differs, NotEmpty, copy
from graph.storage.memory import MemoryStorage
from tests import backends


async def filled() -> Storage:
    """Two tenants, kinds in each other's way, gaps, strange names, a long log and large bodies."""
    store = MemoryStorage()
    for number in range(250):
        tenant = "tu"[number % 2]
        due = number if number % 3 else None
        label = f"l{number % 4}" if number % 5 else None
        put = Put(f"k{number % 3}", str(number), b"%d" % number, f"p{number % 7}", 0, label, due)
        await store.commit(tenant, put, Append(f"log {number % 5}", (b"%d" % number, b"")))
    await store.commit("t", Delete("k0", "6"), Drop("log 2"), Put("k0", "0", bytes(600_000), "moved"))
    await store.commit("é/", Put("", "a\0\n", b"\xff", "😀", 0, "", due=-1))
    await store.commit("t", Append("long", tuple(b"%d" % number for number in range(1500))))
    for tenant, key in (("t", "file"), ("u", "file"), ("", "x" * 300)):
        await store.put_blob(tenant, key, f"{tenant} {key}".encode() * 1000)
    return store


async def told(store: Storage) -> list[object]:
    """All that a store tells, without the numbers that are its own."""
    found: list[object] = []
    async for each in store.everything():
        if isinstance(each, Filed):
            document = each.document
            found.append(
                (each.tenant, each.kind, document.id, document.parent, document.label, each.due, document.body)
            )
        else:
            found.append((each.tenant, "", each.log, each.position, each.body))
    blobs = [
        (path, b"".join([chunk async for chunk in store.blobs.read(path)])) async for path, _ in store.blobs.paths()
    ]
    by_kind = sorted(found, key=lambda each: (each[0], each[1], each[2] if not each[1] else ""))  # type: ignore[index]
    return [*by_kind, *sorted(blobs)]


@pytest.fixture(params=backends.EVERY)
async def target(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Storage]:
    async with backends.opened(request.param, tmp_path) as store:
        yield store


async def test_everything_arrives_and_goes_back(target: Storage) -> None:
    source, back = await filled(), MemoryStorage()
    sums = await copy(source, target, "source")
    assert await told(target) == await told(source)
    assert {group: sum.count for group, sum in sums.items() if group[1] in (LOGS, BLOBS)} == {
        ("", BLOBS): 1,
        ("t", BLOBS): 1,
        ("t", LOGS): 1500 + 200,
        ("u", BLOBS): 1,
        ("u", LOGS): 250,
    }
    assert await target.due("", 0) == [("é/", "a\0\n")]
    listed = await target.query("t", "k0", label="l2", order="asc")
    assert [each.id for each in listed] == [each.id for each in await source.query("t", "k0", label="l2", order="asc")]
    again = await copy(target, back, "target")
    assert again == sums
    assert await told(back) == await told(source)


async def test_an_empty_store_is_copied(target: Storage) -> None:
    assert await copy(MemoryStorage(), target, "source") == {}
    assert [each async for each in target.everything()] == []


class Breaking(MemoryStorage):
    """Goes away at a commit, before or after it."""

    def __init__(self, lives: int, *, written: bool) -> None:
        super().__init__()
        self.lives, self.written = lives, written

    async def commit(self, tenant: str, *writes: Write) -> None:
        self.lives -= 1
        if self.lives == 0 and not self.written:
            raise StorageUnavailable("away")
        await super().commit(tenant, *writes)
        if self.lives == 0:
            raise StorageUnavailable("away")


@pytest.mark.parametrize("written", [False, True])
async def test_a_copy_that_broke_off_is_gone_on_with(written: bool) -> None:
    source = await filled()
    expected = await told(source)
    sums = await copy(source, MemoryStorage(), "source")
    for lives in range(1, 10_000, 7):
        target = Breaking(lives, written=written)
        try:
            await copy(source, target, "source")
        except StorageUnavailable:
            if target.lives == 0 and await target.get("", "copy", "copy"):
                with pytest.raises(NotEmpty, match="another store"):
                    await copy(MemoryStorage(), target, "another")
            elif lives > 1:  # all was there, and the note taken off
                with pytest.raises(NotEmpty):
                    await copy(source, target, "source")
                continue
            assert await copy(source, target, "source") == sums
        assert await told(target) == expected
        if target.lives > 0:
            break


async def test_a_store_with_something_in_it_is_refused(target: Storage) -> None:
    await target.commit("t", Append("log", (b"1",)))
    with pytest.raises(NotEmpty, match="something in it"):
        await copy(await filled(), target, "source")
    assert await target.get("t", "k0", "0") is None


async def test_blobs_that_are_there_are_not_written_over() -> None:
    target = MemoryStorage()
    await target.put_blob("t", "file", b"mine")
    with pytest.raises(NotEmpty, match="blobs"):
        await copy(await filled(), target, "source")
    assert await anext(target.get_blob("t", "file")) == b"mine"


async def test_blobs_in_the_same_place_are_left_there(tmp_path: Path) -> None:
    source, target = open_storage(f"sqlite:///{tmp_path}/a.db", str(tmp_path)), MemoryStorage(blob_url=f"{tmp_path}/.")
    await source.open()
    await source.put_blob("t", "file", b"mine")
    assert await copy(source, target, "source") == {}
    assert await anext(target.get_blob("t", "file")) == b"mine"
    await source.close()


async def test_what_is_passing_is_left_out() -> None:
    def passing(stored: Stored) -> bool:
        return stored.tenant == "t"

    sums = await copy(await filled(), MemoryStorage(), "source", without=passing)
    assert {tenant for tenant, kind in sums if kind != BLOBS} == {"u", "é/"}


class Forgetful(MemoryStorage):
    async def commit(self, tenant: str, *writes: Write) -> None:
        await super().commit(tenant, *(write for write in writes if getattr(write, "id", "") != "9"))


async def test_a_target_that_differs_is_told() -> None:
    with pytest.raises(Differs, match="k0 of 'u'"):
        await copy(await filled(), Forgetful(), "source")
