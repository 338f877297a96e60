"""Files as text: every format, every usual encoding, and files that are made to do harm."""

from __future__ import annotations

import io
import zipfile
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from docx import Document
from openpyxl import Workbook
from pypdf import PdfWriter
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

from graph.vector_stores.parsing.formats import Unreadable
from graph.vector_stores.parsing.reader import Limits, Reader
from graph.vector_stores.values import Chunk, Chunking


@pytest.fixture
async def reader() -> AsyncIterator[Reader]:
    opened = Reader("gpt-4")
    yield opened
    await opened.close()


async def read(reader: Reader, folder: Path, data: bytes, name: str, chunking: Chunking | None = None) -> list[Chunk]:
    path = folder / "content"
    path.write_bytes(data)
    async with aclosing(reader.read(path, name, chunking or Chunking())) as chunks:
        return [chunk async for chunk in chunks]


async def text_of(reader: Reader, folder: Path, data: bytes, name: str) -> str:
    return "\n".join(chunk.text for chunk in await read(reader, folder, data, name))


def pdf(*pages: str, encrypt: str | None = None) -> bytes:
    writer = PdfWriter()
    font = DictionaryObject({NameObject("/Type"): NameObject("/Font"), NameObject("/Subtype"): NameObject("/Type1"),
                             NameObject("/BaseFont"): NameObject("/Helvetica")})  # fmt: skip
    for text in pages:
        page = writer.add_blank_page(300, 300)
        stream = DecodedStreamObject()
        stream.set_data(f"BT /F1 12 Tf 20 200 Td ({text}) Tj ET".encode())
        page[NameObject("/Contents")] = writer._add_object(stream)
        page[NameObject("/Resources")] = DictionaryObject(
            {NameObject("/Font"): DictionaryObject({NameObject("/F1"): font})}
        )
    if encrypt is not None:
        writer.encrypt(encrypt, algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def docx() -> bytes:
    document = Document()
    document.add_heading("Whales", 1)
    document.add_paragraph("The blue whale eats krill.")
    table = document.add_table(1, 2)
    table.rows[0].cells[0].text, table.rows[0].cells[1].text = "length", "30 m"
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def xlsx(rows: int = 3) -> bytes:
    book = Workbook()
    sheet: Any = book.active
    sheet.append(["animal", "weight"])
    for number in range(rows):
        sheet.append([f"whale {number}", number * 1000])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


async def test_every_format_is_read(reader: Reader, tmp_path: Path) -> None:
    for data, name, wanted in (
        (b"# Tea\n\nGreen tea.", "tea.md", "# Tea\n\nGreen tea."),
        (b"<title>Tea</title><script>x()</script><p>Green <b>tea</b>.", "tea.html", "# Tea\n\nGreen tea."),
        (b"a,b\n1,2", "t.csv", "a,b\n1,2"),
        (b'{"a":[1,2]}', "t.json", '{\n  "a": [\n    1,\n    2\n  ]\n}'),
        (b"def f():\n    return 1", "f.py", "def f():\n    return 1"),
        (b"plain", "no-ending", "plain"),
        (pdf("The first page.", "The second page."), "p.pdf", "The first page.\n\nThe second page."),
        (pdf("By its first bytes."), "p.bin", "By its first bytes."),
        (docx(), "w.docx", "# Whales\n\nThe blue whale eats krill.\n\nlength | 30 m"),
        (xlsx(), "w.xlsx", "animal,weight\nwhale 0,0\nwhale 1,1000\nwhale 2,2000"),
    ):
        assert await text_of(reader, tmp_path, data, name) == wanted, name


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("utf-8", "Größe 日本"),
        ("utf-8-sig", "Größe 日本"),
        ("utf-16", "Größe 日本"),
        ("utf-16-le", "Plain words without a mark"),
        ("utf-32", "Größe 日本"),
        ("cp1252", "“Größe”: 5 €, naïve café"),
        ("latin-1", "café"),
        ("shift_jis", "東京都の天気は晴れです。明日は雨でしょう。"),
        ("gb18030", "今天北京的天气很好，我们去公园。"),
        ("euc_kr", "안녕하세요 오늘 날씨가 좋습니다"),
        ("cp1251", "Привет мир, как дела сегодня? Погода хорошая."),
    ],
)
async def test_usual_encodings(reader: Reader, tmp_path: Path, encoding: str, text: str) -> None:
    assert await text_of(reader, tmp_path, text.encode(encoding), "a.txt") == text


