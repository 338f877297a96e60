"""The end of tasks that use a driver."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Final

AGAIN: Final = 1.0  # seconds


async def ended(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel them, and wait until they are over; again, where a cancel was swallowed: `asyncio.wait_for`, by which drivers
    wait, may do so on Python 3.11 when it comes at the moment in which a connection does."""
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=AGAIN)
