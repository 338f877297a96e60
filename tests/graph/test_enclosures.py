"""What a prompt shows of the files that its messages point to."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import AsyncIterator

import pytest

from agents.models.port import FilePart, ImagePart, Message, Part, TextPart
from graph import enclosures
from graph.attachments import of_file
from graph.enclosures import enclosed
from graph.events import now_ms
from graph.files import File, Files
from graph.ids import new_id
from graph.storage import open_storage

PNG = b"\x89PNG\r\n\x1a\nrest"


@pytest.fixture
async def files() -> AsyncIterator[Files]:
    storage = open_storage("memory://")
    await storage.open()
    yield Files(storage)
    await storage.close()


async def kept(files: Files, data: bytes, filename: str = "a.png") -> str:
    async def chunks() -> AsyncIterator[bytes]:
        yield data

    async with files.incoming("t") as content:
        await content.take(chunks())
        file = File(new_id(), filename, "vision", content.size, content.blob, now_ms())
        return f"file-{(await files.keep(content, file)).id}"


async def shown(files: Files, *parts: Part, tenant: str = "t") -> list[Part]:
    [message] = await enclosed(files, tenant, [Message("user", parts)])
    assert not isinstance(message.content, str)
    return list(message.content)


def image(id: str) -> ImagePart:
    return ImagePart(of_file(id), "high")


async def test_what_points_to_no_file_stays_as_it_is(files: Files) -> None:
    said = (
        Message("user", "Hi"),
        Message("user", (TextPart("a"), ImagePart("https://a/b.png"), FilePart("a", "data:,x", "file-x"))),
    )
    assert await enclosed(files, "t", said) == said


@pytest.mark.parametrize(
    ("data", "kind"),
    [(PNG, "png"), (b"\xff\xd8\xff\xe0", "jpeg"), (b"GIF89a", "gif"), (b"RIFF0000WEBPVP8 ", "webp")],
)
async def test_an_image_is_shown_as_what_it_is(files: Files, data: bytes, kind: str) -> None:
    [part] = await shown(files, image(await kept(files, data, "misnamed.txt")))
    assert part == ImagePart(f"data:image/{kind};base64,{b64encode(data).decode()}", "high")


async def test_a_file_is_shown_with_its_name_and_type(files: Files) -> None:
    id = await kept(files, b"%PDF-1.7", "report.pdf")
    given, named = await shown(files, FilePart(file_id=id), FilePart("my.pdf", file_id=id))
    data = f"data:application/pdf;base64,{b64encode(b'%PDF-1.7').decode()}"
    assert given == FilePart("report.pdf", data)
    assert named == FilePart("my.pdf", data)


async def test_what_is_gone_is_told(files: Files) -> None:
    id = await kept(files, PNG)
    await files.delete("t", id.removeprefix("file-"))
    assert await shown(files, image(id), FilePart(file_id=id), image("x")) == [
        TextPart(f"(The image {id} is no longer there.)"),
        TextPart(f"(The file {id} is no longer there.)"),
        TextPart("(The image x is no longer there.)"),
    ]


async def test_another_tenants_file_is_not_there(files: Files) -> None:
    id = await kept(files, PNG)
    assert await shown(files, image(id), tenant="another") == [TextPart(f"(The image {id} is no longer there.)")]


async def test_what_is_no_image_is_told(files: Files) -> None:
    id = await kept(files, b"<svg/>", "a.svg")
    assert await shown(files, image(id)) == [TextPart(f"(The file {id}, 'a.svg', is no PNG, JPEG, GIF or WebP image.)")]


async def test_large_files_are_left_out(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enclosures, "LARGEST_ENCLOSED", len(PNG) - 1)
    [part] = await shown(files, image(await kept(files, PNG)))
    assert isinstance(part, TextPart)
    assert "more than 0 MB" in part.text


async def test_where_there_is_too_much_the_newest_is_shown(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enclosures, "ALL_ENCLOSED", 2 * len(PNG))
    ids = [await kept(files, PNG) for _ in range(3)]
    messages = await enclosed(files, "t", [Message("user", (image(id),)) for id in ids])
    first, *others = [message.content[0] for message in messages]
    assert isinstance(first, TextPart)
    assert "too large together" in first.text
    for part in others:
        assert isinstance(part, ImagePart)
        assert b64decode(part.url.partition(",")[2]) == PNG
