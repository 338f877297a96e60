"""The API without a network: the same requests, decoded and answered by the same code, as method calls."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, aclosing
from typing import Any, Final, Literal, overload
from urllib.parse import urlencode

import orjson
from starlette.types import ASGIApp

from servers.errors import SERVER, ApiError
from servers.in_process import Exchange, exchange, frames
from servers.objects import WireObject, as_objects

Stream = AsyncGenerator[WireObject, None]
_COMPLETIONS: Final = "/v1/chat/completions"
_STATUS: Final = {SERVER: 500, "rate_limit_error": 429}


class OpenAIAdapter:
    """OpenAI's operations as methods: ids by position, the fields of the wire as keywords, the wire's objects as results.

    Every method raises `ApiError`, with the `status`, `message`, `type`, `param` and `code` that a client would get, and
    `RuntimeError` while the service is not open. A call that is cancelled cancels its run. To be used on the event loop
    that the service was opened on.
    """

    def __init__(self, app: Callable[[], ASGIApp]) -> None:
        self._app = app

    @overload
    async def create_chat_completion(self, *, stream: Literal[False] | None = None, **fields: Any) -> WireObject: ...

    @overload
    async def create_chat_completion(self, *, stream: Literal[True], **fields: Any) -> Stream: ...

    @overload
    async def create_chat_completion(self, *, stream: bool, **fields: Any) -> WireObject | Stream: ...

    async def create_chat_completion(self, *, stream: bool | None = None, **fields: Any) -> WireObject | Stream:
        """Answer `messages`. With `stream`, the chunks as they come; leaving their loop cancels the run (at once where it
        is left by `aclosing`)."""
        return await self._ask("POST", _COMPLETIONS, {"stream": stream, **fields})

    async def list_chat_completions(self, **query: Any) -> WireObject:
        """A page of the stored completions: `model`, `metadata`, `limit`, `order`, `after`, `before`."""
        return await self._read("GET", _COMPLETIONS, query=query)

    async def get_chat_completion(self, completion_id: str) -> WireObject:
        """A stored completion."""
        return await self._read("GET", f"{_COMPLETIONS}/{completion_id}")

    async def list_chat_completion_messages(self, completion_id: str, **query: Any) -> WireObject:
        """A page of the messages that a stored completion answers: `limit`, `order`, `after`, `before`."""
        return await self._read("GET", f"{_COMPLETIONS}/{completion_id}/messages", query=query)

    async def update_chat_completion(self, completion_id: str, **fields: Any) -> WireObject:
        """Change the `metadata` of a stored completion."""
        return await self._read("POST", f"{_COMPLETIONS}/{completion_id}", fields)

    async def delete_chat_completion(self, completion_id: str) -> WireObject:
        """Delete a stored completion."""
        return await self._read("DELETE", f"{_COMPLETIONS}/{completion_id}")

    async def list_models(self) -> WireObject:
        """The models that clients are told of."""
        return await self._read("GET", "/v1/models")

    async def retrieve_model(self, model: str) -> WireObject:
        """A model by any name that a request may use."""
        return await self._read("GET", f"/v1/models/{model}")

    async def _read(
        self, method: str, path: str, fields: dict[str, Any] | None = None, query: Mapping[str, Any] | None = None
    ) -> WireObject:
        answer = await self._ask(method, path, fields, query)
        assert isinstance(answer, WireObject)
        return answer

    async def _ask(
        self, method: str, path: str, fields: dict[str, Any] | None = None, query: Mapping[str, Any] | None = None
    ) -> WireObject | Stream:
        body = b"" if fields is None else orjson.dumps(fields)
        async with AsyncExitStack() as stack:
            asked = await stack.enter_async_context(exchange(self._app(), method, path, _query(query or {}), body))
            status, headers = await asked.begin()
            if status == 200 and headers["content-type"].startswith("text/event-stream"):
                return _chunks(asked, stack.pop_all())
            answer = as_objects(orjson.loads(b"".join([piece async for piece in asked.pieces()])))
        if status != 200:
            raise _error(status, answer)
        assert isinstance(answer, WireObject)
        return answer


def _query(fields: Mapping[str, Any]) -> bytes:
    """A query as clients write it: `metadata[key]=value` for what is within an object."""
    pairs: dict[str, Any] = {}
    for name, value in fields.items():
        pairs |= (
            {f"{name}[{key}]": each for key, each in value.items()} if isinstance(value, Mapping) else {name: value}
        )
    return urlencode({name: value for name, value in pairs.items() if value is not None}).encode()


async def _chunks(asked: Exchange, held: AsyncExitStack) -> Stream:
    async with held, aclosing(frames(asked.pieces())) as stream:
        async for data in stream:
            if data == b"[DONE]":
                return
            chunk = as_objects(orjson.loads(data))
            if "error" in chunk:
                raise _error(None, chunk)
            yield chunk


def _error(status: int | None, body: WireObject) -> ApiError:
    """The error of an envelope. One in the midst of a stream comes without a status: its type has to tell."""
    told = body["error"]
    status = status or _STATUS.get(told["type"], 400)
    return ApiError(status, told["message"], type=told["type"], param=told["param"], code=told["code"])
