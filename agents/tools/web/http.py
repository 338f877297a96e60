"""Providers that are asked by plain HTTP and answer in JSON. Each is an `Api`: two pure functions in a file of its own."""

from __future__ import annotations

import asyncio
import html
import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import aiohttp
import orjson

from agents.tools.web.client import Client, TooLarge, read
from agents.tools.web.port import Query, Result, SearchFailed

SECONDS = 10.0
MAX_BYTES = 2 * 1024 * 1024
SNIPPET_CHARACTERS = 1000

logger = logging.getLogger(__name__)
_TAG = re.compile(r"</?[a-zA-Z][^<>]{0,200}>")


@dataclass(frozen=True, slots=True)
class Ask:
    """A request to a provider."""

    url: str
    method: Literal["GET", "POST"] = "GET"
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    json: Mapping[str, Any] | None = None


class Api(Protocol):
    """How one provider is spoken to. `results` raises `ValueError` for what is no list of results; its message, if there
    is one, is the provider's own complaint."""

    @property
    def name(self) -> str: ...

    def ask(self, query: Query) -> Ask: ...

    def results(self, body: Any) -> Iterable[Result]: ...

    def advice(self, status: int) -> str | None:
        """What a refusal of that status means here, where it means something of its own."""


class HttpProvider:
    """A `Provider` over an `Api`."""

    def __init__(self, api: Api, seconds: float = SECONDS) -> None:
        self._api = api
        self._seconds = seconds
        self._client = Client()

    async def search(self, query: Query) -> Sequence[Result]:
        """See `Provider`. One try: whether to search again is the model's decision."""
        name = self._api.name
        try:
            async with asyncio.timeout(self._seconds):
                body = await self._asked(self._api.ask(query))
        except TimeoutError:
            raise self._failed(f"{name} did not answer within {self._seconds:g} seconds.") from None
        except TooLarge:
            raise self._failed(f"{name} answered with more than can be read.") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            logger.debug("search: %s: %r", name, error)
            raise self._failed(f"{name} can't be reached at the moment.") from error
        return self._read(body)[: query.limit]

    async def close(self) -> None:
        await self._client.close()

    async def _asked(self, ask: Ask) -> bytes:
        request = self._client.open().request(
            ask.method, ask.url, params=ask.params, headers=ask.headers, json=ask.json, allow_redirects=False
        )
        async with request as response:
            if response.status != 200:
                raise self._refused(response)
            return await read(response, MAX_BYTES)

    def _read(self, body: bytes) -> list[Result]:
        try:
            return [*self._api.results(orjson.loads(body))]
        except ValueError as error:
            complaint = "" if isinstance(error, orjson.JSONDecodeError) else str(error)
            raise self._failed(f"{self._api.name} failed: {complaint or 'its answer makes no sense.'}") from None

    def _refused(self, response: aiohttp.ClientResponse) -> SearchFailed:
        status, name = response.status, self._api.name
        if advice := self._api.advice(status):
            return self._failed(advice)
        if status in (401, 402, 403):
            return self._failed(f"{name} does not let this service in ({status}); only its operator can change that.")
        if status == 429:
            return self._failed(f"{name} takes no more searches at the moment (429).{_wait(response)}")
        if status in (400, 414, 422):
            return self._failed(f"{name} does not accept this search ({status}): try fewer or simpler words.")
        return self._failed(f"{name} is out of order ({status}).")

    def _failed(self, message: str) -> SearchFailed:
        logger.warning("search: %s", message)
        return SearchFailed(message)


def _wait(response: aiohttp.ClientResponse) -> str:
    seconds = response.headers.get("Retry-After", "")
    return f" It asks to wait for {seconds} seconds." if re.fullmatch("[0-9]{1,6}", seconds) else ""


def rows(body: Any, *path: str) -> Iterator[Mapping[str, Any]]:
    """The objects in the list at a path of a body; none where something on the way is missing. Raises `ValueError` where
    something else is there, or the body is no object."""
    found = body
    for key in path:
        if not isinstance(found, dict):
            raise ValueError
        found = found.get(key) or {}
    if found and not isinstance(found, list):
        raise ValueError
    return (row for row in found if isinstance(row, dict))


def text(row: Mapping[str, Any], key: str) -> str:
    """A text of a row; empty where there is none."""
    value = row.get(key)
    return value if isinstance(value, str) else ""


def snippet(value: str) -> str:
    """What a provider quotes, on one line and cut."""
    line = " ".join(value[: 4 * SNIPPET_CHARACTERS].split())
    return line if len(line) <= SNIPPET_CHARACTERS else f"{line[:SNIPPET_CHARACTERS].rstrip()}…"


def plain(value: str) -> str:
    """A provider's HTML, without its tags."""
    return html.unescape(_TAG.sub("", value[: 4 * SNIPPET_CHARACTERS]))
