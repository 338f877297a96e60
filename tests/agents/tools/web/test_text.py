"""What a reader would read on a page: the main text of HTML, in whatever letters it comes."""

from __future__ import annotations

import logging

import pytest

from agents.tools.web.fetch import Page
from agents.tools.web.text import HTML_CHARACTERS, Readable, readable

ARTICLE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>The history of tea &ndash; A Site</title>
<script>var tracking = "on";</script><style>p { color: red }</style></head>
<body><nav><a href="/">Home</a> <a href="/shop">Shop our teas</a></nav>
<main><article><h1>The history of tea</h1>
<p>Tea was first drunk in China, as a medicine. It took <b>centuries</b> to become a pleasure.</p>
<h2>Trade</h2><p>Caravans carried it across Asia &amp; Europe.</p>
<ul><li>green tea</li><li>black tea</li></ul>
<table><tr><th>Year</th><th>Tons</th></tr><tr><td>1700</td><td>12</td></tr></table>
</article></main>
<aside>Subscribe to our newsletter!</aside><footer>© A Site. Cookie settings. All rights reserved.</footer></body></html>"""


def page(body: str | bytes, kind: str = "text/html", charset: str | None = None) -> Page:
    return Page("https://example.org/", kind, body.encode() if isinstance(body, str) else body, charset)


def test_an_article_without_what_stands_around_it() -> None:
    found = readable(page(ARTICLE))
    assert found.title == "The history of tea"
    assert found.text.splitlines() == [
        "# The history of tea",
        "",
        "Tea was first drunk in China, as a medicine. It took **centuries** to become a pleasure.",
        "",
        "## Trade",
        "",
        "Caravans carried it across Asia & Europe.",
        "",
        "- green tea",
        "- black tea",
        "",
        "| Year | Tons | ",
        "|---|---|",
        "| 1700 | 12 |",
    ]


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<title>A &amp; B</title><p>Only this.</p>", Readable("A & B", "Only this.")),
        ("<p>Only this.", Readable("", "Only this.")),
        ("just words, no tags", Readable("", "just words, no tags")),
        ("<html><body><div id=root></div><script>app()</script></body></html>", Readable("", "")),
        ("<html><head><title>Empty</title></head><body></body></html>", Readable("Empty", "")),
        ("", Readable("", "")),
        ("   ", Readable("", "")),
    ],
)
def test_pages_with_little_on_them(html: str, expected: Readable) -> None:
    assert readable(page(html)) == expected


@pytest.mark.parametrize("kind", ["text/plain", "application/json", "application/rss+xml"])
def test_other_text_stays_as_it_is(kind: str) -> None:
    body = '  {"a": "<b>"}\n\n\n\nx '
    assert readable(page(body, kind)) == Readable("", body.strip())


@pytest.mark.parametrize(
    ("body", "charset", "text"),
    [
        ("Grüße".encode(), None, "Grüße"),
        ("Grüße".encode("latin-1"), None, "Grüße"),
        ("Grüße".encode("latin-1"), "iso-8859-1", "Grüße"),
        ("“Grüße”".encode("cp1252"), "ISO-8859-1", "“Grüße”"),
        ("Привет".encode("koi8-r"), "koi8-r", "Привет"),
        ("東京".encode("shift_jis"), "Shift_JIS", "東京"),
        ("東京".encode("gb18030"), "GBK", "東京"),
        ("Grüße".encode("utf-16"), None, "Grüße"),
        (b"\xef\xbb\xbf" + "Grüße".encode(), "iso-8859-1", "Grüße"),
        ('<meta charset="windows-1251">Привет'.encode("cp1251"), None, '<meta charset="windows-1251">Привет'),
        ("Grüße".encode(), "no-such-charset", "Grüße"),
        (b"a\xffb", "utf-8", "a\ufffdb"),
    ],
)
def test_letters(body: bytes, charset: str | None, text: str) -> None:
    assert readable(page(body, "text/plain", charset)).text == text


@pytest.mark.parametrize("charset", ["idna", "punycode", "utf-7", "unicode_escape", "zlib", "hex", "\x00", "a" * 1000])
def test_what_python_calls_an_encoding_and_the_web_does_not(charset: str) -> None:
    assert readable(page(b"+AGEAYg-", "text/plain", charset)).text == "+AGEAYg-"


def test_what_is_compressed_inside_stays_closed() -> None:
    import gzip

    assert "aaaa" not in readable(page(gzip.compress(b"<p>" + b"a" * 1000))).text


@pytest.mark.parametrize(
    "html",
    ["<div>" * 50_000, "<table><tr><td>" * 5_000, "<p " + "a=b " * 100_000, "<a " * 50_000, "<meta charset=" * 50_000],
)
def test_hostile_pages_end(html: str) -> None:
    assert isinstance(readable(page(f"<html><body>{html}x")), Readable)


def test_a_page_without_end_is_read_as_far_as_it_makes_sense() -> None:
    found = readable(page("<html><body><p>begin</p>" + " " * HTML_CHARACTERS + "<p>end</p></body></html>"))
    assert found.text == "begin"


def test_nobody_is_bothered_by_pages_without_text(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        readable(page("<html></html>"))
    assert caplog.records == []
