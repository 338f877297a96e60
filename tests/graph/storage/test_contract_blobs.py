"""What every backend promises of blobs, whatever holds them."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator

import pytest

from graph.storage import Storage

MEBIBYTE = 1024 * 1024
KEYS = ["a", "A", "a/b", "a%2fb", "../a", "..", ".", ".a", "", "\0", " ", "é", "😀" * 200, "x" * 1000, "x" * 1001, "#1"]


async def content(store: Storage, tenant: str, key: str, start: int = 0, end: int | None = None) -> bytes:
    return b"".join([chunk async for chunk in store.get_blob(tenant, key, start, end)])


async def pieces(count: int, size: int, broken: BaseException | None = None) -> AsyncIterator[bytes]:
    for number in range(count):
        yield bytes([number % 256]) * size
    if broken is not None:
        raise broken


async def test_bytes_come_back(store: Storage) -> None:
    assert await store.put_blob("t", "key", b"hello") == 5
    assert await content(store, "t", "key") == b"hello"
    assert await store.put_blob("t", "key", b"") == 0
    assert await content(store, "t", "key") == b""


async def test_a_stream_comes_back_in_chunks(store: Storage) -> None:
    count, size = 320, 65_536
    assert await store.put_blob("t", "big", pieces(count, size)) == count * size
    expected = hashlib.sha256(b"".join([piece async for piece in pieces(count, size)]))
    found, sizes = hashlib.sha256(), []
    async for chunk in store.get_blob("t", "big"):
        found.update(chunk)
        sizes.append(len(chunk))
    assert found.digest() == expected.digest()
    assert sum(sizes) == 20 * MEBIBYTE
    assert max(sizes) <= MEBIBYTE


async def test_a_stream_may_be_empty_or_of_odd_pieces(store: Storage) -> None:
    async def odd() -> AsyncIterator[bytes]:
        for piece in (b"", b"a", b"", b"bc" * 3_000_000, b"d"):
            yield piece

    assert await store.put_blob("t", "none", pieces(0, 0)) == 0
    assert await content(store, "t", "none") == b""
    assert await store.put_blob("t", "odd", odd()) == 6_000_002
    assert await content(store, "t", "odd") == b"a" + b"bc" * 3_000_000 + b"d"


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (0, None, b"0123456789"),
        (3, None, b"3456789"),
        (0, 3, b"012"),
        (3, 5, b"34"),
        (9, 10, b"9"),
        (8, 99, b"89"),
        *((start, end, b"") for start, end in ((0, 0), (5, 5), (7, 3), (10, None), (10, 11), (99, None))),
    ],
)
async def test_ranges(store: Storage, start: int, end: int | None, expected: bytes) -> None:
    await store.put_blob("t", "key", b"0123456789")
    assert await content(store, "t", "key", start, end) == expected


@pytest.mark.parametrize(("start", "end"), [(-1, None), (0, -1)])
async def test_a_range_counts_from_the_beginning(store: Storage, start: int, end: int | None) -> None:
    await store.put_blob("t", "key", b"0123456789")
    with pytest.raises(ValueError, match="negative"):
        await content(store, "t", "key", start, end)


async def test_what_is_missing_says_so_at_the_first_read(store: Storage) -> None:
    for start, end in ((0, None), (3, 5), (5, 5)):
        chunks = store.get_blob("t", "missing", start, end)
        with pytest.raises(KeyError, match="missing"):
            await anext(chunks)


async def test_deleting(store: Storage) -> None:
    await store.put_blob("t", "key", b"1")
    await store.delete_blob("t", "key")
    await store.delete_blob("t", "key")
    with pytest.raises(KeyError):
        await content(store, "t", "key")


@pytest.mark.parametrize("count", [10, 200], ids=["small", "in parts"])
async def test_a_put_that_breaks_off_leaves_what_was_there(store: Storage, count: int) -> None:
    await store.put_blob("t", "old", b"old")
    for key in ("old", "new"):
        with pytest.raises(RuntimeError, match="gone"):
            await store.put_blob("t", key, pieces(count, 65_536, RuntimeError("the client is gone")))
    assert await content(store, "t", "old") == b"old"
    with pytest.raises(KeyError):
        await content(store, "t", "new")


async def test_a_cancelled_put_leaves_what_was_there(store: Storage) -> None:
    sent = asyncio.Event()

    async def stuck() -> AsyncIterator[bytes]:
        async for piece in pieces(200, 65_536):
            yield piece
        sent.set()
        await asyncio.Event().wait()

    await store.put_blob("t", "key", b"old")
    put = asyncio.create_task(store.put_blob("t", "key", stuck()))
    await sent.wait()
    put.cancel()
    with pytest.raises(asyncio.CancelledError):
        await put
    assert await content(store, "t", "key") == b"old"


async def test_nothing_is_replaced_before_all_of_it_is_there(store: Storage) -> None:
    async def looking() -> AsyncIterator[bytes]:
        async for piece in pieces(160, 65_536):
            yield piece
        assert await content(store, "t", "key") == b"old"

    await store.put_blob("t", "key", b"old")
    await store.put_blob("t", "key", looking())
    assert len(await content(store, "t", "key")) == 10 * MEBIBYTE


async def test_any_text_is_a_key_and_no_two_are_one(store: Storage) -> None:
    for tenant in ("t", "T", "../t", ""):
        for key in KEYS:
            await store.put_blob(tenant, key, f"{tenant}|{key}".encode())
    for tenant in ("t", "T", "../t", ""):
        for key in KEYS:
            assert await content(store, tenant, key) == f"{tenant}|{key}".encode()
