"""A process that carries runs and reads files, and answers no requests."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal

from uvicorn.loops.auto import auto_loop_factory

from servers import logs
from servers.backend import Backend, StartFailed, refuse_alone
from servers.imports import NamesTaken
from servers.serve import raise_file_limit
from servers.settings import BadSettings, Settings, without_password
from servers.version import version

logger = logging.getLogger(__name__)


def work(settings: Settings) -> int:
    """Work until SIGTERM or SIGINT, then hand over what is at work; returns the exit code. Where the worker can't start,
    one line in the log says why."""
    logs.configure(settings.log_format, settings.log_level)
    refuse_alone(settings, "cortex-flow worker")
    raise_file_limit()
    with asyncio.Runner(loop_factory=auto_loop_factory()) as runner:
        return runner.run(_work(settings))


async def _work(settings: Settings) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    backend = Backend(settings)
    try:
        return await _until(stop, backend, settings)
    except (BadSettings, NamesTaken, StartFailed) as error:
        logger.error("%s", error)
        return 2 if isinstance(error, BadSettings) else 1
    finally:
        await backend.close()


async def _until(stop: asyncio.Event, backend: Backend, settings: Settings) -> int:
    """Open and work, until there is word to stop, which may come at any time."""
    stopped, opening = asyncio.create_task(stop.wait()), asyncio.create_task(_open(backend))
    await asyncio.wait([stopped, opening], return_when=asyncio.FIRST_COMPLETED)
    try:
        if opening.done():
            opening.result()
            logger.info("Cortex Flow %s worker, storage %s", version(), without_password(settings.storage_url))
            gc.freeze()
            await stopped
            logger.info("handing over")
    finally:
        stopped.cancel()
        opening.cancel()
        await asyncio.wait([stopped, opening])
        await backend.drain(settings.drain_seconds)
    return 0


async def _open(backend: Backend) -> None:
    await backend.open(await backend.claim())
