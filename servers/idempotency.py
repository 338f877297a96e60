"""`Idempotency-Key`: a request that is sent again does its work once, and gets the same answer."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, Final
from weakref import WeakValueDictionary

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from graph.repeats import Busy, Claim, Repeats, Result
from graph.storage.port import StorageError
from servers.body import form_limit
from servers.context import CONVERSATION_HEADERS, Claimed, context_of, header, route_path
from servers.errors import CLIENT_GONE, ApiError, BadRequest, of_exception, respond
from servers.leaving import client_left
from servers.recording import Recording

STALL: Final = 30.0  # seconds after which a client that does not read is given up
TRY_AGAIN: Final = frozenset({408, 409, 429, CLIENT_GONE})  # besides those from 500 on
_HEADER: Final = "Idempotency-Key"
_NAME: Final = b"idempotency-key"
_VALID = re.compile(rb"[ -~]{1,255}")
REPLAYED: Final = (b"idempotent-replayed", b"true")

logger = logging.getLogger(__name__)


Id = tuple[str, str]


class Idempotency:
    """Below `/v1`, a POST with the key of an earlier one of the same tenant joins it while it is at work, and gets its
    result afterwards; where it asks for something else it is refused with 409.

    The work belongs to all who wait for it: when the last one leaves, the application hears that the client is gone. Who asks
    again waits for what becomes of that: an answer that had been given by then is kept, else the key is free. An answer that
    invites to try again is not kept, nor is a stream that failed. `stall` is how many seconds a client may not read. Forms with
    files, which are not held in memory, pass: their routes ask for `key_of`.

    `repeats` is where answers are kept and work is claimed, so that all who share it are as one; None where there is nothing to
    serve. Who comes to work of another process waits for its answer, or follows its run where there is one. Work that was
    left by a process that died is begun again, and finds the run that had come of it (`RequestContext.claimed`).
    """

    def __init__(self, app: ASGIApp, repeats: Callable[[], Awaitable[Repeats | None]], *, stall: float = STALL) -> None:
        self._app, self._repeats, self._stall = app, repeats, stall
        self._at_work: dict[Id, Recording] = {}
        self._tasks: dict[Recording, asyncio.Task[None]] = {}
        self._looking: WeakValueDictionary[Id, asyncio.Lock] = WeakValueDictionary()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = header(scope, _NAME) if scope["type"] == "http" and scope["method"] == "POST" else None
        if key is None or not route_path(scope).startswith("/v1/") or form_limit(scope) is not None:
            await self._app(scope, receive, send)
            return
        try:
            id = context_of(scope).tenant, _valid(key)
            if (repeats := await self._repeats()) is None:
                await self._app(scope, receive, send)
            elif (body := await _read(receive)) is not None:
                await self._answer(repeats, id, body, scope, receive, send)
        except ApiError as error:
            await respond(error)(scope, receive, send)
        except StorageError as error:
            await respond(of_exception(error))(scope, receive, send)

    async def close(self) -> None:
        """End the work that is left: nobody waits for it."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _answer(self, repeats: Repeats, id: Id, body: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        fingerprint = _fingerprint(scope, body)
        while True:
            found, joined = await self._found(repeats, id, fingerprint, scope, body)
            if found.fingerprint != fingerprint:
                raise mismatch()
            if isinstance(found, Result):
                return await _repeat(found, send)
            if isinstance(found, Recording):
                return await self._read_along(found, receive, send, replayed=joined)
            if not await _while_there(receive, repeats.wait(*id)):
                return None

    async def _found(
        self, repeats: Repeats, id: Id, fingerprint: bytes, scope: Scope, body: bytes
    ) -> tuple[Recording | Result | Busy, bool]:
        """What there is of a request, and whether somebody has asked before. Where there is nothing, it is begun."""
        async with self._looking.setdefault(id, asyncio.Lock()):  # two of a kind, and neither is there yet
            while at_work := self._at_work.get(id):
                if not (at_work.deserted or at_work.over):  # else it is just seen what becomes of it
                    return at_work, True
                await asyncio.wait([self._tasks[at_work]])
            found = await repeats.claim(*id, fingerprint)
            if isinstance(found, Claim):
                recording = Recording(self._app, scope, body, fingerprint, Claimed(found.run_id, again=found.again))
                return self._begin(id, recording, self._claimed(repeats, id, recording, found)), False
            if not isinstance(found, Busy) or found.fingerprint != fingerprint:
                return found, True
            if not await repeats.has_begun(id[0], found.run_id):
                return found, True
            recording = Recording(self._app, scope, body, fingerprint, Claimed(found.run_id, again=True))
            return self._begin(id, recording, recording.run()), True

    def _begin(self, id: Id, recording: Recording, work: Coroutine[Any, Any, None]) -> Recording:
        task = self._tasks[recording] = asyncio.create_task(work)
        self._at_work[id] = recording

        def over(_: object) -> None:
            del self._tasks[recording]
            del self._at_work[id]

        task.add_done_callback(over)
        return recording

    async def _claimed(self, repeats: Repeats, id: Id, recording: Recording, claim: Claim) -> None:
        """Work on what was claimed, until the answer is kept, or the claim given back."""
        try:
            await recording.run()
        finally:
            try:
                if not await _kept(repeats, id, recording, claim):
                    await repeats.release(*id, claim, begun=recording.lasting)
            except StorageError as error:
                logger.warning("an answer can't be kept for who asks again: %s", error)

    async def _read_along(self, recording: Recording, receive: Receive, send: Send, *, replayed: bool) -> None:
        with recording.reader():
            await _while_there(receive, self._tell(recording.messages(), send, replayed=replayed))

    async def _tell(self, messages: AsyncIterator[Message], send: Send, *, replayed: bool) -> None:
        """Send the answer, until its end or until the client has not read for too long."""
        async for message in messages:
            if replayed and message["type"] == "http.response.start":
                message["headers"].append(REPLAYED)
            try:
                async with asyncio.timeout(self._stall):
                    await send(message)
            except TimeoutError:
                logger.warning("a client has not read its answer for %g seconds and was given up", self._stall)
                return


