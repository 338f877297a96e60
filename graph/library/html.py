"""HTML as markdown: what a reader of the page would read, with its headings."""

from __future__ import annotations

import re
from html.parser import HTMLParser

_SILENT = frozenset({"script", "style", "template", "noscript", "svg", "math", "head"})
_HEADINGS = {f"h{level}": f"{'#' * level} " for level in range(1, 7)}
_BLOCK_TAGS = """
    address article aside blockquote body br dd details div dl dt fieldset figcaption figure footer form header hr li
    main nav ol p pre section summary table tr ul
"""
_BLOCKS = frozenset(_BLOCK_TAGS.split())
_CELLS = frozenset({"td", "th"})


def to_markdown(html: str) -> str:
    """The text of a page: blocks apart, headings marked with `#`, list items with `-`, the title first."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.text()


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._title: list[str] = []
        self._parts: list[str] = []
        self._silent = 0
        self._in_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_title = self._in_title or tag == "title"
        self._silent += tag in _SILENT
        if tag in _BLOCKS or tag in _HEADINGS:
            self._parts.append(f"\n\n{_HEADINGS.get(tag, '- ' if tag == 'li' else '')}")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _BLOCKS:
            self._parts.append("\n\n")

    def handle_endtag(self, tag: str) -> None:
        self._in_title = self._in_title and tag != "title"
        self._silent = max(0, self._silent - (tag in _SILENT))
        if tag in _BLOCKS or tag in _HEADINGS:
            self._parts.append("\n\n")
        elif tag in _CELLS:
            self._parts.append(" | ")

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self._title.append(data)
        elif not self._silent:
            self._parts.append(re.sub(r"\s+", " ", data))

    def text(self) -> str:
        blocks = (block.strip(" |") for block in "".join(self._parts).split("\n\n"))
        body = "\n\n".join(block for block in blocks if block.strip("#- "))
        title = " ".join("".join(self._title).split())
        return f"# {title}\n\n{body}" if title and not body.startswith("# ") else body
