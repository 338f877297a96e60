"""A scripted upstream: a real server on loopback which speaks chat completions as its script says.

In a test: `async with Upstream(script) as upstream: ... upstream.url`. Beside a benchmark:
`python -m tests.upstream --port 9009 --profile chat64`.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson
from aiohttp import ClientConnectionResetError, web

from tests.replies import Reply, tokens, transfer

Body = dict[str, Any]


Script = Callable[[Body], Reply | Awaitable[Reply]]


@dataclass(frozen=True)
class Received:
    """A request as it came. `at` is `time.monotonic()`, `port` the client's: the same one is the same connection."""

    body: Body
    headers: Mapping[str, str]
    at: float
    port: int

    @property
    def agent(self) -> str:
        return agent_of(self.body)


class Upstream:
    """The server. `script` may be replaced at any time.

    `open` counts the answers under way, `max_open` the most there were at once, `closed_early` those whose client left
    before the end.
    """

    def __init__(self, script: Script | Reply | str = "Hello.", *, record: bool = True) -> None:
        self.script: Script = always(script) if isinstance(script, Reply | str) else script
        self.requests: list[Received] = []
        self.open = 0
        self.max_open = 0
        self.closed_early = 0
        self._record = record
        self._changed = asyncio.Event()
        self._port = 0
        self._runner: web.ServerRunner | None = None

    @property
    def url(self) -> str:
        """The base URL that clients take."""
        return f"http://127.0.0.1:{self._port}/v1"

    async def start(self, port: int = 0) -> None:
        server = web.Server(self._handle, handler_cancellation=True, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port, backlog=2048)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def __aenter__(self) -> Upstream:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def wait_requests(self, count: int, timeout: float = 10.0) -> None:
        """Returns when so many requests have come; `TimeoutError` when they have not."""
        await self._wait(lambda: len(self.requests) >= count, timeout)

    async def wait_closed(self, count: int, timeout: float = 10.0) -> None:
        """Returns when so many clients have left early; `TimeoutError` when they have not."""
        await self._wait(lambda: self.closed_early >= count, timeout)

    async def wait_idle(self, timeout: float = 10.0) -> None:
        """Returns when no answer is under way; `TimeoutError` when some stay."""
        await self._wait(lambda: self.open == 0, timeout)

    async def _wait(self, reached: Callable[[], bool], timeout: float) -> None:
        async with asyncio.timeout(timeout):
            while not reached():
                await self._changed.wait()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if not request.path.endswith(("/chat/completions", "/embeddings")):
            return _refuse(Reply(status=404, error=f"There is no {request.method} {request.path}."))
        body: Body = orjson.loads(await request.content.read())  # `request.read()` stops at 1 MB
        if self._record:
            self.requests.append(_received(request, body))
        self.open += 1
        self.max_open = max(self.max_open, self.open)
        self._tell()
        try:
            return await _answer(request, body, await self._reply(body))
        except (asyncio.CancelledError, ClientConnectionResetError):
            self.closed_early += 1
            raise
        finally:
            self.open -= 1
            self._tell()

    async def _reply(self, body: Body) -> Reply:
        try:
            reply = self.script(body)
            return reply if isinstance(reply, Reply) else await reply
        except Exception as error:  # told where the test sees it; no client tries a 400 again
            return Reply(status=400, error=f"The script failed: {error!r}")


def always(reply: Reply | str) -> Script:
    """A script that says the same thing each time."""
    fixed = _reply(reply)
    return lambda body: fixed


def in_order(*replies: Reply | str) -> Script:
    """A script that says these one after the other. A request too many is refused, which no client tries again."""
    rest = iter([_reply(reply) for reply in replies])
    return lambda body: next(rest, None) or Reply(status=400, error="The script is at its end.")


def by_agent(**replies: Sequence[Reply | str]) -> Script:
    """A script for a team: each agent's replies, in order: `by_agent(supervisor=[...], researcher=[...])`."""
    scripts = {agent: in_order(*said) for agent, said in replies.items()}

    def script(body: Body) -> Reply | Awaitable[Reply]:
        agent = agent_of(body)
        if agent in scripts:
            return scripts[agent](body)
        return Reply(status=400, error=f"The script has no {agent}.")

    return script


def agent_of(body: Body) -> str:
    """Which agent asks: the supervisor by its transfer tools or its prompt, the others by their prompts' first words."""
    if any(tool.get("function", {}).get("name", "").startswith("transfer_to_") for tool in body.get("tools", ())):
        return "supervisor"
    prompt = next((str(m.get("content")) for m in body.get("messages", ()) if m.get("role") == "system"), "")
    for agent in ("researcher", "analyst", "writer"):
        if prompt.startswith(f"You are the {agent}"):
            return agent
    return "supervisor" if prompt.startswith("You lead a team") else "stranger"


