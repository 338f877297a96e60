"""The end of tasks whose cancel is swallowed."""

from __future__ import annotations

import asyncio

from graph.storage import tasks


async def test_who_swallows_a_cancel_is_cancelled_again() -> None:
    swallowed = 0

    async def works_on() -> None:
        nonlocal swallowed
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                swallowed += 1
                if swallowed == 2:
                    raise

    task = asyncio.create_task(works_on())
    await asyncio.sleep(0)
    await tasks.ended([task])
    assert (task.cancelled(), swallowed) == (True, 2)


async def test_nothing_to_end_is_over_at_once() -> None:
    await tasks.ended([])
