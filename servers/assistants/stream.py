"""A run's stream. Nobody has to read it to the end: a durable run goes on without."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from graph.errors import ShuttingDown
from graph.journal import Position
from graph.run import Run
from servers.assistants.events import DONE, RunEvents, failed
from servers.context import RequestContext
from servers.errors import of_exception
from servers.sse import EventStream

if TYPE_CHECKING:
    from graph.engine import Engine

_HANDED_OVER: Final = ShuttingDown("The server is shutting down. The run goes on: follow it again with Last-Event-ID.")


def run_stream(
    engine: Engine,
    run: Run,
    context: RequestContext,
    *,
    opening: bytes = b"",
    after: Position | None = None,
    content: bool = False,
) -> EventStream:
    """The events of a run, behind `opening` and what stands before `after` (see `RunEvents`). The request's context hears where
    they break off."""
    frames = _frames(engine, run, context, opening, RunEvents(run, after, content=content))
    return EventStream(frames, frames.aclose, {"openai-version": "2020-10-01"})


async def _frames(
    engine: Engine, run: Run, context: RequestContext, opening: bytes, telling: RunEvents
) -> AsyncGenerator[bytes, None]:
    if opening:
        yield opening
    try:
        async with aclosing(engine.follow(run.tenant, run.id)) as batches:
            async for batch in batches:
                if told := b"".join([telling.encode(event) for event in batch]):
                    yield told
    except Exception as error:
        context.failed = True
        yield failed(of_exception(error))
    else:
        if not telling.over:
            context.failed = True
            yield failed(of_exception(_HANDED_OVER))
    yield DONE
