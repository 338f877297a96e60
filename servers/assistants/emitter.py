"""A run's events for handlers, as JavaScript's emitters tell them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, Final, Protocol

from servers.errors import ApiError
from servers.objects import WireObject, as_objects

Handler = Callable[..., Awaitable[None] | None]

_ALL: Final = "event"
_OF_RUNS: Final = [
    "created",
    "queued",
    "in_progress",
    "requires_action",
    "completed",
    "incomplete",
    "failed",
    "cancelling",
    "cancelled",
    "expired",
]
_OF_STEPS: Final = ["created", "in_progress", "delta", "completed", "failed", "cancelled", "expired"]
_OF_MESSAGES: Final = ["created", "in_progress", "delta", "completed", "incomplete"]
EVENTS: Final = frozenset(
    {
        "thread.created",
        *(f"thread.run.{word}" for word in _OF_RUNS),
        *(f"thread.run.step.{word}" for word in _OF_STEPS),
        *(f"thread.message.{word}" for word in _OF_MESSAGES),
        "error",
        "done",
    }
)
"""The names of all events."""

logger = logging.getLogger(__name__)


class Followed(Protocol):
    """The events of a run, as they come."""

    def __aiter__(self) -> AsyncIterator[WireObject]: ...

    async def aclose(self) -> None: ...


class Emitter:
    """Tells handlers a run's events, in order and from the first one on, until the run ends or asks for tool outputs: each
    handler at its own pace. One that raises is told the next event all the same, and its error is in the log. To be used on
    the event loop of its adapter."""

    def __init__(self, follow: Callable[[], Awaitable[Followed]], at_work: set[asyncio.Task[None]]) -> None:
        self._follow = follow
        self._at_work = at_work
        self._handlers: list[asyncio.Task[None]] = []

    def on(self, name: str, handler: Handler) -> Callable[[], None]:
        """Tell a handler, async or not, all events (`"event"`: it takes the type and the data) or those of one name (it
        takes the data). The last one is `done`, with `"[DONE]"`; an `error` is told before it. Returns what takes the
        handler away again. Raises `ValueError` for a name that no event has."""
        if name != _ALL and name not in EVENTS:
            raise ValueError(f"There is no event {name!r}; 'event' stands for all of them.")
        task = asyncio.get_running_loop().create_task(self._tell(name, handler))
        self._handlers.append(task)
        self._at_work.add(task)  # the loop itself would forget it
        task.add_done_callback(self._at_work.discard)

        def off() -> None:
            task.cancel()

        return off

    async def finished(self) -> None:
        """Wait until the handlers that are here now have heard everything."""
        await asyncio.gather(*self._handlers, return_exceptions=True)

    async def _tell(self, wanted: str, handler: Handler) -> None:
        async for name, data in self._events():
            if wanted in (_ALL, name):
                await _heard(handler, *((name, data) if wanted == _ALL else (data,)))

    async def _events(self) -> AsyncIterator[tuple[str, Any]]:
        try:
            async with AsyncExitStack() as stack:
                followed = await self._follow()
                stack.push_async_callback(followed.aclose)
                async for told in followed:
                    yield told.event, told.data
        except ApiError as error:
            yield "error", as_objects(error.body["error"])
        yield "done", "[DONE]"


async def _heard(handler: Handler, *event: Any) -> None:
    try:
        answer = handler(*event)
        if answer is not None:
            await answer
    except Exception:
        logger.exception("a handler of a run's events has failed at %s", event[0] if len(event) > 1 else handler)