async def test_the_rows_of_a_table_stand_behind_its_first_line(reader: Reader, tmp_path: Path) -> None:
    rows = "\n".join(f"whale {number},{number}" for number in range(200))
    data = f"animal,weight\n{rows}".encode()
    chunks = await read(reader, tmp_path, data, "t.csv", Chunking(100, 0))
    assert len(chunks) > 10
    assert all(chunk.text.startswith("animal,weight\n") for chunk in chunks)
    assert "\n".join(chunk.text[chunk.head :] for chunk in chunks) == data.decode()
    assert all(data.decode()[chunk.start : chunk.end] == chunk.text[chunk.head :] for chunk in chunks)


async def test_what_can_not_be_read_says_why(reader: Reader, tmp_path: Path) -> None:
    for data, name, code, why in (
        (b"%PDF-1.7\nnonsense", "a.pdf", "invalid_file", "broken"),
        (pdf("x")[:300], "a.pdf", "invalid_file", "broken"),
        (pdf("x", encrypt="secret"), "a.pdf", "invalid_file", "password"),
        (pdf(""), "a.pdf", "invalid_file", "no text"),
        (b"PK\x03\x04nonsense", "a.docx", "invalid_file", "broken"),
        (b"nonsense", "a.xlsx", "invalid_file", "broken"),
        (b"\x89PNG\r\n\x1a\n\0\0\0", "a.png", "unsupported_file", ".png"),
        (b" \n ", "a.txt", "invalid_file", "no text"),
        (docx()[:-40], "a.docx", "invalid_file", "broken"),
    ):
        with pytest.raises(Unreadable, match=why) as raised:
            await read(reader, tmp_path, data, name)
        assert raised.value.code == code, (name, raised.value)
    assert await text_of(reader, tmp_path, b"still here", "a.txt") == "still here"


def bomb(inside: str, size: int) -> bytes:
    """An Office document of a few kilobytes, whose main part is very large."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open(inside, "w", force_zip64=True) as part,
    ):
        for _ in range(size // 2**20):
            part.write(b" " * 2**20)
    return out.getvalue()


async def test_hostile_files_fail_within_their_limits(tmp_path: Path) -> None:
    limits = Limits(seconds=20, memory=768 * 2**20)
    reader = Reader("gpt-4", limits)
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    entity = f'<!DOCTYPE x [<!ENTITY l0 "lol">{laughs}]><x>&l11;</x>'.encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("word/document.xml", entity)
    try:
        for data, name in (
            (bomb("word/document.xml", 2**30), "a.docx"),
            (bomb("xl/workbook.xml", 2**30), "a.xlsx"),
            (out.getvalue(), "b.docx"),
            (b"[" * 5_000_000, "a.json"),
        ):
            try:
                chunks = await read(reader, tmp_path, data, name)
            except Unreadable:
                continue
            assert sum(len(chunk.text) for chunk in chunks) < 20_000_000
        assert await text_of(reader, tmp_path, b"still here", "a.txt") == "still here"
    finally:
        await reader.close()


async def test_too_much_memory_and_time_are_told(tmp_path: Path) -> None:
    slow = Reader("gpt-4", Limits(seconds=0.01))
    with pytest.raises(Unreadable, match=r"more than 0\.01 seconds"):
        await read(slow, tmp_path, b"x", "a.txt")
    await slow.close()
    small = Reader("gpt-4", Limits(memory=600 * 2**20))
    with pytest.raises(Unreadable, match=r"too much memory|more than 20000000 characters"):
        await read(small, tmp_path, b"word " * 20_000_000 * 3, "a.txt")
    await small.close()


async def test_too_much_text_is_told(reader: Reader, tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="more than 20000000 characters"):
        await read(reader, tmp_path, b"a" * 20_000_001, "a.txt")
