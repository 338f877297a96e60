"""The Assistants API of an application, spoken plainly: requests in, objects and events out, nothing in between."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp

from tests.replies import Reply
from tests.servers.asgi import Connection, ask
from tests.servers.described import Told, frames
from tests.servers.embedded import opened, thinking_with
from tests.upstream import Upstream

Json = Any
WEATHER: Mapping[str, Any] = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}
CALLS = (("weather", {"city": "Rome"}), ("weather", {"city": "Oslo"}))
ENDED = ("completed", "failed", "cancelled", "incomplete", "expired")


@dataclass
class Desk:
    """An application, and the scripted model that it thinks with. Paths are those behind `/v1`."""

    app: ASGIApp
    upstream: Upstream

    async def ask(self, method: str, path: str, body: Json = None, **headers: str) -> Connection:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = b"" if body is None else json.dumps(body).encode()
        return await ask(self.app, method, f"/v1{path}", body=sent, headers=named)

    def connect(self, method: str, path: str, body: Json = None, **headers: str) -> Connection:
        """A request whose answer is read as it comes."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return Connection(self.app, method, f"/v1{path}", json=body, headers=named)

    async def get(self, path: str) -> Json:
        return good(await self.ask("GET", path))

    async def post(self, path: str, **body: Json) -> Json:
        return good(await self.ask("POST", path, body))

    async def delete(self, path: str) -> Json:
        return good(await self.ask("DELETE", path))

    async def refused(self, method: str, path: str, body: Json = None, *, status: int = 400) -> dict[str, Json]:
        """The error that this is answered with."""
        answer = await self.ask(method, path, body)
        assert answer.status == status, answer.body
        return answer.error

    async def told(self, path: str, body: Json = None, method: str = "POST", **headers: str) -> list[Told]:
        """The frames of a stream, read to its end."""
        answer = await self.ask(method, path, {**(body or {}), "stream": True} if method == "POST" else None, **headers)
        assert answer.status == 200, answer.body
        return list(frames(answer.body))

    async def assistant(self, **fields: Json) -> str:
        return str((await self.post("/assistants", **{"model": "cortex-flow", **fields}))["id"])

    async def thread(self, *said: str, **fields: Json) -> str:
        messages = [{"role": "user", "content": text} for text in said]
        return str((await self.post("/threads", messages=messages, **fields))["id"])

    async def running(self, *said: str, tools: Sequence[Json] = (), **fields: Json) -> str:
        """The path of a new run on a new thread."""
        assistant, thread = await self.assistant(tools=list(tools)), await self.thread(*said or ("Hi",))
        run = await self.post(f"/threads/{thread}/runs", assistant_id=assistant, **fields)
        return f"/threads/{thread}/runs/{run['id']}"

    async def waiting(self, *calls: Any) -> tuple[str, list[str]]:
        """The path of a run that waits for outputs, and its calls' ids."""
        self.play(Reply(calls=calls or CALLS), "Done.")
        path = await self.running(tools=[WEATHER])
        run = await self.over(path)
        return path, [call["id"] for call in run["required_action"]["submit_tool_outputs"]["tool_calls"]]

    async def over(self, path: str) -> Json:
        """The run when it has ended, or waits for its client."""
        await self.told(f"{path}?stream=true", method="GET")
        return await self.get(path)

    async def texts(self, thread: str, query: str = "") -> list[tuple[str, str]]:
        """Role and words of a thread's messages, oldest first."""
        listed = await self.get(f"/threads/{thread}/messages?order=asc&limit=100{query}")
        return [(each["role"], "".join(part["text"]["value"] for part in each["content"])) for each in listed["data"]]

    def play(self, *replies: Reply | str) -> None:
        """What the model says from now on, one after the other; the last again and again."""
        said = [Reply(each) if isinstance(each, str) else each for each in replies]
        self.upstream.script = lambda body: said.pop(0) if len(said) > 1 else said[0]

    def hold(self) -> asyncio.Event:
        """Let the model wait with the last piece of its answer until this is set."""
        hold = asyncio.Event()
        self.play(Reply("One two three", hold=hold))
        return hold


@asynccontextmanager
async def desk(**options: Any) -> AsyncIterator[Desk]:
    """An application of its own. Options are the server's."""
    async with Upstream() as upstream, opened(**{**thinking_with(upstream), **options}) as server:
        yield Desk(server.app, upstream)


def good(answer: Connection) -> Json:
    assert answer.status == 200, answer.body
    return answer.json()


def outputs(*pairs: tuple[str, str]) -> dict[str, Json]:
    """What submits these outputs."""
    return {"tool_outputs": [{"tool_call_id": id, "output": output} for id, output in pairs]}


def names(told: Sequence[Told]) -> list[str]:
    return [each.event for each in told]
