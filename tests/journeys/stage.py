"""The scripted upstream for tests that block, as clients do: it plays in a thread, on an event loop of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from tests.replies import Reply
from tests.upstream import Body, Received, Script, Upstream, always

LONGEST = 30.0  # seconds that anything may take before a test gives up


class Hold(asyncio.Event):
    """What an answer waits for (`Reply.hold`), to be let go from another thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._of = loop

    def release(self) -> None:
        """Let the answer go on."""
        self._of.call_soon_threadsafe(self.set)


class Stage:
    """An upstream in a thread. `play` clears what was seen before."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="stage")
        self._upstream = Upstream()
        self._thread.start()
        self._run(self._upstream.start())

    @property
    def url(self) -> str:
        """The base URL that the server under test takes."""
        return self._upstream.url

    @property
    def requests(self) -> list[Received]:
        return list(self._upstream.requests)

    @property
    def agents(self) -> list[str]:
        """Who has asked, in order."""
        return [request.agent for request in self._upstream.requests]

    @property
    def open(self) -> int:
        """How many answers are under way."""
        return self._upstream.open

    @property
    def max_open(self) -> int:
        """The most answers there were at once."""
        return self._upstream.max_open

    @property
    def prompt(self) -> list[tuple[str, Any]]:
        """Role and content of what the supervisor was told last, without its system message."""
        asked = [request.body for request in self._upstream.requests if request.agent == "supervisor"]
        return spoken(asked[-1])

    def play(self, script: Script | Reply | str) -> None:
        """Play this from now on, and forget what was seen."""
        self._run(self._play(always(script) if isinstance(script, Reply | str) else script))

    def hold(self) -> Hold:
        """Something for an answer to wait for."""
        return Hold(self._loop)

    def wait_requests(self, count: int) -> None:
        """Returns when so many requests have come; `TimeoutError` when they have not."""
        self._run(self._upstream.wait_requests(count, LONGEST))

    def wait_closed(self, count: int) -> None:
        """Returns when so many answers were broken off by their client; `TimeoutError` when they were not."""
        self._run(self._upstream.wait_closed(count, LONGEST))

    def wait_idle(self) -> None:
        """Returns when no answer is under way; `TimeoutError` when some stay."""
        self._run(self._upstream.wait_idle(LONGEST))

    def close(self) -> None:
        """Stop the upstream and its thread."""
        self._run(self._upstream.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _play(self, script: Script) -> None:
        await self._upstream.wait_idle(LONGEST)
        self._upstream.script = script
        self._upstream.requests.clear()
        self._upstream.max_open = self._upstream.closed_early = 0

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(2 * LONGEST)


def spoken(body: Body) -> list[tuple[str, Any]]:
    """Role and content of a request's messages, without the system message."""
    return [(message["role"], message.get("content")) for message in body["messages"] if message["role"] != "system"]


def lines(*said: Reply | str) -> list[Reply | str]:
    """What an agent says, one after the other."""
    return list(said)


def replying(reply: Callable[[str], Reply | str]) -> Script:
    """A script that answers by the newest words of the user alone, for tests that talk a lot."""

    def script(body: Body) -> Reply:
        newest = next(m["content"] for m in reversed(body["messages"]) if m["role"] == "user")
        said = reply(newest)
        return Reply(said) if isinstance(said, str) else said

    return script


__all__ = ["LONGEST", "Hold", "Stage", "lines", "replying", "spoken"]
