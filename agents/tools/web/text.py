"""What a reader would read on a page, as text. Takes CPU: to be called in a thread."""

from __future__ import annotations

import codecs
import logging
import re
from dataclasses import dataclass

from agents.tools.web.fetch import Page

# trafilatura takes seconds for the largest pages; what stands behind this is cut off anyway.
HTML_CHARACTERS = 1_000_000

_HTML = ("text/html", "application/xhtml+xml")
_META_CHARSET = re.compile(rb"""<meta[^>]{0,200}charset\s{0,5}=\s{0,5}["']?\s{0,5}([A-Za-z0-9_:.-]{1,40})""", re.I)
_TITLE = re.compile(r"<title[^>]{0,200}>([^<]{0,400})", re.I)
_BLANK_LINES = re.compile(r"\n{3,}")

_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}

# The encodings of the web. Python knows others, and some of those take for ever.
_ENCODINGS = re.compile(
    r"utf[-_]?8|utf[-_]?16([-_][lb]e)?|ascii|latin[-_]?1|iso8859[-_]\d+|cp(125\d|866|874|932|949)|koi8[-_][rut]|mac[-_]?\w+"
    r"|gb\w+|big5\w*|euc[-_]\w+|shift_jis\w*|iso2022[-_]\w+|tis[-_]620"
)


@dataclass(frozen=True, slots=True)
class Readable:
    """A page's title, which may be empty, and its text."""

    title: str
    text: str


def readable(page: Page) -> Readable:
    """The main text of an HTML page as markdown; other pages as they are."""
    text = decoded(page)
    if page.kind not in _HTML:
        return Readable("", text.strip())
    html = text[:HTML_CHARACTERS]
    if "html" not in html[:50].lower():  # trafilatura reads whole documents alone
        html = f"<html>{html}"
    title = _TITLE.search(html)
    return _extracted(html, _unescaped(title[1]) if title else "")


def decoded(page: Page) -> str:
    """A page's text: by its byte order mark, by what its site says, by what it says itself, else UTF-8 or what Windows
    takes for Latin."""
    for mark, name in _MARKS.items():
        if page.body.startswith(mark):
            return page.body[len(mark) :].decode(name, "replace")
    meta = _META_CHARSET.search(page.body[:4096])
    encoding = _known(page.charset) or _known(meta[1].decode() if meta else None)
    if encoding is not None:
        return page.body.decode(encoding, "replace")
    try:
        return page.body.decode()
    except UnicodeDecodeError:
        return page.body.decode("cp1252", "replace")


def _known(name: str | None) -> str | None:
    """An encoding by Python's name for it. What calls itself Latin-1 is in truth Windows' own."""
    try:
        found = codecs.lookup(name or "").name
    except (LookupError, ValueError):
        return None
    if found in ("ascii", "iso8859-1"):
        return "cp1252"
    return found if _ENCODINGS.fullmatch(found) else None


def _extracted(html: str, title: str) -> Readable:
    import trafilatura

    _silence()
    document = trafilatura.bare_extraction(
        html, fast=True, with_metadata=True, include_comments=False, include_formatting=True, include_tables=True
    )
    if not isinstance(document, trafilatura.settings.Document):  # nothing looks like the main text: take all there is
        return Readable(title, _BLANK_LINES.sub("\n\n", trafilatura.html2txt(html)).strip())
    return Readable(document.title or title, _BLANK_LINES.sub("\n\n", document.text or "").strip())


def _silence() -> None:
    """A page that makes no sense to the extraction is the model's business and not the operator's."""
    for name in ("trafilatura", "htmldate", "courlan"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _unescaped(title: str) -> str:
    import html

    return " ".join(html.unescape(title).split())
