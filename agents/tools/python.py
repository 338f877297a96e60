"""The `python` tool: a program of the model's, run by pydantic-monty in a process of its own, under limits.

Each run has a fresh worker process, so that nothing is left over from one tenant for the next. The pool is monty's
synchronous one, called from a few threads: it lets go of the GIL while the worker runs, and unlike the asynchronous
one it never aborts an interpreter that is about to exit.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from reprlib import Repr
from typing import TYPE_CHECKING, Any

from agents.models.port import ToolSpec
from agents.tools.port import Tool, ToolContext, ToolOutput

if TYPE_CHECKING:
    from pydantic_monty import MontyError, ResourceLimits

SECONDS = 5.0
MEMORY_BYTES = 128 * 1024 * 1024
RECURSION_DEPTH = 200
OUTPUT_CHARACTERS = 20_000
ERROR_CHARACTERS = 2_000
CODE_CHARACTERS = 100_000

SPEC = ToolSpec(
    "python",
    "Runs a Python program and returns what it prints, then the value of its last expression. Each call starts afresh, "
    f"for at most {SECONDS:.0f} seconds and {MEMORY_BYTES // 1024 // 1024} MB. The language is a subset: functions, comprehensions, exceptions, f-strings "
    "and simple classes, but no generators (yield), no class inheritance and no del. These modules can be imported: "
    "math, re, json, datetime, random, itertools, collections, functools, decimal, csv, time, typing, dataclasses, "
    "copy, bisect, hashlib, base64. There is no statistics, no numpy or pandas or any other package, no files, no "
    "network, no input().",
    {
        "type": "object",
        "properties": {"code": {"type": "string", "description": "The whole program."}},
        "required": ["code"],
        "additionalProperties": False,
    },
)

_threads = ThreadPoolExecutor(max_workers=os.cpu_count() or 2, thread_name_prefix="python-tool")


async def run(arguments: Mapping[str, Any], context: ToolContext) -> ToolOutput:
    """Run `code` and report what came of it. Cancelling it ends the program at once."""
    code = arguments.get("code")
    if not isinstance(code, str) or not code.strip():
        return ToolOutput("The argument `code` must be a Python program, as a string.", "error")
    if len(code) > CODE_CHARACTERS:
        return ToolOutput(f"The program is longer than {CODE_CHARACTERS} characters.", "error")
    program = _Program(code)
    try:
        return await asyncio.get_running_loop().run_in_executor(_threads, program.run)
    except asyncio.CancelledError:
        program.kill()
        raise


class _Program:
    """One program and the worker process it runs in."""

    def __init__(self, code: str) -> None:
        self._code = code
        self._printed = _Printed()
        self._lock = threading.Lock()
        self._worker: int | None = None
        self._killed = False

    def run(self) -> ToolOutput:
        from pydantic_monty import MontyError

        try:
            value = self._evaluate()
            return ToolOutput(self._printed.text(None if value is None else _show(value)))
        except MontyError as error:
            return ToolOutput(self._printed.text(_explain(error)), "error")
        except ValueError as error:  # an integer with too many digits to be written down
            return ToolOutput(self._printed.text(f"The result can't be shown: {error}"), "error")

    def _evaluate(self) -> object:
        from pydantic_monty import Monty

        with Monty(max_processes=1, request_timeout=2 * SECONDS) as pool, pool.checkout(limits=_limits()) as session:
            self._enter(session.worker_pid)
            try:
                return session.feed_run(self._code, print_callback=self._printed.add)
            finally:
                self._enter(None)

    def kill(self) -> None:
        """End the worker, or see to it that it ends as soon as it starts. Safe from any thread."""
        with self._lock:
            self._killed = True
            self._end()

    def _enter(self, worker: int | None) -> None:
        with self._lock:
            self._worker = worker
            if self._killed:
                self._end()

    def _end(self) -> None:
        if self._worker is not None:
            os.kill(self._worker, signal.SIGTERM)


class _Printed:
    """What a program has printed, up to a limit."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._room = OUTPUT_CHARACTERS
        self._cut = False

    def add(self, stream: str, text: str) -> None:
        self._cut = self._cut or len(text) > self._room
        self._parts.append(text[: self._room])
        self._room -= len(self._parts[-1])

    def text(self, end: str | None) -> str:
        """All of it, with `end` as its last lines."""
        printed = "".join(self._parts).rstrip("\n")
        note = f"(more was printed: cut at {OUTPUT_CHARACTERS} characters)" if self._cut else ""
        lines = [part for part in (printed, note, end) if part]
        return "\n".join(lines) or "(The program printed nothing and ends with no value.)"


class _Show(Repr):
    """`repr` that stays short and quick whatever it is given: shared and nested parts count each time they are shown,
    against one budget. Dictionaries keep their order."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 20
        self._left = 2 * OUTPUT_CHARACTERS
        self.maxtuple = self.maxlist = self.maxarray = self.maxdict = self.maxset = self.maxfrozenset = 1000
        self.maxdeque = 1000
        self.maxstring = self.maxlong = self.maxother = OUTPUT_CHARACTERS

    def repr1(self, x: Any, level: int) -> str:
        if self._left <= 0:
            return "..."
        self._left -= 1
        text = super().repr1(x, level)
        if not isinstance(x, list | tuple | dict | set | frozenset):
            self._left -= len(text)
        return text

    def repr_dict(self, x: dict[Any, Any], level: int) -> str:
        if not x or level <= 0:
            return "{...}" if x else "{}"
        pairs = [f"{self.repr1(key, level - 1)}: {self.repr1(x[key], level - 1)}" for key in list(x)[: self.maxdict]]
        return "{" + ", ".join([*pairs, "..."] if len(x) > self.maxdict else pairs) + "}"


def _show(value: object) -> str:
    text = value if isinstance(value, str) else _Show().repr(value)
    if len(text) <= OUTPUT_CHARACTERS:
        return text
    return f"{text[:OUTPUT_CHARACTERS]}\n(the value is longer: cut at {OUTPUT_CHARACTERS} characters)"


def _explain(error: MontyError) -> str:
    from pydantic_monty import MontyCrashedError, MontyRuntimeError, MontySyntaxError

    if isinstance(error, MontyCrashedError):
        return f"The program was stopped: {error}"
    if not isinstance(error, MontyRuntimeError | MontySyntaxError):
        return str(error)
    traceback = error.display().strip()
    return traceback if len(traceback) <= ERROR_CHARACTERS else f"...{traceback[-ERROR_CHARACTERS:]}"


def _limits() -> ResourceLimits:
    return {
        "max_feed_duration_secs": SECONDS,
        "max_memory": MEMORY_BYTES,
        "max_recursion_depth": RECURSION_DEPTH,
        "max_total_sleep_secs": 0.0,
    }


PYTHON = Tool(SPEC, run)
