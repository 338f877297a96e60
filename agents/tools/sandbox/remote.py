"""Sessions whose interpreter is a process of its own: started when there is something to run, and again after it was lost."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from agents.tools.sandbox.port import Ran, Written
from agents.tools.sandbox.process import FILES, Answer, Died, Interpreter
from agents.tools.sandbox.shown import Printed

SECONDS = 30.0
MEMORY_BYTES: Final = 1024 * 1024 * 1024
AT_ONCE: Final = os.cpu_count() or 2
"""How many programs run at the same time; others wait for their turn."""
ERROR_CHARACTERS: Final = 2_000
_WRITTEN: Final = "written"
_MOST: Final = 32
_CONTAINER: Final = Path("/sys/fs/cgroup/memory.max")

Start = Callable[[], Awaitable[Interpreter]]


def most_sessions() -> int:
    """How many sessions fit into half of the memory that there is, each with all that its programs may take."""
    return max(2, min(_MOST, _memory() // 2 // MEMORY_BYTES))


def _memory() -> int:
    """The machine's, or the container's where that has less."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(machine, int(_CONTAINER.read_text()))
    except (OSError, ValueError):
        return machine


class RemoteSession:
    """A session over interpreters that `start` gives, one after the other. `turns` is shared by those who run at the same time,
    `grace` what an interpreter needs to stop a program by itself."""

    def __init__(self, start: Start, files: Path, turns: asyncio.Semaphore, grace: float = 0.0) -> None:
        self._start, self._files, self._turns, self._grace = start, files, turns, grace
        self._written = files.parent / _WRITTEN
        self._interpreter: Interpreter | None = None
        self._ran = False

    async def run(self, code: str) -> Ran:
        async with self._turns:
            afresh = self._ran and not self._is_there()
            try:
                ran = await self._run(code)
            except Died as error:
                ran = Ran(str(error), "error")
        self._ran = True
        return replace(ran, afresh=afresh)

    async def close(self) -> None:
        interpreter, self._interpreter = self._interpreter, None
        if interpreter is not None:
            await interpreter.kill()

    async def _run(self, code: str) -> Ran:
        interpreter = await self._ready()
        answer = await interpreter.run(code, SECONDS, self._grace)
        written = await asyncio.to_thread(self._keep, answer) if answer.files else ()
        return Ran(_text(answer), "ok" if answer.error is None else "error", written)

    def _is_there(self) -> bool:
        return self._interpreter is not None and self._interpreter.alive

    async def _ready(self) -> Interpreter:
        """An interpreter with the files that programs find: those given, and what was made of them."""
        if self._interpreter is not None and self._interpreter.alive:
            return self._interpreter
        interpreter = await self._start()
        try:
            for path in await asyncio.to_thread(list, self._known()):
                await interpreter.put(path.name, await asyncio.to_thread(path.read_bytes))
        except BaseException:
            await interpreter.kill()
            raise
        self._interpreter = interpreter
        return interpreter

    def _known(self) -> Iterator[Path]:
        for folder in (self._files, self._written):
            if folder.is_dir():
                yield from sorted(path for path in folder.iterdir() if path.is_file())

    def _keep(self, answer: Answer) -> tuple[Written, ...]:
        self._written.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, data in answer.files:
            (self._written / name).write_bytes(data)
        return tuple(Written(name, self._written / name) for name, _ in answer.files)


def _text(answer: Answer) -> str:
    """What a model reads of it."""
    printed = Printed()
    printed.add("stdout", answer.printed)
    error = answer.error or ""
    error = error if len(error) <= ERROR_CHARACTERS else f"...{error[-ERROR_CHARACTERS:]}"
    beyond = answer.beyond
    note = (
        f"(Of its new files the first {FILES} can be handed over, not {beyond[0][:255]} and others.)" if beyond else ""
    )
    return printed.text("\n".join(filter(None, (error, note))) or None)