def _received(request: web.BaseRequest, body: Body) -> Received:
    assert request.transport is not None
    return Received(body, request.headers, time.monotonic(), request.transport.get_extra_info("peername")[1])


async def _answer(request: web.BaseRequest, body: Body, reply: Reply) -> web.StreamResponse:
    if reply.first_delay:
        await asyncio.sleep(reply.first_delay)
    if reply.status != 200 and reply.raw is None:
        return _refuse(reply)
    if body.get("stream"):
        return await _answer_streamed(request, body, reply)
    return await _answer_whole(request, body, reply)


async def _answer_streamed(request: web.BaseRequest, body: Body, reply: Reply) -> web.StreamResponse:
    response = web.StreamResponse(status=reply.status, headers={"Content-Type": "text/event-stream", **reply.headers})
    usage = bool((body.get("stream_options") or {}).get("include_usage"))
    opening, pieces, end = (b"", _raw(reply), b"") if reply.raw is not None else reply.frames(body["model"], usage)
    await response.prepare(request)
    if opening:
        await response.write(opening)
    await _write_pieces(response, reply, pieces)
    if reply.cut_after is not None:
        return _cut(request, response)
    if end:
        await response.write(end)
    await response.write_eof()
    return response


async def _write_pieces(response: web.StreamResponse, reply: Reply, pieces: Sequence[bytes]) -> None:
    last = len(pieces) - 1
    for number, piece in enumerate(pieces):
        if number == reply.cut_after:
            break
        if reply.delay and number:
            await asyncio.sleep(reply.delay)
        if reply.hold is not None and number == last:
            await reply.hold.wait()
        await response.write(piece)


async def _answer_whole(request: web.BaseRequest, body: Body, reply: Reply) -> web.StreamResponse:
    if reply.hold is not None:
        await reply.hold.wait()
    content = b"".join(_raw(reply)) if reply.raw is not None else reply.whole(body["model"])
    headers = {"Content-Type": "application/json", **reply.headers}
    if reply.cut_after is None:
        return web.Response(body=content, status=reply.status, headers=headers)
    response = web.StreamResponse(headers={**headers, "Content-Length": str(len(content))})
    await response.prepare(request)
    await response.write(content[: len(content) // 2])
    return _cut(request, response)


def _cut(request: web.BaseRequest, response: web.StreamResponse) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.close()
    return response


def _refuse(reply: Reply) -> web.Response:
    return web.Response(
        body=reply.refusal, status=reply.status, headers={"Content-Type": "application/json", **reply.headers}
    )


def _raw(reply: Reply) -> list[bytes]:
    return [reply.raw] if isinstance(reply.raw, bytes) else list(reply.raw or ())


def _reply(reply: Reply | str) -> Reply:
    return Reply(reply) if isinstance(reply, str) else reply


def team_script(answer: Reply) -> Script:
    """Supervisor, researcher, analyst, writer, supervisor: seven calls, told by the prompt alone, for any number of runs
    at the same time."""
    turns = [replace(answer, chunks=[], calls=[transfer(agent)]) for agent in ("researcher", "analyst", "writer")]

    def script(body: Body) -> Reply:
        if agent_of(body) != "supervisor":
            return answer
        messages = body["messages"]
        last_user = max((at for at, message in enumerate(messages) if message["role"] == "user"), default=0)
        answered = sum(message["role"] == "tool" for message in messages[last_user:])
        return turns[answered] if answered < len(turns) and body.get("tools") else answer

    return script


def profile(name: str, delay: float, first_delay: float) -> Script:
    """A built-in script: `chat64` and `stream200` answer with so many tokens, `team` plays a run of seven calls."""
    count = 200 if name == "stream200" else 64
    answer = Reply(chunks=tokens(count), delay=delay, first_delay=first_delay)
    return team_script(answer) if name == "team" else always(answer)


async def _serve(port: int, script: Script) -> None:
    upstream = Upstream(script, record=False)
    await upstream.start(port)
    print(upstream.url, flush=True)
    await asyncio.Event().wait()


def main() -> None:
    """Serves a profile until it is stopped. Prints the base URL when it is ready."""
    parser = argparse.ArgumentParser(prog="python -m tests.upstream", description=main.__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--profile", choices=("chat64", "stream200", "team"), default="chat64")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds between two pieces")
    parser.add_argument("--first-delay", type=float, default=0.0, help="seconds before an answer")
    args = parser.parse_args()
    import uvloop

    uvloop.run(_serve(args.port, profile(args.profile, args.delay, args.first_delay)))


__all__ = [
    "Received",
    "Reply",
    "Script",
    "Upstream",
    "agent_of",
    "always",
    "by_agent",
    "in_order",
    "profile",
    "team_script",
    "tokens",
    "transfer",
]

if __name__ == "__main__":
    main()
