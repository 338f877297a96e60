"""Uploads on the wire."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from servers.app import App, create_app
from servers.resources import uploads
from tests.servers.asgi import Connection, ask
from tests.servers.conftest import Configure
from tests.servers.forms import HEADERS, Part, file, form
from tests.servers.openai_schema import check

ASKED = {"bytes": 6, "filename": "päth/a.txt", "mime_type": "text/plain", "purpose": "assistants"}


@pytest.fixture
async def app(configure: Configure) -> AsyncIterator[App]:
    app = create_app(configure(api_keys="k,acme:a"))
    async with app.lifespan():
        await app.opened()
        yield app


async def at(app: App, method: str, path: str, key: str = "k", **request: Any) -> Connection:
    headers = {"Authorization": f"Bearer {key}", **request.pop("headers", {})}
    return await ask(app, method, f"/v1{path}", headers=headers, **request)


async def opened(app: App, **fields: Any) -> Any:
    answer = await at(app, "POST", "/uploads", json={**ASKED, **fields})
    assert answer.status == 200, answer.body
    check("Upload", answer.json())
    return answer.json()


async def part_of(app: App, upload: str, data: bytes, **headers: str) -> Connection:
    given = {**HEADERS, **{name.replace("_", "-"): value for name, value in headers.items()}}
    path = f"/uploads/{upload}/parts"
    return await at(app, "POST", path, body=form(Part("data", data, "upload")), headers=given)


async def added(app: App, upload: str, data: bytes) -> str:
    answer = await part_of(app, upload, data)
    assert answer.status == 200, answer.body
    check("UploadPart", answer.json())
    assert answer.json()["upload_id"] == upload
    return str(answer.json()["id"])


async def complete(app: App, upload: str, *parts: str, **fields: Any) -> Connection:
    return await at(app, "POST", f"/uploads/{upload}/complete", json={"part_ids": parts, **fields})


async def test_a_file_in_two_parts(app: App) -> None:
    expiry = {"anchor": "created_at", "seconds": 3600}
    made = await opened(app, expires_after=expiry)
    id = made["id"]
    assert made == {
        "id": id,
        "object": "upload",
        "bytes": 6,
        "created_at": made["created_at"],
        "expires_at": made["created_at"] + 3600,
        "filename": "päth/a.txt",
        "purpose": "assistants",
        "status": "pending",
        "file": None,
    }
    second, first = await added(app, id, b"def"), await added(app, id, b"abc")
    answer = await complete(app, id, first, second, md5=hashlib.md5(b"abcdef").hexdigest())
    ended = answer.json()
    check("Upload", ended)
    check("OpenAIFile", ended["file"])
    got = ended["file"]
    assert (ended["status"], got["bytes"], got["filename"]) == ("completed", 6, "päth/a.txt")
    assert got["expires_at"] == got["created_at"] + 3600
    assert (await at(app, "GET", f"/files/{got['id']}/content")).body == b"abcdef"
    assert (await at(app, "GET", f"/files/{got['id']}")).json() == got


async def test_an_upload_that_is_given_up(app: App) -> None:
    id = (await opened(app))["id"]
    part = await added(app, id, b"abc")
    ended = (await at(app, "POST", f"/uploads/{id}/cancel", body=b"{}")).json()
    check("Upload", ended)
    assert (ended["status"], ended["file"]) == ("cancelled", None)
    for answer in (
        await at(app, "POST", f"/uploads/{id}/cancel"),
        await complete(app, id, part),
        await part_of(app, id, b"x"),
    ):
        assert (answer.status, answer.error["message"]) == (400, f"Upload '{id}' is cancelled.")


async def test_uploads_that_can_not_be(app: App) -> None:
    for fields, param in (
        ({"bytes": 0}, "bytes"),
        ({"bytes": 512 * 1024 * 1024 + 1}, "bytes"),
        ({"bytes": "6"}, "bytes"),
        ({"filename": ""}, "filename"),
        ({"purpose": "batch_output"}, "purpose"),
        ({"mime_type": None}, "mime_type"),
        ({"expires_after": {"anchor": "created_at"}}, "expires_after.seconds"),
    ):
        answer = await at(app, "POST", "/uploads", json={**ASKED, **fields})
        assert (answer.status, answer.error["param"]) == (400, param)
    for name in ASKED:
        answer = await at(app, "POST", "/uploads", json={key: value for key, value in ASKED.items() if key != name})
        assert (answer.error["param"], answer.error["code"]) == (name, "missing_required_parameter")


async def test_parts_that_can_not_be(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    id = (await opened(app))["id"]
    path = f"/uploads/{id}/parts"
    for parts in ([file()], [Part("data", "")], [Part("data", "a"), Part("data", "b")]):
        answer = await at(app, "POST", path, body=form(*parts), headers=HEADERS)
        assert (answer.status, answer.error["param"]) == (400, "data")
    monkeypatch.setattr(uploads, "LARGEST_PART", 10)
    assert (await part_of(app, id, b"x" * 11)).status == 413
    assert (await part_of(app, id, b"x" * 10)).status == 200
    for unknown in ("upload_x", "x", "file-x"):
        assert (await part_of(app, unknown, b"x")).status == 404
        assert (await complete(app, unknown, "part_x")).status == 404


async def test_ends_that_can_not_be(app: App) -> None:
    id = (await opened(app))["id"]
    part = await added(app, id, b"abc")
    for parts, fields, param in (
        ([part], {}, "part_ids"),
        ([], {}, "part_ids"),
        (["part_x"], {}, "part_ids"),
        (["x"], {}, "part_ids"),
        ([part, part], {"md5": "0" * 32}, "md5"),
        ([part, part], {"md5": "nonsense"}, "md5"),
    ):
        answer = await complete(app, id, *parts, **fields)
        assert (answer.status, answer.error["param"]) == (400, param)
    assert (await complete(app, id, part, part)).json()["file"]["bytes"] == 6


async def test_tenants_see_their_own(app: App) -> None:
    id = (await opened(app))["id"]
    assert (await at(app, "POST", f"/uploads/{id}/cancel", "a")).status == 404


async def test_a_key_adds_a_part_once(app: App) -> None:
    id = (await opened(app))["id"]
    first, again = [await part_of(app, id, b"abc", idempotency_key="one") for _ in range(2)]
    assert first.json() == again.json()
    assert again.headers["idempotent-replayed"] == "true"
    assert (await part_of(app, id, b"other", idempotency_key="one")).status == 409
    assert (await part_of(app, (await opened(app))["id"], b"abc", idempotency_key="one")).status == 409
