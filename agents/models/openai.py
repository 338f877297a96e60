"""OpenAI's chat wire over aiohttp: OpenAI itself and every server that speaks like it. The hot path of the product."""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TypeVar

import aiohttp
from yarl import URL

from agents.models.faults import ConnectionLost, may_pass, refusal, report
from agents.models.json_format import in_words
from agents.models.openai_wire import Answer, LimitKey, encode_request
from agents.models.port import (
    Message,
    ModelError,
    ModelRefused,
    ModelTimeout,
    ModelUnavailable,
    Params,
    Piece,
    ToolSpec,
)
from agents.models.provider import OPENAI_BASE_URL, ModelNotConfigured, ModelSettings
from agents.models.retry import Backoff, retry_after

logger = logging.getLogger(__name__)

_SETTLE = 0.25  # seconds that a finished answer may take to end its connection's turn
_LARGE = 2**20  # bytes; above, aiohttp wants a file, from which it sends in slices


T = TypeVar("T")


class OpenAI:
    """A server that speaks OpenAI's wire: one session for all of its models, opened at first use in the running loop.

    Raises `ModelNotConfigured` when the base URL is none, or OpenAI's own without a key.
    """

    def __init__(self, settings: ModelSettings) -> None:
        self._settings = settings
        self._base = _base_url(settings)
        self._key = (settings.openai_api_key or "").strip()
        self.limit_key: LimitKey = "max_completion_tokens" if _is_openai(self._base) else "max_tokens"
        if _is_openai(self._base) and not self._key:
            raise ModelNotConfigured(
                "Models of OpenAI need a key: set OPENAI_API_KEY, or OPENAI_BASE_URL for another server."
            )
        self._url = self.url("chat/completions")
        self._session: aiohttp.ClientSession | None = None
        self._streamed = _timeout(settings, settings.silence_timeout)
        self._plain = _timeout(settings, settings.answer_timeout)

    async def tried(self, model: str, attempt: Callable[[], Awaitable[T]]) -> T:
        """What an attempt gives; it is made again, after a wait, where that can help. Raises the last one's `ModelError`,
        without our key."""
        backoff, failures = Backoff(self._settings.retries, self._settings.backoff), 0
        while True:
            try:
                return await attempt()
            except ModelError as error:
                self.mask(error)
                failures += 1
                wait = backoff.wait(failures, error.retry_after) if may_pass(error) else None
                report(logger, model, error, "giving up" if wait is None else f"trying again in {wait:.2f} s")
                if wait is None:
                    raise
            await asyncio.sleep(wait)

    @property
    def silence(self) -> float:
        """Seconds between two reads of a stream, at most."""
        return self._settings.silence_timeout

    def url(self, path: str) -> URL:
        """An address of this server."""
        return (self._base / path).with_query(self._base.query)

    def open(self, model: str) -> OpenAIModel:
        return OpenAIModel(model, self)

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def post(self, body: bytes, stream: bool, url: URL | None = None) -> aiohttp.ClientResponse:
        """The answer to a request (at `url`, else to a chat request), its body still to be read. Raises a `ModelError` for
        everything but success."""
        data = io.BytesIO(body) if len(body) > _LARGE else body
        timeout = self._streamed if stream else self._plain
        try:
            response = await self._opened().post(url or self._url, data=data, timeout=timeout, allow_redirects=False)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _fault(error) from error
        if not 200 <= response.status < 300:
            raise await self._refusal(response)
        return response

    async def _refusal(self, response: aiohttp.ClientResponse) -> ModelError:
        async with response:
            try:
                body = await response.read()
            except (aiohttp.ClientError, TimeoutError):
                body = b""  # the status says enough
        return refusal(response.status, body, retry_after(response.headers))

    def mask(self, error: ModelError) -> ModelError:
        """The error without our key, which a server may repeat wherever it says something."""
        if self._key:
            error.message = error.message.replace(self._key, "***")
            error.args = (error.message,)
            error.__notes__ = [note.replace(self._key, "***") for note in getattr(error, "__notes__", ())]
        return error

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers=self._headers(),
            )
        return self._session

    def _headers(self) -> dict[str, str]:
        headers = {
            "Accept": "application/json, text/event-stream",
            "Accept-Encoding": "identity",
            "Content-Type": "application/json",
            "User-Agent": "cortex-flow",
        }
        if self._key and self._base.user is None:
            headers["Authorization"] = f"Bearer {self._key}"
        if self._settings.openai_organization:
            headers["OpenAI-Organization"] = self._settings.openai_organization
        return headers


