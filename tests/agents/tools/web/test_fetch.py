"""Fetching: what comes through, and how everything else is told."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
import zlib

import pytest

from agents.tools.web.fetch import Fetcher, FetchLimits, NotFetched, Page
from agents.tools.web.guard import Guard
from tests.agents.tools.web.site import Answer, Site

SMALL = FetchLimits(max_bytes=100_000)


async def fetched(site: Site, path: str = "/page", limits: FetchLimits | None = None) -> Page:
    fetcher = Fetcher(Guard([site.address]), limits)
    try:
        return await fetcher.fetch(site.url + path)
    finally:
        await fetcher.close()


async def refused(site: Site, path: str = "/page", limits: FetchLimits | None = None) -> str:
    with pytest.raises(NotFetched) as caught:
        await fetched(site, path, limits)
    return str(caught.value)


async def test_a_page(site: Site) -> None:
    site.answers["/page"] = Answer("Grüße", "text/html; charset=ISO-8859-1")
    page = await fetched(site, "/page?a=b#c")
    assert page == Page(f"{site.url}/page?a=b", "text/html", "Grüße".encode(), "ISO-8859-1")
    [robots, request] = site.asked
    assert (robots.path, request.method, request.query) == ("/robots.txt", "GET", {"a": "b"})
    assert request.headers["User-Agent"].startswith("CortexFlow/")
    assert not {"Cookie", "Authorization", "Referer"} & set(request.headers)


@pytest.mark.parametrize(
    "kind",
    [
        "text/html",
        "TEXT/HTML; charset=x",
        "application/xhtml+xml",
        "text/plain",
        "text/markdown",
        "application/json",
        "application/ld+json",
        "application/xml",
        "text/xml",
        "application/rss+xml",
        "image/svg+xml",
    ],
)
async def test_kinds_that_are_text(site: Site, kind: str) -> None:
    site.answers["/page"] = Answer("text", kind)
    assert (await fetched(site)).kind == kind.partition(";")[0].lower()


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("application/pdf", "This is a PDF"),
        ("image/png", "no text but image/png"),
        ("application/octet-stream", "no text but application/octet-stream"),
        ("application/zip", "no text but application/zip"),
        ("video/mp4", "no text but video/mp4"),
        ("", "no text but application/octet-stream"),
    ],
)
async def test_kinds_that_are_not(site: Site, kind: str, told: str) -> None:
    site.answers["/page"] = Answer(b"%PDF-1.7", kind or "application/octet-stream")
    assert told in await refused(site)


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (404, "no such page (404)"),
        (410, "no such page (410)"),
        (401, "does not let this page be read here (401)"),
        (403, "does not let this page be read here (403)"),
        (429, "does not let this page be read here (429)"),
        (451, "does not let this page be read here (451)"),
        (400, "no page (400 Bad Request)"),
        (500, "no page (500 Internal Server Error)"),
        (503, "no page (503 Service Unavailable)"),
        (304, "no page (304 Not Modified)"),
        (302, "no page (302 Found)"),
        (799, "no page (799)"),
    ],
)
async def test_an_answer_that_is_no_page(site: Site, status: int, told: str) -> None:
    site.answers["/page"] = Answer("words that nobody reads", status=status)
    assert told in await refused(site)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_lead_to_the_page(site: Site, status: int) -> None:
    site.redirect("/page", "/second?x=1", status)
    site.redirect("/second", f"{site.url}/third#part", status)
    site.answers["/third"] = Answer("there")
    page = await fetched(site)
    assert (page.url, page.body) == (f"{site.url}/third", b"there")


async def test_redirects_end_somewhere(site: Site) -> None:
    for number in range(10):
        site.redirect(f"/{number}", f"/{number + 1}")
    site.answers["/10"] = Answer("there")
    assert (await fetched(site, "/5")).body == b"there"
    assert "more than 5 times" in await refused(site, "/4")
    site.redirect("/page", "/page")
    assert "more than 5 times" in await refused(site)


async def test_a_page_that_says_it_is_too_large_is_not_begun(site: Site) -> None:
    site.answers["/page"] = Answer(b"x" * 3_000_000)
    assert "larger than 2 MB" in await refused(site)


async def test_a_page_is_counted_as_it_comes(site: Site) -> None:
    site.answers["/page"] = Answer([b"x" * 50_000] * 2)
    assert len((await fetched(site, limits=SMALL)).body) == 100_000
    site.answers["/page"] = Answer([b"x" * 50_000] * 2 + [b"x"])
    assert "larger than" in await refused(site, limits=SMALL)
    never = asyncio.Event()
    site.answers["/page"] = Answer([b"x" * 200_000, b"x"], trickle=never)
    assert "larger than" in await refused(site, limits=SMALL), "the rest is not waited for"
    never.set()


BOMBS = {
    "gzip": gzip.compress(bytes(64_000_000), 9),
    "deflate": zlib.compress(bytes(64_000_000), 9),
    "gzip of many members": gzip.compress(bytes(64_000)) * 1000,
}


@pytest.mark.parametrize("name", BOMBS)
async def test_a_bomb_is_counted_as_it_goes_off(site: Site, name: str) -> None:
    site.answers["/page"] = Answer([BOMBS[name]], headers={"Content-Encoding": name.partition(" ")[0]})
    fetcher = Fetcher(Guard([site.address]), SMALL)
    tracemalloc.start()
    try:
        with pytest.raises(NotFetched, match="larger than"):
            await fetcher.fetch(f"{site.url}/page")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        await fetcher.close()
    assert peak < 8_000_000


async def test_what_was_compressed_is_read(site: Site) -> None:
    site.answers["/page"] = Answer(gzip.compress(b"small"), headers={"Content-Encoding": "gzip"})
    assert (await fetched(site)).body == b"small"


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br"])
async def test_what_is_not_compressed_as_it_says(site: Site, encoding: str) -> None:
    site.answers["/page"] = Answer(b"this is plain text, really", headers={"Content-Encoding": encoding})
    assert "broke off, or sent something that is no web page" in await refused(site)


async def test_a_site_that_says_nothing(site: Site) -> None:
    hold = asyncio.Event()
    site.answers["/page"] = Answer(hold=hold)
    assert "within 0.1 seconds" in await refused(site, limits=FetchLimits(seconds=0.1))
    hold.set()


async def test_a_site_that_never_ends(site: Site) -> None:
    never = asyncio.Event()
    site.answers["/page"] = Answer([b"x", b"x"], trickle=never)
    assert "within 0.1 seconds" in await refused(site, limits=FetchLimits(seconds=0.1))
    never.set()


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nContent-Type: text/html\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
    ],
)
async def test_what_is_no_http(said: bytes) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        writer.write(
            b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            if b"robots" in request
            else said
        )
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    fetcher = Fetcher(Guard([("127.0.0.1", port)]))
    async with server:
        with pytest.raises(NotFetched, match="broke off, or sent something that is no web page"):
            await fetcher.fetch(f"http://127.0.0.1:{port}/")
        await fetcher.close()


async def test_nobody_there_and_no_safe_connection(site: Site) -> None:
    fetcher = Fetcher(Guard([site.address]))
    with pytest.raises(NotFetched, match=r"certificate|can't be reached"):
        await fetcher.fetch(f"https://127.0.0.1:{site.port}/")
    await site.stop()
    with pytest.raises(NotFetched, match="can't be reached"):
        await fetcher.fetch(site.url)
    await fetcher.close()


async def test_robots_are_asked_once_for_all_pages_of_a_site(site: Site) -> None:
    site.answers["/robots.txt"] = Answer("User-agent: *\nDisallow: /no", "text/plain")
    site.answers["/yes"] = site.answers["/no"] = Answer("page")
    fetcher = Fetcher(Guard([site.address]))
    assert (await fetcher.fetch(f"{site.url}/yes")).body == b"page"
    with pytest.raises(NotFetched, match=r"robots\.txt"):
        await fetcher.fetch(f"{site.url}/no?x")
    assert (await fetcher.fetch(f"{site.url}/yes")).body == b"page"
    await fetcher.close()
    assert [asked.path for asked in site.asked] == ["/robots.txt", "/yes", "/yes"]


async def test_robots_hold_for_what_a_redirect_leads_to(site: Site) -> None:
    site.answers["/robots.txt"] = Answer("User-agent: CortexFlow\nDisallow: /no", "text/plain")
    site.answers["/no"] = Answer("page")
    site.redirect("/page", "/no")
    assert "robots.txt" in await refused(site)
    assert site.paths == ["/page"]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 429])
async def test_a_site_without_robots_allows_all(site: Site, status: int) -> None:
    site.answers["/robots.txt"] = Answer("User-agent: *\nDisallow: /", status=status)
    site.answers["/page"] = Answer("page")
    assert (await fetched(site)).body == b"page"


@pytest.mark.parametrize("status", [500, 503])
async def test_robots_that_cannot_be_read_now_allow_nothing_now(site: Site, status: int) -> None:
    site.answers["/robots.txt"] = Answer(status=status)
    site.answers["/page"] = Answer("page")
    fetcher = Fetcher(Guard([site.address]))
    with pytest.raises(NotFetched, match=r"robots\.txt"):
        await fetcher.fetch(f"{site.url}/page")
    del site.answers["/robots.txt"]
    assert (await fetcher.fetch(f"{site.url}/page")).body == b"page", "not remembered"
    await fetcher.close()


async def test_robots_may_be_elsewhere(site: Site) -> None:
    site.redirect("/robots.txt", "/rules")
    site.answers["/rules"] = Answer("User-agent: *\nDisallow: /page", "text/plain")
    assert "robots.txt" in await refused(site)
    site.redirect("/robots.txt", "/robots.txt")
    site.answers["/page"] = Answer("page")
    assert (await fetched(site)).body == b"page", "nowhere is nothing"


async def test_robots_without_end_are_read_as_far_as_one_must(site: Site) -> None:
    never = asyncio.Event()
    site.answers["/robots.txt"] = Answer([b"User-agent: *\nDisallow: /page\n" + b"#" * 600_000, b"x"], trickle=never)
    assert "robots.txt" in await refused(site)
    never.set()


async def test_pages_may_be_fetched_again_after_closing(site: Site) -> None:
    site.answers["/page"] = Answer("page")
    fetcher = Fetcher(Guard([site.address]))
    for _ in range(2):
        assert (await fetcher.fetch(f"{site.url}/page")).body == b"page"
        await fetcher.close()
