"""Documents as passages: pieces of about a paragraph or two, cut where the text itself pauses."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from graph.library.documents import Document

LENGTH = 1200

_HEADING = re.compile(r"#{1,6}[ \t]+(.*)")
_FENCE = re.compile(r"\s*(```|~~~)")
_PAUSES = ("\n", ". ", "! ", "? ", "。", "; ", ", ", " ")


@dataclass(frozen=True, slots=True)
class Cut:
    """A passage as cut: `text` at most `LENGTH` characters under `heading` (empty where there is none)."""

    heading: str
    text: str


def title(document: Document) -> str:
    """What a reader calls a document: the first heading of a markdown file, else its path."""
    headings = (heading for heading, _ in _sections(document.text) if heading) if _has_headings(document) else iter(())
    return plain(next(headings, document.path)) or document.path


def cut(document: Document) -> Iterator[Cut]:
    """The passages of a document in order."""
    if document.format == "table":
        yield from (Cut("", text) for text in _rows(document.text))
    elif _has_headings(document):
        for heading, body in _sections(document.text):
            yield from (Cut(heading, text) for text in _pack(_paragraphs(body), "\n\n"))
    else:
        yield from (Cut("", text) for text in _pack(_paragraphs(document.text), "\n\n"))


def _has_headings(document: Document) -> bool:
    return document.format == "markdown"


def plain(name: str) -> str:
    """A name that can stand inside a mark 【1†name】."""
    return " ".join(re.sub(r"[【】†]", " ", re.sub(r"[`*]", "", name)).split())


def _sections(text: str) -> Iterator[tuple[str, str]]:
    """(heading, text under it) in order; the text before the first heading has an empty one."""
    heading, lines, fenced = "", list[str](), False
    for line in text.split("\n"):
        fenced = fenced != (_FENCE.match(line) is not None)
        match = None if fenced else _HEADING.fullmatch(line)
        if match is None:
            lines.append(line)
            continue
        yield heading, "\n".join(lines)
        heading, lines = match.group(1).rstrip("# \t"), []
    yield heading, "\n".join(lines)


def _paragraphs(text: str) -> list[str]:
    return [paragraph.strip("\n") for paragraph in re.split(r"\n\s*\n", text) if paragraph.strip()]


def _rows(text: str) -> Iterator[str]:
    """The rows of a table, in each passage under the table's first line (half a passage of it at most)."""
    header, _, body = text.strip("\n").partition("\n")
    header = header[: LENGTH // 2]
    rows = [f"{header}\n{rows}" for rows in _pack(body.split("\n"), "\n", LENGTH - len(header) - 1)]
    yield from rows or ([header] if header else [])


def _pack(blocks: Iterable[str], between: str, room: int = LENGTH) -> Iterator[str]:
    """Neighbours put together as long as they fit."""
    packed = ""
    for piece in (piece for block in blocks for piece in _pieces(block, room)):
        if packed and len(packed) + len(between) + len(piece) > room:
            yield packed
            packed = ""
        packed = f"{packed}{between}{piece}" if packed else piece
    if packed:
        yield packed


def _pieces(block: str, room: int) -> Iterator[str]:
    """A block that is too long, cut at the last pause that leaves a piece of decent length."""
    start = 0
    while len(block) - start > room:
        least, most = start + room // 2, start + room
        end = next((at + len(pause) for pause in _PAUSES if (at := block.rfind(pause, least, most)) > 0), most)
        yield block[start:end].strip()
        start = end
    if rest := block[start:].strip():
        yield rest