class OpenAIModel:
    """A model of such a server. `close` closes the connections of all of the server's models."""

    def __init__(self, model: str, server: OpenAI) -> None:
        self._model = model
        self._server = server
        self._in_words: set[str] = set()  # the formats that it refuses beside tools

    @property
    def name(self) -> str:
        return f"openai:{self._model}"

    @property
    def fingerprint(self) -> str | None:
        return None

    @property
    def gives_logprobs(self) -> bool:
        return True

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec], params: Params
    ) -> AsyncGenerator[Sequence[Piece], None]:
        reading, pieces = await self._asked(messages, tools, params)
        try:
            while pieces:
                yield pieces
                pieces = await reading.next()
            await reading.settle()
        except ModelError as error:
            report(logger, self.name, self._server.mask(error), "in the middle of an answer")
            raise
        finally:
            reading.close()

    async def close(self) -> None:
        await self._server.close()

    async def _asked(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec], params: Params
    ) -> tuple[_Reading, Sequence[Piece]]:
        """The answer's beginning. Some servers refuse a format beside tools: they are told of it in words, the first time
        when they have refused, from then on at once."""
        body = encode_request(self._model, messages, tools, params, self._server.limit_key)
        if not (tools and params.response_format):
            return await self._begin(body, params.stream)
        kind, refused = str(params.response_format.get("type")), None
        if kind not in self._in_words:
            try:
                return await self._begin(body, params.stream)
            except ModelRefused as error:
                if "invalid schema" in error.message.lower():  # which the client has to mend
                    raise
                refused = error
        worded, plain = in_words(messages, params.response_format), replace(params, response_format=None)
        body = encode_request(self._model, worded, tools, plain, self._server.limit_key)
        try:
            begun = await self._begin(body, params.stream)
        except ModelRefused as error:  # it was about something else
            raise refused or error from None
        self._in_words.add(kind)
        return begun

    async def _begin(self, body: bytes, stream: bool) -> tuple[_Reading, Sequence[Piece]]:
        """The answer and its first pieces. What fails before these may be tried again."""
        return await self._server.tried(self.name, lambda: self._try(body, stream))

    async def _try(self, body: bytes, stream: bool) -> tuple[_Reading, Sequence[Piece]]:
        response = await self._server.post(body, stream)
        reading = _Reading(response, stream, self._server.silence)
        try:
            return reading, await reading.next()
        except BaseException:
            reading.close()
            raise


class _Reading:
    """An answer that is being read. What the server says it sends counts, not what it was asked for."""

    def __init__(self, response: aiohttp.ClientResponse, stream: bool, silence: float) -> None:
        kind = response.headers.get("Content-Type", "").lower()
        self._response = response
        self._streamed = "event-stream" in kind or (stream and "json" not in kind and "html" not in kind)
        self._answer = Answer()
        self._ended = False
        self._silence = _Silence(response, silence) if self._streamed else None

    async def next(self) -> Sequence[Piece]:
        """The pieces of the next read that brings some; none when the answer has ended."""
        pieces: Sequence[Piece] = ()
        while not (pieces or self._ended):
            pieces = await (self._read() if self._streamed else self._read_whole())
        return pieces

    async def settle(self) -> None:
        """Reads to the end of the response, if it comes at once, so that the connection can be used again."""
        if self._response.content.at_eof():
            return
        try:
            async with asyncio.timeout(_SETTLE):
                await self._response.read()
        except (aiohttp.ClientError, TimeoutError, OSError):
            logger.debug("A server keeps its finished answers open; their connections are not used again.")

    def close(self) -> None:
        """Closes the connection, unless the response was read to its end."""
        if self._silence is not None:
            self._silence.over()
        self._response.close()

    async def _read(self) -> list[Piece]:
        data = await self._bytes()
        if data:
            pieces = self._answer.feed(data)
            if not self._answer.done:
                return pieces
            self._ended = True
            return pieces + self._answer.end()
        self._ended = True
        return self._answer.end()

    async def _bytes(self) -> bytes:
        """The next bytes off the socket; none at the end, or where a whole answer lacks only its formal end."""
        if self._silence is not None:
            self._silence.begin()
        try:
            return await self._response.content.readany()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            if self._answer.complete:
                return b""
            raise _fault(error) from error

    async def _read_whole(self) -> list[Piece]:
        self._ended = True
        try:
            body = await self._response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _fault(error) from error
        return self._answer.whole(body)


class _Silence:
    """Breaks a stream that is silent for too long. One timer looks after all of its reads: aiohttp's `sock_read` would set
    another one for each."""

    def __init__(self, response: aiohttp.ClientResponse, seconds: float) -> None:
        self._content, self._seconds = response.content, seconds
        self._loop = asyncio.get_running_loop()
        self.begin()
        self._timer = self._loop.call_later(seconds, self._look)
        connection = response.connection  # None where everything came with the head
        if connection is not None and connection.protocol is not None:
            connection.protocol.read_timeout = None

    def begin(self) -> None:
        """A read begins."""
        self._since = self._loop.time()

    def over(self) -> None:
        self._timer.cancel()

    def _look(self) -> None:
        left = self._since + self._seconds - self._loop.time()
        if left > 0:
            self._timer = self._loop.call_later(left, self._look)
        else:
            self._content.set_exception(aiohttp.SocketTimeoutError("Timeout on reading data from socket"))


def _base_url(settings: ModelSettings) -> URL:
    written = settings.openai_base_url.strip().rstrip("/") or OPENAI_BASE_URL
    try:
        base = URL(written)
    except ValueError:
        base = URL()
    if base.scheme not in ("http", "https") or not base.host:
        raise ModelNotConfigured("OPENAI_BASE_URL is no address: it should look like http://localhost:11434/v1.")
    return base


def _is_openai(base: URL) -> bool:
    """Whether this is OpenAI itself, and not a server that speaks like it."""
    host = base.host or ""
    return host == "api.openai.com" or host.endswith(".api.openai.com")


def _timeout(settings: ModelSettings, silence: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(connect=settings.connect_timeout, sock_read=silence)


def _fault(error: Exception) -> ModelError:
    """What a broken connection means. The address stays out of the message; it is in the log, by the cause."""
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return ModelTimeout("The model's provider can't be reached: connecting took too long.")
    if isinstance(error, TimeoutError):
        return ModelTimeout("The model's provider was silent for too long.")
    if isinstance(error, aiohttp.ClientSSLError):
        return ModelUnavailable("No safe connection to the model's provider: its certificate was not accepted.")
    if isinstance(error, aiohttp.InvalidURL):
        return ModelUnavailable("The address of the model's provider is wrong.")
    if isinstance(error, aiohttp.ClientPayloadError):
        return ConnectionLost("The answer of the model's provider was cut off before its end.")
    return ConnectionLost("The model's provider can't be reached, or it hung up.")
