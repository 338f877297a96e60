"""Files as text: what each kind of file says. Whoever calls this has limits on time and memory, for the files have none."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, Final
from zipfile import BadZipFile, ZipFile

from graph.library.documents import FORMATS, decode, spaced_json
from graph.library.html import to_markdown
from graph.vector_stores.values import ErrorCode

MOST_CHARACTERS: Final = 20_000_000
_GUESSED: Final = 256 * 1024
_NO_TEXT: Final = "There is no text in the file."
_TOO_LONG: Final = f"The file has more than {MOST_CHARACTERS} characters of text."


class Unreadable(Exception):
    """The file can't be taken in. `code` is OpenAI's, the message may be shown to the client."""

    def __init__(self, message: str, code: ErrorCode = "invalid_file") -> None:
        super().__init__(message)
        self.message = message
        self.code = code


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a file that stands by itself. `head` is the first line of a table, which its rows are read by."""

    text: str
    head: str = ""


def sections(path: Path, name: str) -> list[Section]:
    """What the file at `path`, called `name`, says. Raises `Unreadable`, and whatever a broken file makes its parser
    raise."""
    suffix = PurePath(name).suffix.lower()
    with path.open("rb") as file:
        begin = file.read(8)
    if suffix == ".pdf" or begin.startswith(b"%PDF-"):
        found = [Section(_within(_pdf(path)))]
    elif begin.startswith(b"PK\x03\x04") or suffix in (".docx", ".xlsx"):
        found = _office(path)
    else:
        found = _text(path.read_bytes(), suffix)
    found = [section for section in found if section.text.strip()]
    if not found:
        raise Unreadable(_NO_TEXT)
    return found


def _text(data: bytes, suffix: str) -> list[Section]:
    text = _decoded(data)
    if text is None:
        raise Unreadable(f"Files of this kind ({suffix or 'without an ending'}) can't be read.", "unsupported_file")
    match FORMATS.get(suffix, "plain"):
        case "html":
            text = to_markdown(text)
        case "json":
            text = spaced_json(text)
        case "table":
            head, _, _ = text.partition("\n")
            return [Section(_within(iter([text])), head)]
        case _:
            pass
    return [Section(_within(iter([text])))]


def _decoded(data: bytes) -> str | None:
    """UTF-8, UTF-16 and UTF-32; else what the bytes look most like."""
    if data.startswith((b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff")):
        return data.decode("utf-32", "replace")
    try:
        return decode(data) if b"\0" in data else decode(data.decode("utf-8-sig").encode())
    except UnicodeDecodeError:
        pass
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return decode(data)
    guessed = _guess(data[:_GUESSED])
    return decode(data) if guessed is None else decode(data.decode(guessed, "replace").encode())


def _guess(data: bytes) -> str | None:
    """The encoding of a text that is no Unicode; None for those of Western Europe, where few letters have accents."""
    beyond = sum(byte >= 0x80 for byte in data)
    letters = sum(byte >= 0x80 or 0x41 <= byte & 0xDF <= 0x5A for byte in data)
    if beyond * 2 < letters:
        return None
    from charset_normalizer import from_bytes

    guess = from_bytes(data, cp_exclusion=["utf_16", "utf_16_be", "utf_16_le", "utf_32"]).best()
    return guess.encoding if guess else None


def _pdf(path: Path) -> Iterator[str]:
    from pypdf import PdfReader

    reader = PdfReader(path)
    if reader.is_encrypted and not reader.decrypt(""):
        raise Unreadable("The PDF is protected by a password.")
    for page in reader.pages:
        yield page.extract_text()


def _office(path: Path) -> list[Section]:
    """A docx or xlsx, by what is in it."""
    try:
        with ZipFile(path) as archive:
            names = set(archive.namelist())
    except BadZipFile:
        raise Unreadable("The file is broken: it is no Office document.") from None
    try:
        if "word/document.xml" in names:
            return [Section(_within(_docx(path)))]
        if "xl/workbook.xml" in names:
            return list(_xlsx(path))
    except ImportError:
        message = "Word and Excel files can't be read here: the extra `docs` is not installed (pip install 'cortex-flow[docs]')."
        raise Unreadable(message, "unsupported_file") from None
    raise Unreadable("Archives and other kinds of Office documents can't be read.", "unsupported_file")


def _docx(path: Path) -> Iterator[str]:
    from docx import Document
    from docx.table import Table

    for block in Document(str(path)).iter_inner_content():
        if isinstance(block, Table):
            yield "\n".join(" | ".join(cell.text for cell in row.cells) for row in block.rows)
        else:
            style = block.style.name if block.style is not None else None
            yield f"{'#' * int(style[-1])} {block.text}" if style and style[:-1] == "Heading " else block.text


def _xlsx(path: Path) -> Iterator[Section]:
    from openpyxl import load_workbook

    with path.open("rb") as file:  # by its name it would go by the name's ending
        book = load_workbook(file, read_only=True, data_only=True)
        for sheet in book.worksheets:
            rows = (_row(row) for row in sheet.iter_rows(values_only=True) if any(cell is not None for cell in row))
            text = _within(rows, "\n")
            yield Section(text, text.partition("\n")[0])


def _row(cells: tuple[Any, ...]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(["" if cell is None else cell for cell in cells])
    return line.getvalue().rstrip(",")


def _within(parts: Iterator[str], between: str = "\n\n") -> str:
    """The parts together, if that is not too much. No part is made when those before it are."""
    found, length = list[str](), 0
    for part in parts:
        length += len(part) + len(between)
        if length > MOST_CHARACTERS + len(between):
            raise Unreadable(_TOO_LONG)
        if part.strip():
            found.append(part)
    return between.join(found).encode("utf-8", "replace").decode()
