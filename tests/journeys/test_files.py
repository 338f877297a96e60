"""Files and uploads, through the official client, and what the model sees of them."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import psutil
import pytest
from openai import OpenAI

from tests.journeys.server import Server, running
from tests.journeys.stage import Stage
from tests.servers.forms import END, HEADERS, Part, file, form

pytestmark = pytest.mark.xdist_group("journeys-trouble")

MB = 1024 * 1024
GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "files.md"
PROGRAMS = re.findall(r"^```python\n(.*?)^```$", GUIDE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
PNG = b"\x89PNG\r\n\x1a\n and more"


@pytest.fixture
def client(strict: Server) -> OpenAI:
    return strict.client(api_key="key-of-red")


def told(stage: Stage) -> Any:
    """The parts of what the user has said to the supervisor."""
    [content] = [content for role, content in stage.prompt if role == "user"]
    return content


def test_a_whole_life(client: OpenAI, strict: Server) -> None:
    made = client.files.create(file=('päth/日本 \\ "a".txt', b"Hello, file."), purpose="user_data")
    assert (made.filename, made.bytes, made.purpose, made.status) == (
        'päth/日本 \\ "a".txt',
        12,
        "user_data",
        "processed",
    )
    assert (made.expires_at, made.status_details) == (None, None)
    assert client.files.retrieve(made.id) == client.files.wait_for_processing(made.id) == made
    assert client.files.content(made.id).read() == b"Hello, file."
    assert [each.id for each in client.files.list(purpose="user_data")] == [made.id]
    with pytest.raises(openai.NotFoundError):
        strict.client(api_key="key-of-blue").files.content(made.id)
    assert client.files.delete(made.id).deleted
    with pytest.raises(openai.NotFoundError) as raised:
        client.files.retrieve(made.id)
    assert raised.value.code == "not_found"


def test_an_expiry_and_pages(client: OpenAI) -> None:
    expiry: Any = {"anchor": "created_at", "seconds": 3600}
    made = [
        client.files.create(file=str(number).encode(), purpose="vision", expires_after=expiry) for number in range(5)
    ]
    assert all(each.expires_at == each.created_at + 3600 for each in made)
    ids = [each.id for each in client.files.list(purpose="vision", limit=2, order="asc")]
    assert ids == [each.id for each in made]
    for each in client.files.list(purpose="vision", limit=2):
        client.files.delete(each.id)
    assert list(client.files.list(purpose="vision")) == []


def test_bad_requests_are_told(client: OpenAI) -> None:
    wrong: Any = "nonsense"
    with pytest.raises(openai.BadRequestError) as raised:
        client.files.create(file=b"x", purpose=wrong)
    assert raised.value.param == "purpose"
    with pytest.raises(openai.BadRequestError, match=r"File is empty\."):
        client.files.create(file=b"", purpose="vision")


def test_an_upload_in_parts(client: OpenAI, tmp_path: Path) -> None:
    data = bytes(range(256)) * 4096
    path = tmp_path / "data.bin"
    path.write_bytes(data)
    ended = client.uploads.upload_file_chunked(
        file=path, mime_type="application/octet-stream", purpose="assistants", part_size=300_000,
        md5=hashlib.md5(data).hexdigest(),
    )  # fmt: skip
    assert ended.status == "completed"
    assert ended.file is not None
    assert (ended.file.filename, ended.file.bytes) == ("data.bin", len(data))
    assert client.files.content(ended.file.id).read() == data
    upload = client.uploads.create(bytes=3, filename="a", mime_type="text/plain", purpose="vision")
    client.uploads.parts.create(upload.id, data=b"abc")
    assert client.uploads.cancel(upload.id).status == "cancelled"


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:The Assistants API is deprecated:DeprecationWarning")
def test_an_image_reaches_the_model_and_its_absence_is_told(scripted: Server, stage: Stage) -> None:
    client = scripted.client()
    stage.play("I see.")
    uploaded = client.files.create(file=("photo.png", PNG), purpose="vision")
    look: Any = [
        {"type": "text", "text": "Look!"},
        {"type": "image_file", "image_file": {"file_id": uploaded.id, "detail": "low"}},
    ]
    assistant = client.beta.assistants.create(model="cortex-flow")
    thread = client.beta.threads.create(messages=[{"role": "user", "content": look}])
    run = client.beta.threads.runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id)
    assert run.status == "completed", run
    data = f"data:image/png;base64,{b64encode(PNG).decode()}"
    assert told(stage)[1] == {"type": "image_url", "image_url": {"url": data, "detail": "low"}}
    client.files.delete(uploaded.id)
    client.beta.threads.runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id)
    assert told(stage)[1] == {"type": "text", "text": f"(The image {uploaded.id} is no longer there.)"}


def test_chat_reads_a_file(scripted: Server, stage: Stage) -> None:
    client = scripted.client()
    stage.play("I have read it.")
    uploaded = client.files.create(file=("report.pdf", b"%PDF"), purpose="user_data")
    said: Any = [{"type": "text", "text": "Read!"}, {"type": "file", "file": {"file_id": uploaded.id}}]
    client.chat.completions.create(model="cortex-flow", messages=[{"role": "user", "content": said}])
    data = f"data:application/pdf;base64,{b64encode(b'%PDF').decode()}"
    assert told(stage)[1] == {"type": "file", "file": {"filename": "report.pdf", "file_data": data}}


def test_the_guide_works(offline: Server) -> None:
    names: dict[str, Any] = {}
    for program in PROGRAMS:
        exec(program.replace("http://127.0.0.1:8001", offline.url), names)
    assert names["client"].files.content(names["report"].id).read() == b"Tea is hot."


def test_large_files_pass_through_little_memory(tmp_path: Path) -> None:
    size, chunk = 64 * MB, b"0123456789abcdef" * 4096
    with running(tmp_path) as server:
        process = psutil.Process(server.pid)
        server.client().files.delete(server.client().files.create(file=b"warm", purpose="assistants").id)
        before = process.memory_info().rss
        peak = before

        def body() -> Iterator[bytes]:
            nonlocal peak
            begin = Part("file", "", "large.bin").bytes.removesuffix(b"\r\n")
            yield Part("purpose", "assistants").bytes + begin
            for number in range(size // len(chunk)):
                yield chunk
                if number % 32 == 0:
                    peak = max(peak, process.memory_info().rss)
            yield b"\r\n" + END

        made = server.wire().ask(path="/v1/files", body=body(), headers=HEADERS).json
        assert made["bytes"] == size
        read = server.wire().send("GET", f"/v1/files/{made['id']}/content").response
        left = size
        while data := read.read(MB):
            assert data == (chunk * 16)[: len(data)]
            left -= len(data)
            peak = max(peak, process.memory_info().rss)
        assert left == 0
        assert peak - before < 40 * MB


def test_an_upload_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        whole = form(Part("purpose", "assistants"), file(b"x" * MB))
        length = {"Content-Length": str(len(whole)), **HEADERS}
        broken = server.wire().send(path="/v1/files", body=whole[: MB // 2], headers=length)
        broken.close()
        left = server.wire().send("GET", "/v1/files")
        assert left.answer().json["data"] == []
        assert server.client().files.create(file=b"after", purpose="assistants").bytes == 5
    assert len([path for path in (tmp_path / "cortex-flow-files").rglob("*") if path.is_file()]) == 1


def test_files_survive_a_restart(tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        made = server.client().files.create(file=("a.txt", b"kept"), purpose="assistants")
        server.kill()
        server.start()
        assert server.client().files.content(made.id).read() == b"kept"
        assert server.client().files.retrieve(made.id) == made
