"""Requests of callers within the process, and what they are answered: objects, streams, errors."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, aclosing
from typing import Any, Final, Literal, Self
from urllib.parse import urlencode

import orjson

from servers.app import Inside
from servers.errors import SERVER, ApiError, NotFoundHere
from servers.in_process import Asked, Exchange, Frame, exchange, frames
from servers.objects import WireObject, as_objects

Method = Literal["GET", "POST", "DELETE"]
_STATUS: Final = {SERVER: 500, "rate_limit_error": 429}


class Stream:
    """What a request is answered bit by bit. Who leaves it hangs up: at once by `aclose`, else when it is collected."""

    def __init__(self, told: AsyncGenerator[WireObject, None], held: AsyncExitStack) -> None:
        self._told, self._held = told, held

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> WireObject:
        return await anext(self._told)

    async def aclose(self) -> None:
        """Read no more of it."""
        await self._told.aclose()
        await self._held.aclose()  # which it does by itself only where something was read


class Calls:
    """Sends requests to the application. Everything raises `ApiError`, and `RuntimeError` while the service is not open."""

    def __init__(self, inside: Callable[[], Inside]) -> None:
        self._inside = inside

    async def _read(
        self,
        method: Method,
        path: str,
        fields: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
    ) -> WireObject:
        answer = await self._ask(_asked(method, path, fields, query))
        assert isinstance(answer, WireObject)
        return answer

    async def _send(self, path: str, fields: Mapping[str, Any]) -> WireObject | Stream:
        """POST what may be answered by a stream."""
        return await self._ask(_asked("POST", path, fields))

    async def _ask(self, asked: Asked) -> WireObject | Stream:
        async with AsyncExitStack() as stack:
            answering = await stack.enter_async_context(exchange(self._inside(), asked))
            status, headers = await answering.begin()
            if status == 200 and headers["content-type"].startswith("text/event-stream"):
                held = stack.pop_all()
                return Stream(_told(answering, held), held)
            answer = _answer(status, await answering.rest())
        assert isinstance(answer, WireObject)
        return answer

    async def _content(self, path: str) -> bytes:
        """GET what is no JSON."""
        async with exchange(self._inside(), Asked("GET", path)) as answering:
            status, _ = await answering.begin()
            content = await answering.rest()
        if status != 200:
            _answer(status, content)
        return content


def place(*steps: str) -> str:
    """A path of these steps. Raises `NotFoundHere` for an id that would be another path."""
    for step in steps:
        if not step or "/" in step:
            raise NotFoundHere(f"Nothing is found with id '{step:.100}'.")
    return "/v1/" + "/".join(steps)


def _asked(
    method: Method, path: str, fields: Mapping[str, Any] | None = None, query: Mapping[str, Any] | None = None
) -> Asked:
    body = b"" if fields is None else orjson.dumps(fields)
    return Asked(method, path, _query(query or {}), body)


def _query(fields: Mapping[str, Any]) -> bytes:
    """A query as clients write it: `metadata[key]=value` for what is within an object."""
    pairs: dict[str, Any] = {}
    for name, value in fields.items():
        pairs |= (
            {f"{name}[{key}]": each for key, each in value.items()} if isinstance(value, Mapping) else {name: value}
        )
    return urlencode({name: value for name, value in pairs.items() if value is not None}).encode()


async def _told(answering: Exchange, held: AsyncExitStack) -> AsyncGenerator[WireObject, None]:
    """The objects of a stream: its data alone, or events where they have names."""
    async with held, aclosing(frames(answering.pieces())) as stream:
        async for frame in stream:
            if frame.data == b"[DONE]":
                return
            data = as_objects(orjson.loads(frame.data))
            if "error" in data:
                raise _error(None, data["error"])
            yield _event(frame, data) if frame.event else data


def _event(frame: Frame, data: Any) -> WireObject:
    return WireObject(event=frame.event, data=data, id=frame.id or None)


def _answer(status: int, body: bytes) -> Any:
    """The object that a body is. Raises the `ApiError` that it tells of."""
    answer = as_objects(orjson.loads(body))
    if status != 200:
        raise _error(status, answer["error"])
    return answer


def _error(status: int | None, told: WireObject) -> ApiError:
    """The error of an envelope. One in the midst of a stream comes without a status: its type has to tell."""
    status = status or _STATUS.get(told["type"], 400)
    return ApiError(status, told["message"], type=told["type"], param=told["param"], code=told["code"])
