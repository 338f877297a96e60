"""Fetches pages of the public web: guarded, with limits, and as their sites ask in robots.txt."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from http.client import responses

import aiohttp
from yarl import URL

from agents.tools.web import robots
from agents.tools.web.client import PRODUCT, Client, TooLarge, read
from agents.tools.web.guard import Blocked, Guard

ACCEPT = "text/html, application/xhtml+xml, text/plain;q=0.9, application/json;q=0.9, application/xml;q=0.8, */*;q=0.1"
_REDIRECTS = (301, 302, 303, 307, 308)
_REMEMBERED = 256
_MINUTES = 10

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """What a page may cost: seconds in all, bytes after decompression, redirects."""

    seconds: float = 10
    max_bytes: int = 2 * 1024 * 1024
    redirects: int = 5


@dataclass(frozen=True, slots=True)
class Page:
    """A page as it came. `kind` is its media type, `charset` what its site says of its letters."""

    url: str
    kind: str
    body: bytes
    charset: str | None = None


class NotFetched(Exception):
    """There is no page. The message is a sentence for the model."""


class Fetcher:
    """Fetches pages; safe to use from many tasks of one event loop."""

    def __init__(self, guard: Guard, limits: FetchLimits | None = None) -> None:
        self._guard = guard
        self._limits = limits or FetchLimits()
        self._client = Client(guard.connector)
        self._rules = _Remembered()

    async def fetch(self, address: str) -> Page:
        """The page at an address. Raises `NotFetched`."""
        try:
            async with asyncio.timeout(self._limits.seconds):
                return await self._follow(self._guard.check(address))
        except TimeoutError:
            raise NotFetched(f"The page did not come within {self._limits.seconds:g} seconds.") from None
        except TooLarge:
            raise NotFetched(
                f"The page is larger than {self._limits.max_bytes / 2**20:g} MB: it is not read."
            ) from None
        except (aiohttp.ClientError, OSError) as error:
            raise NotFetched(_why(error)) from error

    async def close(self) -> None:
        await self._client.close()

    async def _follow(self, url: URL) -> Page:
        for _ in range(self._limits.redirects + 1):
            await self._ask_robots(url)
            async with self._get(url) as response:
                if (target := _target(response)) is None:
                    return await self._page(response)
                url = self._guard.check(target)
        raise NotFetched(f"The address leads on and on, more than {self._limits.redirects} times.")

    def _get(self, url: URL) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        return self._client.open().get(url, headers={"Accept": ACCEPT}, allow_redirects=False)

    async def _page(self, response: aiohttp.ClientResponse) -> Page:
        kind = response.content_type
        refusal = _refused(response) or _unreadable(kind)
        if refusal:
            response.close()
            raise NotFetched(refusal)
        if (response.content_length or 0) > self._limits.max_bytes:
            response.close()
            raise TooLarge
        return Page(str(response.url), kind, await read(response, self._limits.max_bytes), response.charset)

    async def _ask_robots(self, url: URL) -> None:
        rules = self._rules.get(url.origin()) or await self._robots(url.origin())
        if not await asyncio.to_thread(rules.allow, url.raw_path_qs):  # a site may have any number of rules
            raise NotFetched("The site asks programs not to read this page (robots.txt). Look for another source.")

    async def _robots(self, origin: URL) -> robots.Rules:
        """The rules of a site. One that has none allows all; one whose rules can't be read now allows nothing now."""
        url = origin / "robots.txt"
        for _ in range(self._limits.redirects + 1):
            async with self._get(url) as response:
                if (target := _target(response)) is None:
                    return await self._rules_in(response, origin)
                url = self._guard.check(target)
        return self._rules.put(origin, robots.Rules())

    async def _rules_in(self, response: aiohttp.ClientResponse, origin: URL) -> robots.Rules:
        if response.status >= 500:
            response.close()
            raise NotFetched("The site is out of order: what it lets programs read (robots.txt) can't be found out.")
        if response.status != 200:
            response.close()
            return self._rules.put(origin, robots.Rules())
        body = await _beginning(response, robots.MAX_BYTES)
        return self._rules.put(origin, await asyncio.to_thread(robots.read, body, PRODUCT))


class _Remembered:
    """The rules of the sites that were asked last, for a few minutes."""

    def __init__(self) -> None:
        self._known: OrderedDict[URL, tuple[float, robots.Rules]] = OrderedDict()

    def get(self, origin: URL) -> robots.Rules | None:
        until, rules = self._known.get(origin, (0.0, None))
        return rules if asyncio.get_running_loop().time() < until else None

    def put(self, origin: URL, rules: robots.Rules) -> robots.Rules:
        self._known[origin] = asyncio.get_running_loop().time() + 60 * _MINUTES, rules
        self._known.move_to_end(origin)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return rules


def _target(response: aiohttp.ClientResponse) -> str | None:
    """Where a redirect leads. One without a place is an answer like any other."""
    location = response.headers.get("Location")
    if response.status not in _REDIRECTS or not location:
        return None
    response.close()
    try:
        return str(response.url.join(URL(location)))
    except ValueError:
        raise NotFetched("The address leads to something that is no address of a web page.") from None


def _refused(response: aiohttp.ClientResponse) -> str | None:
    status = response.status
    if 200 <= status < 300:
        return None
    if status in (404, 410):
        return f"There is no such page ({status})."
    if status in (401, 402, 403, 429, 451):
        return f"The site does not let this page be read here ({status}). Look for another source."
    return f"The site answers with no page ({status} {responses.get(status, '')}".rstrip() + ")."


def _unreadable(kind: str) -> str | None:
    if kind == "application/pdf":
        return "This is a PDF, which can't be read here. Look for the same on a web page."
    readable = kind.startswith("text/") or kind.endswith(("/json", "+json", "/xml", "+xml"))
    return None if readable else f"This is no text but {kind:.100}, which can't be read here."


async def _beginning(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """A body, as far as the limit goes."""
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > limit:
            response.close()
            break
    return bytes(body[:limit])


def _why(error: Exception) -> str:
    """What a broken connection means to the model."""
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, Blocked):
        return str(cause)
    logger.debug("a page could not be fetched: %r", error)
    if isinstance(error, aiohttp.ClientSSLError):
        return "No safe connection to the site: its certificate was not accepted."
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "There is no site of that name."
    if isinstance(error, aiohttp.ClientConnectorError):
        return "The site can't be reached."
    return "The site broke off, or sent something that is no web page."
