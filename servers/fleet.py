"""Several server processes on one socket, and the parent that looks after them. It serves nothing itself."""

from __future__ import annotations

import asyncio
import logging
import mmap
import os
import signal
import time
from collections.abc import Callable
from types import FrameType
from typing import Final

PAUSE: Final = 1.0  # seconds before a child is replaced that has died young
YOUNG: Final = 10.0

logger = logging.getLogger(__name__)


class Member:
    """What a child knows of its fleet."""

    def __init__(self, lifeline: int, tally: mmap.mmap) -> None:
        self._lifeline = lifeline
        self._tally = tally

    def opened(self) -> None:
        """Requests are answered: settings and storage are in order."""
        self._tally[0] = 1

    def when_orphaned(self, stop: Callable[[], None]) -> None:
        """Stop when the parent has died without a word. To be called on the event loop."""
        loop = asyncio.get_running_loop()

        def orphaned() -> None:
            loop.remove_reader(self._lifeline)
            logger.error("the parent process is gone: stopping")
            stop()

        loop.add_reader(self._lifeline, orphaned)


class Fleet:
    """`count` children, each of which does `serve` and ends with its code. One that dies is replaced; SIGTERM and SIGINT reach
    them all. Where none of them ever could open, they are not tried again."""

    def __init__(self, count: int, serve: Callable[[Member], int]) -> None:
        self._count = count
        self._serve = serve
        self._children: dict[int, float] = {}
        self._stopping = False
        self._code = 0
        self._tally = mmap.mmap(-1, 1)
        self._lifeline, self._held = os.pipe()

    def run(self) -> int:
        """Returns the exit code, when all children have ended."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        logger.info("%d server processes", self._count)
        for _ in range(self._count):
            self._begin()
        while self._children:
            pid, status = os.wait()
            self._ended(pid, os.waitstatus_to_exitcode(status))
        return self._code

    def _begin(self) -> None:
        if self._stopping:
            return
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))
        pid = os.fork()
        if pid == 0:
            self._become_child()
        self._children[pid] = time.monotonic()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGINT))

    def _become_child(self) -> None:
        """The rest of a child's life."""
        code = 1
        try:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGINT))
            os.close(self._held)
            code = self._serve(Member(self._lifeline, self._tally))
        except Exception:
            logger.exception("a server process could not go on")
        finally:
            logging.shutdown()
            os._exit(code)

    def _ended(self, pid: int, code: int) -> None:
        begun = self._children.pop(pid, None)
        if begun is None or self._stopping:
            return
        if not self._tally[0] and code > 0:  # its log says why
            self._code = code
            self._send(signal.SIGTERM)
            return
        logger.warning("server process %d has ended (%s): another one takes its place", pid, _said(code))
        if time.monotonic() - begun < YOUNG:
            time.sleep(PAUSE)
        self._begin()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._send(number)

    def _send(self, number: int) -> None:
        self._stopping = True
        for pid in list(self._children):
            os.kill(pid, number)


def _said(code: int) -> str:
    return f"code {code}" if code >= 0 else signal.Signals(-code).name
