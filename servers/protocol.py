"""uvicorn's HTTP protocol with bounds on a request's head, and OpenAI's envelope for what is no HTTP."""

from __future__ import annotations

import asyncio
from typing import Final

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from servers.errors import ApiError, BadRequest

HEAD_BYTES: Final = 64 * 1024
HEAD_SECONDS: Final = 15.0  # from the connection, or a request's first byte, to the end of its headers
_REASONS: Final = {400: b"Bad Request", 408: b"Request Timeout", 431: b"Request Header Fields Too Large"}


class Protocol(HttpToolsProtocol):
    """Closes a connection whose head is too long (431) or too slow (408)."""

    _head: int | None = 0  # bytes of a head that has not ended; None behind its end
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        open_before = self._head is not None  # a head that begins here may stand behind a long body
        super().data_received(data)
        if open_before and self._head is not None and not self.transport.is_closing():
            self._head += len(data)
            if self._head > HEAD_BYTES:
                self._refuse(ApiError(431, f"The request's headers are over the limit of {HEAD_BYTES} bytes."))

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._head is None:
            self._expect_head()

    def on_headers_complete(self) -> None:
        self._head = None
        self._stop_waiting()
        if sum(len(name) + len(value) for name, value in self.headers) > HEAD_BYTES:
            self._refuse(ApiError(431, f"The request's headers are over the limit of {HEAD_BYTES} bytes."))
        else:
            super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(BadRequest(msg, code="invalid_http"))

    def _expect_head(self) -> None:
        self._head = 0
        self._deadline = self.loop.call_later(HEAD_SECONDS, self._too_slow)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and not cycle.response_complete:
            return  # an earlier request's answer is still on its way: nothing may be written into it
        self._refuse(ApiError(408, "The request's headers did not arrive in time.", code="request_timeout"))

    def _refuse(self, error: ApiError) -> None:
        if self.transport.is_closing():
            return
        body = orjson.dumps(error.body)
        head = b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
        self.transport.write(head % (error.status, _REASONS[error.status], len(body)) + body)
        self.transport.close()
