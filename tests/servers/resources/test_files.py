"""Files: the real engine, memory for documents, a folder for blobs."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from graph.events import now_ms
from graph.sizes import LARGEST_FILE, MB
from servers.app import App, create_app
from servers.resources import files
from tests.servers.asgi import Connection, ask
from tests.servers.conftest import Configure
from tests.servers.forms import BOUNDARY, END, HEADERS, Part, file, form
from tests.servers.openai_schema import check

ASSISTANTS = Part("purpose", "assistants")
KEYS = {"k": "default", "a": "acme"}


@pytest.fixture
async def app(configure: Configure) -> AsyncIterator[App]:
    app = create_app(configure(api_keys="k,acme:a", blob_url="blobs"))
    async with app.lifespan():
        await app.opened()
        yield app


async def at(app: App, method: str, path: str = "", key: str = "k", **request: Any) -> Connection:
    headers = {"Authorization": f"Bearer {key}", **request.pop("headers", {})}
    return await ask(app, method, f"/v1/files{path}", headers=headers, **request)


async def send(app: App, *parts: Part, key: str = "k", **headers: str) -> Connection:
    given = {**HEADERS, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return await at(app, "POST", key=key, body=form(*parts), headers=given)


async def uploaded(app: App, data: bytes | str = "Hello.", filename: str = "hello.txt", **request: Any) -> Any:
    answer = await send(app, ASSISTANTS, file(data, filename), **request)
    assert answer.status == 200, answer.body
    return answer.json()


async def listed(app: App, query: str = "", key: str = "k") -> Any:
    answer = await at(app, "GET", query, key)
    assert answer.status == 200, answer.body
    check("ListFilesResponse", answer.json())
    return answer.json()


def blobs() -> list[str]:
    """What lies in the folder for blobs."""
    return sorted(str(path) for path in Path("blobs").rglob("*") if path.is_file())


async def refused(app: App, *parts: Part) -> dict[str, Any]:
    answer = await send(app, *parts)
    assert answer.status == 400, answer.body
    assert (await listed(app))["data"] == []
    assert blobs() == []
    return answer.error


@pytest.mark.parametrize("parts", [[ASSISTANTS, file()], [file(), ASSISTANTS]])
async def test_a_file_from_its_upload_to_its_end(app: App, parts: list[Part]) -> None:
    before = now_ms() // 1000
    made = (await send(app, *parts)).json()
    check("OpenAIFile", made)
    assert before <= made.pop("created_at") <= now_ms() // 1000
    id = made["id"]
    assert made == {
        "id": id,
        "object": "file",
        "bytes": 6,
        "filename": "hello.txt",
        "purpose": "assistants",
        "status": "processed",
    }
    assert id.startswith("file-")
    got = (await at(app, "GET", f"/{id}")).json()
    assert got.pop("created_at")
    assert got == made
    content = await at(app, "GET", f"/{id}/content")
    assert (content.status, content.body) == (200, b"Hello.")
    gone = (await at(app, "DELETE", f"/{id}")).json()
    check("DeleteFileResponse", gone)
    assert gone == {"id": id, "object": "file", "deleted": True}
    for method, path in (("GET", ""), ("GET", "/content"), ("DELETE", "")):
        answer = await at(app, method, f"/{id}{path}")
        assert (answer.status, answer.error["message"]) == (404, f"No file found with id '{id}'.")
    assert blobs() == []


PURPOSES_OF_CLIENTS = ["assistants", "batch", "fine-tune", "vision", "user_data", "evals"]


async def test_purposes_of_clients(app: App) -> None:
    for purpose in PURPOSES_OF_CLIENTS:
        answer = await send(app, Part("purpose", purpose), file())
        assert answer.json()["purpose"] == purpose
        kept = answer.json().get("expires_at")
        assert kept == (answer.json()["created_at"] + 30 * 86400 if purpose == "batch" else None)


PURPOSES_THAT_NO_CLIENT_GIVES = ["assistants_output", "batch_output", "fine-tune-results", "", "x" * 500]


async def test_purposes_that_no_client_gives(app: App) -> None:
    for purpose in PURPOSES_THAT_NO_CLIENT_GIVES:
        error = await refused(app, file(), Part("purpose", purpose))
        assert (error["param"], error["code"]) == ("purpose", "invalid_value")


async def test_what_a_form_may_lack(app: App) -> None:
    error = await refused(app, file())
    assert (error["param"], error["code"]) == ("purpose", "missing_required_parameter")
    error = await refused(app, ASSISTANTS)
    assert (error["param"], error["code"]) == ("file", "missing_required_parameter")
    error = await refused(app)
    assert error["param"] == "file" or error["code"] == "invalid_form"


A_FILE_WITHOUT_A_NAME = [None, ""]


async def test_a_file_without_a_name(app: App) -> None:
    for name in A_FILE_WITHOUT_A_NAME:
        assert (await refused(app, ASSISTANTS, file(filename=name)))["param"] == "file"


async def test_an_empty_file(app: App) -> None:
    error = await refused(app, ASSISTANTS, file(""))
    assert (error["message"], error["param"]) == ("File is empty.", "file")


async def test_two_files(app: App) -> None:
    error = await refused(app, ASSISTANTS, file(), file())
    assert (error["param"], error["code"]) == ("file", "invalid_value")


async def test_an_expiry(app: App) -> None:
    expiry = Part("expires_after[anchor]", "created_at"), Part("expires_after[seconds]", "3600")
    made = (await send(app, ASSISTANTS, file(), *expiry)).json()
    check("OpenAIFile", made)
    assert made["expires_at"] == made["created_at"] + 3600


AN_EXPIRY_THAT_CAN_NOT_BE = [
    ({"expires_after[anchor]": "created_at"}, "expires_after.seconds"),
    ({"expires_after[seconds]": "3600"}, "expires_after.anchor"),
    ({"expires_after[anchor]": "last_active_at", "expires_after[seconds]": "3600"}, "expires_after.anchor"),
    ({"expires_after[anchor]": "created_at", "expires_after[seconds]": "3599"}, "expires_after.seconds"),
    ({"expires_after[anchor]": "created_at", "expires_after[seconds]": "2592001"}, "expires_after.seconds"),
    ({"expires_after[anchor]": "created_at", "expires_after[seconds]": "soon"}, "expires_after.seconds"),
    ({"expires_after[anchor]": "created_at", "expires_after[seconds]": "9" * 400}, "expires_after.seconds"),
    ({"expires_after": "3600"}, "expires_after"),
]


async def test_an_expiry_that_can_not_be(app: App) -> None:
    for fields, param in AN_EXPIRY_THAT_CAN_NOT_BE:
        error = await refused(app, ASSISTANTS, file(), *(Part(name, value) for name, value in fields.items()))
        assert error["param"] == param


async def test_what_nobody_knows_is_ignored(app: App) -> None:
    assert (await send(app, Part("colour", "red"), ASSISTANTS, file())).status == 200


A_NAME_IS_KEPT_AND_IS_NO_PATH = [
    "../../etc/passwd",
    "C:\\Users\\me\\a.txt",
    "/abs/päth/日本語 💡.txt",
    "100%.txt",
    ".",
    "..",
    "a;b=c.txt",
    "x\ty",
]


async def test_a_name_is_kept_and_is_no_path(app: App) -> None:
    for filename in A_NAME_IS_KEPT_AND_IS_NO_PATH:
        made = await uploaded(app, filename=filename)
        assert made["filename"] == filename
        assert all(re.fullmatch(r"blobs/default/file[^/]+", path) for path in blobs())
        content = await at(app, "GET", f"/{made['id']}/content")
        told = content.headers["content-disposition"]
        assert told.startswith('attachment; filename="')
        assert told.isascii()
        assert told.isprintable()


async def test_names_that_need_an_escape(app: App) -> None:
    made = await uploaded(app, filename="say %22hi%22%0D%0AX-Evil: 1.txt")
    assert made["filename"] == 'say "hi"\r\nX-Evil: 1.txt'
    content = await at(app, "GET", f"/{made['id']}/content")
    assert "x-evil" not in content.headers
    assert content.headers["content-disposition"] == (
        "attachment; filename=\"say _hi___X-Evil: 1.txt\"; filename*=UTF-8''say%20%22hi%22%0D%0AX-Evil%3A%201.txt"
    )
    assert (await send(app, ASSISTANTS, file(filename="x" * 1025))).error["param"] == "filename"


THE_TYPE_OF_A_CONTENT = [
    ("a.txt", "text/plain"),
    ("a.PDF", "application/pdf"),
    ("a.html", "text/html"),
    ("a.md", "text/markdown"),
    ("a.tar.gz", "application/octet-stream"),
    ("a", "application/octet-stream"),
    ("data:text/html,x", "application/octet-stream"),
]


async def test_the_type_of_a_content(app: App) -> None:
    for filename, kind in THE_TYPE_OF_A_CONTENT:
        content = await at(app, "GET", f"/{(await uploaded(app, filename=filename))['id']}/content")
        assert content.headers["content-type"] == kind
        assert content.headers["x-content-type-options"] == "nosniff"
        assert content.headers["content-length"] == "6"


A_PART_OF_A_CONTENT = [
    ("bytes=0-0", b"0", "bytes 0-0/10"),
    ("bytes=2-4", b"234", "bytes 2-4/10"),
    ("bytes=7-", b"789", "bytes 7-9/10"),
    ("bytes=-2", b"89", "bytes 8-9/10"),
    ("bytes=-99", b"0123456789", "bytes 0-9/10"),
    ("bytes=8-99", b"89", "bytes 8-9/10"),
]


async def test_a_part_of_a_content(app: App) -> None:
    for wanted, part, told in A_PART_OF_A_CONTENT:
        id = (await uploaded(app, "0123456789"))["id"]
        content = await at(app, "GET", f"/{id}/content", headers={"Range": wanted})
        assert (content.status, content.body, content.headers["content-range"]) == (206, part, told)
        assert content.headers["content-length"] == str(len(part))


RANGES_THAT_MEAN_NOTHING = ["bytes=0-1,3-4", "bytes=4-2", "lines=1-2", "bytes=-", "bytes=a-b", "bytes=٣-"]


async def test_ranges_that_mean_nothing(app: App) -> None:
    for wanted in RANGES_THAT_MEAN_NOTHING:
        id = (await uploaded(app, "0123456789"))["id"]
        headers = {"Range": wanted.encode().decode("latin-1")}
        assert (await at(app, "GET", f"/{id}/content", headers=headers)).body == b"0123456789"


RANGES_BEHIND_THE_END = ["bytes=10-", "bytes=99-100", "bytes=-0"]


async def test_ranges_behind_the_end(app: App) -> None:
    for wanted in RANGES_BEHIND_THE_END:
        id = (await uploaded(app, "0123456789"))["id"]
        content = await at(app, "GET", f"/{id}/content", headers={"Range": wanted})
        assert (content.status, content.headers["content-range"]) == (416, "bytes */10")
        assert content.error["code"] == "range_not_satisfiable"


async def test_lists(app: App) -> None:
    assert await listed(app) == {"object": "list", "data": [], "first_id": "", "last_id": "", "has_more": False}
    ids = [(await uploaded(app, filename=f"{number}.txt"))["id"] for number in range(3)]
    vision = (await send(app, Part("purpose", "vision"), file())).json()["id"]
    everything = await listed(app)
    assert [each["id"] for each in everything["data"]] == [vision, *ids[::-1]]
    assert (everything["first_id"], everything["last_id"]) == (vision, ids[0])
    assert [each["id"] for each in (await listed(app, "?purpose=assistants&order=asc"))["data"]] == ids
    assert [each["id"] for each in (await listed(app, "?purpose=vision"))["data"]] == [vision]
    assert (await listed(app, "?purpose=nothing"))["data"] == []
    page = await listed(app, f"?limit=1&after={vision}")
    assert ([each["id"] for each in page["data"]], page["has_more"]) == ([ids[2]], True)
    await at(app, "DELETE", f"/{ids[2]}")
    assert [each["id"] for each in (await listed(app, f"?after={ids[2]}&limit=10000"))["data"]] == [ids[1], ids[0]]


LISTS_THAT_CAN_NOT_BE = [
    ("limit=10001", "limit"),
    ("limit=0", "limit"),
    ("limit=x", "limit"),
    ("after=nobody", "after"),
    ("order=up", "order"),
]


async def test_lists_that_can_not_be(app: App) -> None:
    for query, param in LISTS_THAT_CAN_NOT_BE:
        answer = await at(app, "GET", f"?{query}")
        assert (answer.status, answer.error["param"]) == (400, param)


async def test_tenants_see_their_own(app: App) -> None:
    id = (await uploaded(app))["id"]
    assert (await listed(app, key="a"))["data"] == []
    for method, path in (("GET", ""), ("GET", "/content"), ("DELETE", "")):
        assert (await at(app, method, f"/{id}{path}", "a")).status == 404
    assert (await at(app, "GET", f"?after={id}", "a")).status == 400
    assert (await at(app, "GET", f"/{id}/content")).body == b"Hello."


IDS_OF_NOTHING = ["file-", "file-x", "x", "upload_x", "file-..%2F..%2Fx", "file-%00", "file-" + "x" * 5000]


async def test_ids_of_nothing(app: App) -> None:
    for id in IDS_OF_NOTHING:
        for method in ("GET", "DELETE"):
            answer = await at(app, method, f"/{id}")
            assert (answer.status, answer.error["code"]) == (404, "not_found")


WHAT_IS_NO_FORM = [
    "multipart/form-data",
    "multipart/form-data; boundary=",
    'multipart/form-data; boundary=""',
    "multipart/form-data; boundary=another",
    f"multipart/form-data; boundary={'x' * 300}",
    "application/json",
    "application/x-www-form-urlencoded",
    "",
]


async def test_what_is_no_form(app: App) -> None:
    for kind in WHAT_IS_NO_FORM:
        answer = await at(app, "POST", body=form(ASSISTANTS, file()), headers={"Content-Type": kind})
        assert (answer.status, answer.error["code"]) == (400, "invalid_form")
        assert blobs() == []


BROKEN_FORMS = [
    b"",
    b"--",
    END,
    b"{}",
    form(ASSISTANTS, file())[: -len(END)],
    form(ASSISTANTS, file())[:-3],
    form(Part(None, "?"), ASSISTANTS, file()),
    form(Part("", "?"), ASSISTANTS, file()),
    form(ASSISTANTS, Part("file", "aGk=", "a", b"Content-Transfer-Encoding: base64\r\n")),
    form(ASSISTANTS, Part("file", "x", "a", b"X-Long: %b\r\n" % (b"x" * 100_000))),
    form(ASSISTANTS, Part("file", "x", "a", b"X-More: x\r\n" * 1000)),
    form(ASSISTANTS, Part("file", "x", "a", b"no header\r\n")),
    form(*(Part(f"field {number}", "x") for number in range(200)), ASSISTANTS, file()),
    form(ASSISTANTS, file()).replace(b"\r\n", b"\n"),
]


async def test_broken_forms(app: App) -> None:
    for broken in BROKEN_FORMS:
        answer = await at(app, "POST", body=broken, headers=HEADERS)
        assert answer.status == 400, answer.body
        assert answer.error["code"] in ("invalid_form", "missing_required_parameter")
        assert blobs() == []


async def test_fields_that_are_no_field(app: App) -> None:
    assert (await refused(app, Part("purpose", b"\xff"), file()))["param"] == "purpose"
    assert (await refused(app, Part("purpose", "x" * 10_000), file()))["code"] == "string_above_max_length"
    assert (await refused(app, ASSISTANTS, ASSISTANTS, file()))["param"] == "purpose"


async def test_a_form_byte_by_byte(app: App) -> None:
    data = b"\r\n--%b\r-\r\n--front\r\n" % BOUNDARY[:-1]
    whole = form(file(data), ASSISTANTS)
    pieces = [whole[at : at + 1] for at in range(len(whole))]
    answer = await at(app, "POST", body=pieces, headers=HEADERS)
    assert answer.status == 200, answer.body
    assert (await at(app, "GET", f"/{answer.json()['id']}/content")).body == data


async def test_a_client_that_leaves_in_the_middle(app: App) -> None:
    pieces = [form(ASSISTANTS, file(b"x" * 100_000))[:-2000]]
    headers = {**HEADERS, "Authorization": "Bearer k"}
    connection = Connection(app, "POST", "/v1/files", body=pieces, headers=headers, ended=False)
    connection.leave()
    await connection.over()
    assert (await listed(app))["data"] == []
    assert blobs() == []


async def test_an_upload_that_is_cancelled(app: App) -> None:
    headers = {**HEADERS, "Authorization": "Bearer k"}
    pieces = [form(ASSISTANTS, file(b"x" * 7_000_000))[:-2000]]
    connection = Connection(app, "POST", "/v1/files", body=pieces, headers=headers, ended=False)
    await asyncio.sleep(0.1)
    connection._task.cancel()
    await asyncio.wait([connection._task])
    assert (await listed(app))["data"] == []
    assert [path for path in blobs() if "#" not in path] == []  # what was being written goes a moment later


async def test_files_have_a_limit_of_their_own(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LARGEST_FILE", 1000)
    assert (await uploaded(app, "x" * 1000))["bytes"] == 1000
    answer = await send(app, ASSISTANTS, file("x" * 1001))
    assert (answer.status, answer.error["code"]) == (413, "request_too_large")
    assert len(blobs()) == 1


async def test_limits_by_path(configure: Configure) -> None:
    app = create_app(configure(max_body_mb=0.001))
    async with app.lifespan():
        await app.opened()
        big = form(ASSISTANTS, file("x" * 5000))
        assert (await ask(app, "POST", "/v1/files", body=big, headers=HEADERS)).status == 200
        assert (await ask(app, "POST", "/v1/uploads", body=big)).status == 413
        assert (await ask(app, "POST", "/v1/threads", body=big)).status == 413
        too_much = {**HEADERS, "Content-Length": str(LARGEST_FILE + 2 * MB)}
        assert (await ask(app, "POST", "/v1/files", body=big, headers=too_much)).status == 413


async def test_a_key_makes_an_upload_once(app: App) -> None:
    first = await send(app, ASSISTANTS, file(), idempotency_key="one")
    again = await send(app, file(), ASSISTANTS, idempotency_key="one")
    assert again.json() == first.json()
    assert ("idempotent-replayed" in first.headers, again.headers["idempotent-replayed"]) == (False, "true")
    assert len((await listed(app))["data"]) == len(blobs()) == 1
    other = await send(app, ASSISTANTS, file("Other."), idempotency_key="one")
    assert (other.status, other.error["code"]) == (409, "idempotency_mismatch")
    assert len(blobs()) == 1
    assert (await send(app, ASSISTANTS, file(), idempotency_key="one", key="a")).json()["id"] == first.json()["id"]
    assert len((await listed(app))["data"]) == 1
    assert (await send(app, ASSISTANTS, file(), idempotency_key="é")).error["param"] == "Idempotency-Key"


async def test_two_with_one_key_at_once(app: App) -> None:
    answers = await asyncio.gather(*(send(app, ASSISTANTS, file(), idempotency_key="one") for _ in range(4)))
    assert len({answer.json()["id"] for answer in answers}) == len(blobs()) == 1
