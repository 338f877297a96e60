"""Patience with a server that is not there yet."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from graph.storage.port import StorageUnavailable

T = TypeVar("T")

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0

log = logging.getLogger(__name__)


async def patiently(attempt: Callable[[], Awaitable[T]], seconds: float) -> T:
    """What comes of an attempt, which is made again while it raises `StorageUnavailable`, for so many seconds. Said once in
    the log. Any other error is raised at once."""
    loop = asyncio.get_running_loop()
    deadline, pause, told = loop.time() + seconds, FIRST_PAUSE, False
    while True:
        try:
            return await attempt()
        except StorageUnavailable as error:
            if loop.time() + pause >= deadline:
                raise
            if not told:
                log.warning("%s; trying again for %d seconds", error, seconds)
                told = True
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
