"""Files and uploads over each store: kept, joined, and gone when their time is over."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from graph import files as files_of_ours
from graph import incoming as incoming_of_ours
from graph import uploads as uploads_of_ours
from graph.errors import InvalidRequest, NotFound
from graph.events import now_ms
from graph.files import File, Files
from graph.ids import new_id
from graph.incoming import Incoming, sweep_strays
from graph.storage import Storage, StorageUnavailable, open_storage
from graph.storage.blobs import ABANDONED
from graph.storage.port import Write
from graph.uploads import LIFETIME_MS, Part, Upload, Uploads
from tests import backends

DAY_MS = 24 * 3_600_000
Clock = Callable[[int], None]


@pytest.fixture(params=backends.EVERY)
async def storage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Storage]:
    with backends.empty(request.param, tmp_path) as url:
        storage = open_storage(url, str(tmp_path / "blobs"))
        await storage.open()
        yield storage
        await storage.close()


@pytest.fixture
def files(storage: Storage) -> Files:
    return Files(storage)


@pytest.fixture
def uploads(storage: Storage, files: Files) -> Uploads:
    return Uploads(storage, files)


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """So many milliseconds pass."""

    def pass_by(ms: int) -> None:
        at = now_ms() + ms
        for module in (files_of_ours, uploads_of_ours, incoming_of_ours):
            monkeypatch.setattr(module, "now_ms", lambda: at)

    return pass_by


async def chunks(*data: bytes) -> AsyncIterator[bytes]:
    for each in data:
        yield each


def blobs(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]


async def kept(files: Files, *data: bytes, keep_ms: int | None = None) -> File:
    async with files.incoming("t") as content:
        await content.take(chunks(*data))
        now = now_ms()
        file = File(new_id(), "a", "vision", content.size, content.blob, now, now + keep_ms if keep_ms else None)
        return await files.keep(content, file)


async def text(files: Files, file: File) -> bytes:
    return b"".join([chunk async for chunk in await files.content("t", file)])


async def opened(uploads: Uploads, size: int, keep_ms: int | None = None) -> str:
    upload = Upload(new_id(), "a", "vision", size, now_ms(), keep_ms)
    await uploads.create("t", upload)
    return upload.id


async def added(uploads: Uploads, upload_id: str, data: bytes) -> str:
    async with uploads.incoming("t") as content:
        await content.take(chunks(data))
        return (await uploads.add(content, Part(new_id(), upload_id, content.size, content.blob, now_ms()))).id


async def test_a_file_is_what_was_kept(files: Files) -> None:
    file = await kept(files, b"ab", b"c")
    assert await files.get("t", file.id) == file
    assert (file.size, await text(files, file)) == (3, b"abc")
    assert await files.known("t", [f"file-{file.id}", "file-x", file.id, "file-"]) == {f"file-{file.id}"}
    assert await files.known("other", [f"file-{file.id}"]) == set()


async def test_nothing_is_left_of_what_was_not_kept(files: Files, storage: Storage, tmp_path: Path) -> None:
    async with files.incoming("t") as content:
        await content.take(chunks(b"abc"))


async def test_nothing_is_left_of_what_broke_off(files: Files, storage: Storage, tmp_path: Path) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"x" * 6_000_000
        raise ConnectionError

    async with files.incoming("t") as content:
        with pytest.raises(ConnectionError):
            await content.take(broken())
    assert blobs(tmp_path) == []
    assert await storage.due("stray", 2**62) == []


async def test_what_a_dead_process_left_is_swept(files: Files, storage: Storage, tmp_path: Path, later: Clock) -> None:
    left = Incoming(storage, "t", new_id())
    unfinished = Incoming(storage, "t", new_id())
    for each in (left, unfinished):
        async with files.incoming("t") as content:
            content.blob = each.blob
            await content.take(chunks(b"abc"))
            content.settled = True
    for stray, _ in zip(blobs(tmp_path)[:1], (unfinished,), strict=True):
        staged = stray.rename(f"{stray}#1")
        os.utime(staged, (0, staged.stat().st_mtime - ABANDONED - 1))
    for each in (left, unfinished):
        await storage.commit("t", incoming_of_ours.stray(each.blob))
    stands = await kept(files, b"stands")
    later(DAY_MS + 1)
    await sweep_strays(storage)
    assert len(blobs(tmp_path)) == 1
    assert await text(files, stands) == b"stands"
    assert await storage.due("stray", 2**62) == []


async def test_what_may_have_been_kept_is_not_thrown_away(
    files: Files, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = storage.commit

    async def cut(tenant: str, *writes: Write) -> None:
        await commit(tenant, *writes)
        if len(writes) > 1:
            raise StorageUnavailable("the connection was cut")

    monkeypatch.setattr(storage, "commit", cut)
    with pytest.raises(StorageUnavailable):
        await kept(files, b"abc")
    [file] = await files.all("t").read("asc", None, None, 10)
    assert await text(files, file) == b"abc"


async def test_a_file_whose_time_is_over(files: Files, storage: Storage, tmp_path: Path, later: Clock) -> None:
    file, stays = await kept(files, b"abc", keep_ms=3_600_000), await kept(files, b"stays")
    later(3_600_001)
    with pytest.raises(NotFound):
        await files.get("t", file.id)
    assert await files.all("t").read("asc", None, None, 10) == [stays]
    assert await files.known("t", [f"file-{file.id}"]) == set()
    assert len(blobs(tmp_path)) == 2
    await files.forget_expired()
    assert len(blobs(tmp_path)) == 1
    assert await storage.get("t", "file", file.id) is None


async def test_a_file_that_has_lost_its_bytes(files: Files, tmp_path: Path) -> None:
    file = await kept(files, b"abc")
    blobs(tmp_path)[0].unlink()
    with pytest.raises(NotFound, match="content"):
        await files.content("t", file)
    await files.delete("t", file.id)


async def test_parts_are_joined_in_the_order_that_is_asked_for(files: Files, uploads: Uploads, tmp_path: Path) -> None:
    id = await opened(uploads, 6, keep_ms=5_000_000)
    unused, second, first = [await added(uploads, id, data) for data in (b"zz", b"def", b"abc")]
    upload, file = await uploads.complete("t", id, [first, second], hashlib.md5(b"abcdef").hexdigest().upper())
    assert (upload.status, upload.file_id, upload.part_ids) == ("completed", file.id, (first, second))
    assert (await text(files, file), file.expires_at) == (b"abcdef", file.created_at + 5_000_000)
    assert len(blobs(tmp_path)) == 1
    assert await uploads.complete("t", id, [first, second], None) == (upload, file)
    for ids in ([second, first], [unused]):
        with pytest.raises(InvalidRequest, match="is completed"):
            await uploads.complete("t", id, ids, None)
    with pytest.raises(InvalidRequest, match="is completed"):
        await uploads.cancel("t", id)
    with pytest.raises(InvalidRequest, match="is completed"):
        await added(uploads, id, b"late")
    assert len(blobs(tmp_path)) == 1


async def test_completed_by_many_at_once_it_is_one_file(files: Files, uploads: Uploads, tmp_path: Path) -> None:
    id = await opened(uploads, 3)
    part = await added(uploads, id, b"abc")
    ends = await asyncio.gather(*(uploads.complete("t", id, [part], None) for _ in range(4)))
    assert len({file.id for _, file in ends}) == len(blobs(tmp_path)) == 1
    assert len(await files.all("t").read("asc", None, None, 10)) == 1


async def test_what_does_not_fit_leaves_the_upload_pending(files: Files, uploads: Uploads, tmp_path: Path) -> None:
    id, other = await opened(uploads, 3), await opened(uploads, 3)
    part, foreign = await added(uploads, id, b"abc"), await added(uploads, other, b"abc")
    for ids, md5, param in (
        (["x"], None, "part_ids"),
        ([foreign], None, "part_ids"),
        ([part, part], None, "part_ids"),
        ([part], "0" * 32, "md5"),
    ):
        with pytest.raises(InvalidRequest) as refused:
            await uploads.complete("t", id, ids, md5)
        assert refused.value.param == param
    with pytest.raises(NotFound):
        await uploads.complete("other", id, [part], None)
    assert len(blobs(tmp_path)) == 2
    assert (await uploads.complete("t", id, [part], None))[1].size == 3
    assert len(await files.all("t").read("asc", None, None, 10)) == 1


async def test_a_cancelled_upload_has_no_parts(uploads: Uploads, tmp_path: Path) -> None:
    id = await opened(uploads, 3)
    await added(uploads, id, b"abc")
    assert (await uploads.cancel("t", id)).status == "cancelled"
    assert blobs(tmp_path) == []
    with pytest.raises(InvalidRequest, match="is cancelled"):
        await uploads.cancel("t", id)


async def test_a_part_that_is_lost_is_told(uploads: Uploads, tmp_path: Path) -> None:
    id = await opened(uploads, 3)
    part = await added(uploads, id, b"abc")
    blobs(tmp_path)[0].unlink()
    with pytest.raises(InvalidRequest, match="not there"):
        await uploads.complete("t", id, [part], None)


async def test_an_upload_whose_hour_is_over(uploads: Uploads, storage: Storage, tmp_path: Path, later: Clock) -> None:
    id = await opened(uploads, 3)
    part = await added(uploads, id, b"abc")
    later(LIFETIME_MS + 1)
    for swept in (False, True):
        with pytest.raises(InvalidRequest, match="is expired"):
            await uploads.complete("t", id, [part], None)
        with pytest.raises(InvalidRequest, match="is expired"):
            await uploads.cancel("t", id)
        if not swept:
            await uploads.forget_expired()
    assert blobs(tmp_path) == []
    later(LIFETIME_MS + DAY_MS + 2)
    await uploads.forget_expired()
    assert await storage.get("t", "upload", id) is None
    with pytest.raises(NotFound):
        await uploads.cancel("t", id)
