"""Files as documents: which ones are read, and how their bytes become text."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import orjson

from graph.library.html import to_markdown

log = logging.getLogger(__name__)

Format = Literal["markdown", "html", "table", "json", "plain"]

MAX_BYTES = 5 * 1024 * 1024
_CODE = """
    bash bat c cc cfg clj conf cpp cs css cxx dart ex exs fs go gradle groovy h hpp hs ini java jl js jsx kt kts less
    lua m mjs php pl ps1 proto py pyi r rb rs scala scss sh sql swift tf toml ts tsx vb vue xml yaml yml zsh
"""
FORMATS: dict[str, Format] = {
    **dict.fromkeys(["", ".txt", ".text", ".rst", ".log", *(f".{suffix}" for suffix in _CODE.split())], "plain"),
    **dict.fromkeys([".md", ".markdown", ".mdx"], "markdown"),
    **dict.fromkeys([".html", ".htm", ".xhtml"], "html"),
    **dict.fromkeys([".csv", ".tsv"], "table"),
    **dict.fromkeys([".json", ".jsonl", ".geojson"], "json"),
}
_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_PLAIN_CONTROLS = "\t\n\r\f\v\b\x1b"


@dataclass(frozen=True, slots=True)
class Document:
    """A file as read. `path` is relative to its folder, with forward slashes; html has become markdown."""

    path: str
    text: str
    format: Format


def read_folder(root: Path) -> Iterator[Document]:
    """Every document of a folder, in the order of their paths. What is not read is named in the log, with the reason.

    Raises `OSError` when the folder itself can't be read.
    """
    inside = root.resolve(strict=True)
    for path in files_in(inside):
        try:
            document = _read(inside, path)
        except Exception as error:  # a file's own fault, whatever it is, must not cost the others
            _skip(path, str(error) or type(error).__name__)
            continue
        if document is not None:
            yield document


def decode(data: bytes) -> str | None:
    """Bytes as text: UTF-8, UTF-16 or Windows-1252 and Latin-1; None when they are no text."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _clean(data.decode(encoding, "replace"))
    if b"\0" in data:
        wide = _wide(data)
        return _clean(data.decode(wide, "replace")) if wide else None
    for encoding in ("utf-8", "cp1252", "latin-1"):
        try:
            return _clean(data.decode(encoding))
        except UnicodeDecodeError:
            continue
    return None


def _clean(text: str) -> str | None:
    """The text with plain line ends, unless it is full of control characters and so no text."""
    controls = sum(1 for char in text if char < " " and char not in _PLAIN_CONTROLS)
    return None if controls * 100 > len(text) else text.replace("\r\n", "\n").replace("\r", "\n")


def _wide(data: bytes) -> str | None:
    """UTF-16 without a mark: in most scripts one byte of each pair is zero."""
    sample = data[:8192]
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    if max(even, odd) * 5 < len(sample) or min(even, odd) * 20 > len(sample):
        return None
    return "utf-16-le" if odd > even else "utf-16-be"


def files_in(inside: Path, endings: Collection[str] = FORMATS, largest: int | None = MAX_BYTES) -> Iterator[Path]:
    """The regular files of a folder that end so and are not too large, in the order of their paths, without hidden ones and
    links that lead outside. What is left out is named in the log. Raises `OSError` for a folder that can't be read."""
    refuse = _refuse_file(inside, endings, largest)
    os.scandir(inside).close()  # os.walk says nothing about a top folder that can't be read
    for folder, folders, names in os.walk(inside, onerror=_unreadable):
        folders[:] = sorted(name for name in folders if _keep(Path(folder, name), _refuse_folder))
        yield from (Path(folder, name) for name in sorted(names) if _keep(Path(folder, name), refuse))


def _read(inside: Path, path: Path) -> Document | None:
    form = FORMATS[path.suffix.lower()]
    text = decode(path.read_bytes())
    if text is None:
        _skip(path, "not a text")
        return None
    if form == "html":
        text, form = to_markdown(text), "markdown"
    if form == "json":
        text, form = spaced_json(text), "plain"
    name = path.relative_to(inside).as_posix().encode(errors="surrogateescape").decode(errors="replace")
    return Document(name, text, form)


def spaced_json(text: str) -> str:
    """JSON with a line for each member, so that it can be cut between them; text that is no JSON as it is."""
    try:
        return orjson.dumps(orjson.loads(text), option=orjson.OPT_INDENT_2).decode()
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):  # the second: nested too deeply
        return text


def _keep(path: Path, refuse: Callable[[Path], str | None]) -> bool:
    try:
        reason = refuse(path)
    except (OSError, RuntimeError) as error:  # RuntimeError: links that lead to each other
        reason = str(error)
    if reason is not None:
        _skip(path, reason)
    return reason is None


def _refuse_folder(path: Path) -> str | None:
    if path.name.startswith("."):
        return "hidden"
    return "a link to a folder" if path.is_symlink() else None


def _refuse_file(inside: Path, endings: Collection[str], largest: int | None) -> Callable[[Path], str | None]:
    def refuse(path: Path) -> str | None:
        if path.name.startswith("."):
            return "hidden"
        if path.is_symlink() and not path.resolve(strict=True).is_relative_to(inside):
            return "a link that leads outside"
        if path.suffix.lower() not in endings:
            return f"no text format ({path.suffix})"
        return _refuse_content(path.stat(), largest)

    return refuse


def _refuse_content(status: os.stat_result, largest: int | None) -> str | None:
    if not stat.S_ISREG(status.st_mode):
        return "no regular file"
    if largest is None or status.st_size <= largest:
        return None
    return f"larger than {largest // 1024 // 1024} MB"


def _unreadable(error: OSError) -> None:
    _skip(Path(error.filename), error.strerror or "unreadable")


def _skip(path: Path, reason: str) -> None:
    log.info("library: %s left out: %s", path, reason)