async def _kept(repeats: Repeats, id: Id, recording: Recording, claim: Claim) -> bool:
    """Keep an answer that is to be kept; whether it is."""
    result = recording.result
    if result is None or recording.failed or _invites_again(result.status):
        return False
    return await repeats.keep(*id, claim, result)


def key_of(scope: Scope) -> str | None:
    """The key of a request, if it has one. Raises `BadRequest`."""
    key = header(scope, _NAME)
    return None if key is None else _valid(key)


def _valid(key: bytes) -> str:
    if not _VALID.fullmatch(key):
        message = f"Invalid value for '{_HEADER}': it has to be 1 to 255 printable ASCII characters."
        raise BadRequest(message, _HEADER, "invalid_value")
    return key.decode()


async def _read(receive: Receive) -> bytes | None:
    """The whole body; None if the client leaves before its end."""
    pieces = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        pieces.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(pieces)


def _fingerprint(scope: Scope, body: bytes) -> bytes:
    """What a request asks for: its path, the conversation that its headers name, and its body as it was sent."""
    told = (header(scope, name) or b"" for name in CONVERSATION_HEADERS)
    digest = hashlib.blake2b(digest_size=16)
    for part in (route_path(scope).encode(), scope["query_string"], *told, body):
        digest.update(b"%d:" % len(part))
        digest.update(part)
    return digest.digest()


def _invites_again(status: int) -> bool:
    return status >= 500 or status in TRY_AGAIN


def mismatch() -> ApiError:
    """The key is that of another request."""
    message = f"This '{_HEADER}' was used for another request. Use a new one for each request that is not a repetition."
    headers = {"x-should-retry": "false"}  # OpenAI's clients try a 409 again
    return ApiError(409, message, param=_HEADER, code="idempotency_mismatch", headers=headers)


async def _repeat(result: Result, send: Send) -> None:
    headers = [*result.headers, REPLAYED]
    await send({"type": "http.response.start", "status": result.status, "headers": headers})
    await send({"type": "http.response.body", "body": result.body, "more_body": False})


async def _while_there(receive: Receive, telling: Coroutine[Any, Any, None]) -> bool:
    """Work until the end, or until the client leaves; whether it is still there."""
    tasks = [asyncio.create_task(telling), asyncio.create_task(client_left(receive))]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
    for task in done:
        task.result()
    return tasks[0] in done
