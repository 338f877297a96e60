"""How pages and search providers are asked: one session of aiohttp, opened at its first use, under our own name."""

from __future__ import annotations

from collections.abc import Callable

import aiohttp

PRODUCT = "CortexFlow"
USER_AGENT = f"{PRODUCT}/1 (research agent; looks things up for the user who asks)"


class TooLarge(Exception):
    """A body is larger than it may be."""


class Client:
    """A session that is opened in the running loop, keeps no cookies, follows no redirects and obeys no proxy settings.

    `connector` makes its connector, which belongs to the session.
    """

    def __init__(self, connector: Callable[[], aiohttp.BaseConnector] = aiohttp.TCPConnector) -> None:
        self._connector = connector
        self._session: aiohttp.ClientSession | None = None

    def open(self) -> aiohttp.ClientSession:
        """The session; also after `close`, when it is a new one."""
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(
                connector=self._connector(),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(),
                headers={"User-Agent": USER_AGENT, "Accept-Encoding": "gzip, deflate"},
            )
        return self._session

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()


async def read(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """A body, counted as it comes out of its compression. Raises `TooLarge` at the limit, and hangs up."""
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > limit:
            response.close()
            raise TooLarge
    return bytes(body)
