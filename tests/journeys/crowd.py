"""Clients of a fleet: they ask any replica, try again as SDKs do, and take broken streams up elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, suppress
from dataclasses import dataclass, field
from random import Random
from types import TracebackType
from typing import Any, Final
from uuid import uuid4

import aiohttp
import orjson

from tests.journeys.server import Server

PAUSE: Final = 0.3  # seconds before a request is tried again
TRY_AGAIN: Final = {409, 429, 503}
SILENCE: Final = 30.0  # seconds without a byte, pings included
TERMINAL: Final = {f"thread.run.{status}" for status in ("completed", "failed", "cancelled", "expired", "incomplete")}

Frame = tuple[str, str, Any]
"""An event's name, its id, and its data."""


class Refused(AssertionError):
    """An answer that no client would try again."""


@dataclass
class Told:
    """What the streams of one run have told, put together. `status`: the last that was heard of the run."""

    run: Mapping[str, Any] = field(default_factory=dict)
    position: str = ""
    texts: dict[str, str] = field(default_factory=dict)
    whole: dict[str, str] = field(default_factory=dict)
    void: set[str] = field(default_factory=set)
    ends: list[str] = field(default_factory=list)
    more: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def paused(self) -> bool:
        return bool(self.run) and self.run["status"] == "requires_action"

    @property
    def over(self) -> bool:
        return bool(self.ends)

    async def says(self, text: str) -> None:
        """Returns when a message says this, as far as it is told."""
        while text not in self.texts.values():
            self.more.clear()
            await self.more.wait()

    def take(self, frame: Frame) -> None:
        event, id, data = frame
        self.more.set()
        self.position = id or self.position
        match event.split("."):
            case ["thread", "run", _]:
                self.run = data
                if event in TERMINAL:
                    self.ends.append(event)
            case ["thread", "message", "created"]:
                self.texts.setdefault(data["id"], "")
            case ["thread", "message", "delta"]:
                self.texts[data["id"]] += "".join(part["text"]["value"] for part in data["delta"]["content"])
            case ["thread", "message", "completed"]:
                [part] = data["content"]
                self.whole[data["id"]] = part["text"]["value"]
            case ["thread", "message", "incomplete"]:
                self.void.add(data["id"])


class Client:
    """A user of the fleet. `replicas` are those that there are, dead or alive."""

    def __init__(self, replicas: Sequence[Server], random: Random) -> None:
        self._replicas, self._random = replicas, random
        self.streams = 0  # that were asked for
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(None, sock_read=SILENCE))

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._session.close()

    async def ask(self, method: str, path: str, json: Any = None) -> Any:
        """The JSON of the first answer that is one. The same request has the same key at each try."""
        headers = _keyed(method)
        while True:
            with suppress(aiohttp.ClientError, TimeoutError):
                async with self._session.request(method, self._at(path), json=json, headers=headers) as response:
                    body = await response.read()
                    if _accepted(response, body):
                        return orjson.loads(body)
            await asyncio.sleep(PAUSE)

    async def stream(self, path: str, json: Mapping[str, Any], told: Told) -> None:
        """Ask for a run, or for its next leg, and hear it until it ends or waits for outputs. Where the stream breaks it is taken
        up behind the last position, at any replica."""
        headers, began = _keyed("POST"), told.position
        while told.position == began:  # nothing is known of what came of it
            sent = self._session.post(self._at(path), json={**json, "stream": True}, headers=headers)
            if await self._heard(sent, told):
                return
        await self.follow(told)

    async def follow(self, told: Told, at: Server | None = None) -> None:
        """Hear a run until it ends or waits for outputs, at a replica to begin with, then at any."""
        while True:
            url, at = self._at(f"{path_of(told.run)}?stream=true", at), None
            headers = {"Last-Event-ID": told.position} if told.position else {}
            if await self._heard(self._session.get(url, headers=headers), told):
                return

    async def _heard(self, sent: AbstractAsyncContextManager[aiohttp.ClientResponse], told: Told) -> bool:
        """Hear a stream; whether it has come to its end. Otherwise it is time to try again."""
        began = told.position
        self.streams += 1
        with suppress(aiohttp.ClientError, TimeoutError):
            async with sent as response:
                if response.status != 200:
                    _accepted(response, await response.read())
                else:
                    async with aclosing(_frames(response)) as frames:
                        async for frame in frames:
                            told.take(frame)
        if told.over or (told.paused and told.position != began):
            return True
        await asyncio.sleep(PAUSE)
        return False

    def _at(self, path: str, replica: Server | None = None) -> str:
        return f"{(replica or self._random.choice(self._replicas)).url}{path}"


def path_of(run: Mapping[str, Any]) -> str:
    return f"/v1/threads/{run['thread_id']}/runs/{run['id']}"


async def _frames(response: aiohttp.ClientResponse) -> AsyncGenerator[Frame, None]:
    """Whole frames alone: what is cut off in the middle was not heard."""
    rest = b""
    async for piece in response.content.iter_any():
        *whole, rest = (rest + piece).split(b"\n\n")
        for frame in whole:
            lines = dict(
                line.split(b": ", 1) for line in frame.split(b"\n") if b": " in line and not line.startswith(b":")
            )
            event = lines.get(b"event", b"").decode()
            if event.startswith("thread"):
                yield event, lines.get(b"id", b"").decode(), orjson.loads(lines[b"data"])


def _accepted(response: aiohttp.ClientResponse, body: bytes) -> bool:
    """Whether this is an answer; False when it is to be tried again."""
    if response.status in TRY_AGAIN and response.headers.get("x-should-retry") != "false":
        return False
    if response.status != 200:
        raise Refused(f"{response.method} {response.url.path}: {response.status} {body.decode()}")
    return True


def _keyed(method: str) -> dict[str, str]:
    return {"Idempotency-Key": uuid4().hex} if method == "POST" else {}
