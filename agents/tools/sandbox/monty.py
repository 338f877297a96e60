"""Programs run by pydantic-monty, a Python of its own in a process of its own, under limits.

Each session has a fresh worker process, so that nothing is left over from one tenant for the next. The pool is monty's
synchronous one, called from a few threads: it lets go of the GIL while the worker runs, and unlike the asynchronous
one it never aborts an interpreter that is about to exit.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agents.tools.sandbox.folder import Folder, TooMuch
from agents.tools.sandbox.port import DATA, Ran, Session
from agents.tools.sandbox.shown import Printed, show

if TYPE_CHECKING:
    from pydantic_monty import MontyError, MontySession, MountDir, ResourceLimits

SECONDS = 5.0
SECONDS_WITH_FILES = 10.0  # of the clock: reading and writing is no time of the program's own
MEMORY_BYTES: Final = 128 * 1024 * 1024
WRITTEN_BYTES: Final = 64 * 1024 * 1024
RECURSION_DEPTH: Final = 200
READS_AND_WRITES: Final = 1_000_000
ERROR_CHARACTERS: Final = 2_000

_NEEDS_FILES: Final = re.compile(r"open|[Pp]ath|\bos\b")

_threads = ThreadPoolExecutor(max_workers=os.cpu_count() or 2, thread_name_prefix="python-tool")


class MontySandbox:
    """The sandbox that comes along: quick, small, and a subset of Python."""

    guide = (
        f"A program may take {SECONDS:.0f} seconds and {MEMORY_BYTES // 1024 // 1024} MB. The language is a subset: functions, comprehensions, exceptions, "
        "f-strings and simple classes, but no generators (yield), no class inheritance and no del. These modules can be "
        "imported: math, re, json, csv, datetime, random, itertools, collections, functools, decimal, time, typing, "
        "dataclasses, copy, bisect, hashlib, base64, unicodedata, os, pathlib. There is no statistics, no numpy or pandas or "
        f"any other package, no network, no input(). Files are under {DATA} and nowhere else: open() reads and writes UTF-8 "
        "text, or bytes with 'rb' and 'wb', and takes no encoding; csv.reader, csv.DictReader, csv.writer, json.load, "
        "json.dump and pathlib work."
    )

    most = 32

    def start(self) -> None:
        """Nothing has to be ready."""

    async def open(self, files: Path) -> Session:
        return _Session(files)

    async def close(self) -> None:
        """Workers belong to their sessions."""


class _Session:
    """A worker for as long as all goes well, and a folder from the first program on that may ask for one."""

    def __init__(self, files: Path) -> None:
        self._files = _Files(Folder(files.parent / "data", files))
        self._worker = _Worker()
        self._ran = self._lost = False

    async def run(self, code: str) -> Ran:
        worker = self._worker
        try:
            ran = await asyncio.get_running_loop().run_in_executor(_threads, _run, worker, self._files, code)
        except asyncio.CancelledError:
            worker.kill()
            self._replace()
            raise
        ran, self._ran, self._lost = replace(ran, afresh=self._lost), True, False
        if worker.spent:
            self._replace()
        return ran

    async def close(self) -> None:
        await asyncio.to_thread(self._close)

    def _replace(self) -> None:
        self._worker, self._lost = _Worker(), self._ran or self._lost

    def _close(self) -> None:
        self._worker.close()
        self._files.close()


def _run(worker: _Worker, files: _Files, code: str) -> Ran:
    """Run a program in this thread, and end a worker that is good for nothing any more."""
    from pydantic_monty import MontyError

    printed = Printed()
    try:
        value = worker.evaluate(code, printed, files.mounted(code))
        ran = Ran(printed.text(None if value is None else show(value)))
    except MontyError as error:
        ran = Ran(printed.text(worker.explained(error)), "error")
    except ValueError as error:  # an integer with too many digits to be written down
        ran = Ran(printed.text(f"The result can't be shown: {error}"), "error")
    finally:
        if worker.spent:
            worker.close()
    return ran if worker.killed else files.with_written(ran)


class _Files:
    """The folder of a session as a mount, made when a program may need it."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._mount: MountDir | None = None

    def mounted(self, code: str) -> MountDir | None:
        """The mount, once a program has said a word without which there is no way to a file."""
        if self._mount is None and _NEEDS_FILES.search(code):
            from pydantic_monty import MountDir

            self._folder.make()
            self._mount = MountDir(
                host_path=self._folder.path, virtual_path=DATA, mode="read-write", write_bytes_limit=WRITTEN_BYTES
            )
        return self._mount

    def with_written(self, ran: Ran) -> Ran:
        """What came of a program, with the files that it has changed."""
        if self._mount is None:
            return ran
        try:
            return replace(ran, written=self._folder.written())
        except TooMuch as error:
            return Ran(f"{ran.text}\n{error}", "error")

    def close(self) -> None:
        if self._mount is not None:
            self._mount.close()


