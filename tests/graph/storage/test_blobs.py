"""Where blobs can live: folders on disk, and a cloud."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from graph.storage import StorageError, StorageUnavailable
from graph.storage.blobs import Blobs

ROOT = Path(__file__).parents[3]

MEASURE = """
import asyncio, resource, sys
from graph.storage.blobs import Blobs
async def zeros():
    for _ in range(96 * 16):
        yield bytes(65_536)
async def main():
    blobs = Blobs(sys.argv[1])
    await blobs.put("t", "warm", b"up")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert await blobs.put("t", "big", zeros()) == 96 * 1024 * 1024
    assert sum([len(chunk) async for chunk in blobs.get("t", "big")]) == 96 * 1024 * 1024
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
asyncio.run(main())
"""


async def content(blobs: Blobs, tenant: str, key: str, start: int = 0, end: int | None = None) -> bytes:
    return b"".join([chunk async for chunk in blobs.get(tenant, key, start, end)])


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("form", ["{}", "file://{}"])
async def test_a_folder_by_path_or_url(tmp_path: Path, form: str) -> None:
    folder = tmp_path / "a folder" / "blobs"
    blobs = Blobs(form.format(folder))
    assert not folder.exists()
    await blobs.put("tenant", "key", b"1")
    assert (folder / "tenant" / "key").read_bytes() == b"1"


async def test_a_relative_folder_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blobs = Blobs("./blobs")
    await blobs.put("t", "key", b"1")
    monkeypatch.chdir("/")
    assert await content(blobs, "t", "key") == b"1"
    assert (tmp_path / "blobs" / "t" / "key").exists()


async def test_no_key_leaves_the_folder_of_its_tenant(tmp_path: Path) -> None:
    folder = tmp_path / "blobs"
    blobs = Blobs(str(folder))
    tenants, keys = ("t", "../t", "..", "", "T"), ("../../x", "/etc/passwd", "..", "", "\0", "a\\b", "Ä" * 300, "C:")
    for tenant in tenants:
        for key in keys:
            await blobs.put(tenant, key, b"1")
    files = [path.relative_to(folder) for path in files_below(tmp_path)]
    assert len(files) == len(tenants) * len(keys)
    assert all(len(file.parts) == 2 for file in files)
    assert len({str(file).casefold() for file in files}) == len(files)
    assert all(len(part) < 200 for file in files for part in file.parts)


async def test_a_put_that_breaks_off_leaves_no_file(tmp_path: Path) -> None:
    async def broken() -> AsyncIterator[bytes]:
        for _ in range(200):
            yield bytes(65_536)
        raise RuntimeError("gone")

    blobs = Blobs(str(tmp_path))
    await blobs.put("t", "kept", b"1")
    with pytest.raises(RuntimeError, match="gone"):
        await blobs.put("t", "key", broken())
    await blobs.put("t", "later", b"1")
    with pytest.raises(KeyError):
        await content(blobs, "t", "key")


def test_memory_is_bounded(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path)], cwd=ROOT, check=True, timeout=100, capture_output=True
    )
    kilobytes = int(result.stdout)
    assert kilobytes < 48 * 1024


async def test_a_folder_that_can_not_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="BLOB_URL"):
        await Blobs(str(tmp_path / "file" / "blobs")).put("t", "key", b"1")


@pytest.mark.parametrize("url", ["", "file://", "file://relative"])
async def test_a_url_that_names_no_folder(url: str) -> None:
    with pytest.raises(StorageError, match="names no folder"):
        await Blobs(url).put("t", "key", b"1")


@pytest.mark.parametrize("url", ["s3://", "gs://", "az://"])
async def test_a_cloud_without_a_bucket_is_refused_at_the_opening(url: str) -> None:
    with pytest.raises(StorageError, match="BLOB_URL"):
        await Blobs(url).open()


class Bucket:
    """As much of S3 as a blob store asks for, on loopback."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.parts: dict[int, bytes] = {}

    async def answer(self, request: web.Request) -> web.Response:
        handler = {"PUT": self._put, "POST": self._post, "GET": self._get, "HEAD": self._get}[request.method]
        return await handler(request, request.path)

    async def _put(self, request: web.Request, path: str) -> web.Response:
        if "partNumber" in request.query:
            self.parts[int(request.query["partNumber"])] = await request.read()
        else:
            self.objects[path] = await request.read()
        return web.Response(headers={"ETag": '"e"'})

    async def _post(self, request: web.Request, path: str) -> web.Response:
        body = await request.text()
        if "uploads" in request.query:
            text = "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
        elif "delete" in request.query:
            (key,) = re.findall("<Key>(.*?)</Key>", body)
            self.objects.pop(f"/bucket/{key}", None)
            text = f"<DeleteResult><Deleted><Key>{key}</Key></Deleted></DeleteResult>"
        else:
            self.objects[path] = b"".join(part for _, part in sorted(self.parts.items()))
            text = '<CompleteMultipartUploadResult><ETag>"e"</ETag></CompleteMultipartUploadResult>'
        return web.Response(text=text, content_type="application/xml")

    async def _get(self, request: web.Request, path: str) -> web.Response:
        if path not in self.objects:
            return web.Response(status=404)
        body, headers = self.objects[path], {"ETag": '"e"', "Last-Modified": "Wed, 01 Jul 2026 00:00:00 GMT"}
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers.get("Range", ""))
        if wanted is None:
            return web.Response(body=body, headers=headers)
        start, last = int(wanted[1]), min(int(wanted[2]), len(body) - 1)
        headers["Content-Range"] = f"bytes {start}-{last}/{len(body)}"
        return web.Response(status=206, body=body[start : last + 1], headers=headers)


@pytest.fixture
async def bucket(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bucket]:
    bucket = Bucket()
    application = web.Application(client_max_size=100_000_000)
    application.router.add_route("*", "/{path:.*}", bucket.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{runner.addresses[0][1]}")
    for name, value in {"ACCESS_KEY_ID": "id", "SECRET_ACCESS_KEY": "secret", "REGION": "us-east-1"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    try:
        yield bucket
    finally:
        await runner.cleanup()


async def test_a_bucket(bucket: Bucket) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for number in range(200):
            yield bytes([number]) * 65_536

    blobs = Blobs("s3://bucket/some/prefix")
    await blobs.open()
    assert await blobs.put("t", "../key", b"0123456789") == 10
    assert await content(blobs, "t", "../key") == b"0123456789"
    assert await content(blobs, "t", "../key", 2, 99) == b"23456789"
    assert await blobs.put("t", "big", pieces()) == 200 * 65_536
    assert len(bucket.parts) == 3
    assert await content(blobs, "t", "big") == b"".join([piece async for piece in pieces()])
    assert sorted(bucket.objects) == ["/bucket/some/prefix/t/%2e.%2fkey", "/bucket/some/prefix/t/big"]
    await blobs.delete("t", "big")
    with pytest.raises(KeyError):
        await content(blobs, "t", "big")


async def test_a_bucket_that_is_away(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refused(request: web.Request, path: str) -> web.Response:
        return web.Response(status=503)

    monkeypatch.setattr(bucket, "_get", refused)
    with pytest.raises(StorageUnavailable, match="503"):
        await content(Blobs("s3://bucket"), "t", "key")