class _Worker:
    """A worker process, which keeps the names of the programs that it runs. `spent`: it can run no more."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._opened = ExitStack()
        self._session: MontySession | None = None
        self._at_work: int | None = None
        self._placed = False
        self._overdue = False
        self.killed = self.spent = False

    def evaluate(self, code: str, printed: Printed, mount: MountDir | None) -> object:
        """The value of a program's last expression. Raises `MontyError`."""
        try:
            session = self._session or self._start()
            cwd, self._placed = (None, self._placed) if mount is None or self._placed else (DATA, True)
            with self._working(session.worker_pid, SECONDS_WITH_FILES if mount else None):
                return session.feed_run(code, print_callback=printed.add, mount=mount, cwd=cwd)
        except Exception as error:
            self.spent = self.killed or _is_end(error)
            raise

    def explained(self, error: MontyError) -> str:
        """What has stopped a program, for its author to read."""
        from pydantic_monty import MontyCrashedError, MontyRuntimeError, MontySyntaxError

        if self._overdue:
            return f"The program was stopped: it took more than {SECONDS_WITH_FILES:.0f} seconds."
        if isinstance(error, MontyCrashedError):
            return f"The program was stopped: {error}"
        if not isinstance(error, MontyRuntimeError | MontySyntaxError):
            return str(error)
        traceback = error.display().strip()
        return traceback if len(traceback) <= ERROR_CHARACTERS else f"...{traceback[-ERROR_CHARACTERS:]}"

    def kill(self) -> None:
        """End the program at work, or see to it that it ends as soon as it starts. Safe from any thread."""
        with self._lock:
            self.killed = True
            self._end()

    def close(self) -> None:
        """End the process. Not while a program is at work."""
        with suppress(Exception):  # it may have ended by itself
            self._opened.close()

    def _start(self) -> MontySession:
        from pydantic_monty import Monty

        pool = self._opened.enter_context(Monty(max_processes=1, request_timeout=2 * SECONDS))
        self._session = self._opened.enter_context(pool.checkout(limits=_limits()))
        return self._session

    @contextmanager
    def _working(self, pid: int | None, seconds: float | None) -> Iterator[None]:
        self._enter(pid)
        timer = threading.Timer(seconds, self._stop) if seconds else None
        if timer is not None:
            timer.daemon = True
            timer.start()
        try:
            yield
        finally:
            self._enter(None)
            if timer is not None:
                timer.cancel()

    def _stop(self) -> None:
        with self._lock:
            self._overdue = self._at_work is not None
            self._end()

    def _enter(self, worker: int | None) -> None:
        with self._lock:
            self._at_work = worker
            if self.killed:
                self._end()

    def _end(self) -> None:
        if self._at_work is not None:
            with suppress(ProcessLookupError):
                os.kill(self._at_work, signal.SIGTERM)


def _is_end(error: Exception) -> bool:
    """Whether nothing is certain about a worker's memory any more."""
    from pydantic_monty import MontyRuntimeError, MontySyntaxError, MontyTypingError

    if isinstance(error, MontyRuntimeError):
        return isinstance(error.exception(), TimeoutError | MemoryError)
    return not isinstance(error, MontySyntaxError | MontyTypingError | ValueError)


def _limits() -> ResourceLimits:
    return {
        "max_feed_duration_secs": SECONDS,
        "max_memory": MEMORY_BYTES,
        "max_recursion_depth": RECURSION_DEPTH,
        "max_suspensions": READS_AND_WRITES,
        "max_total_sleep_secs": 0.0,
    }


MONTY: Final = MontySandbox()
