"""An interpreter in a process of its own, spoken to over its pipes: lines of JSON, and the bytes of the files that they
name. What comes back may be a program's own doing: it is held to its form and its limits, and believed in nothing else."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson

from agents.tools.sandbox.inside import TEMPORARY
from agents.tools.sandbox.port import DATA

MB: Final = 1024 * 1024
FILES: Final = 64
"""How many files one program can bring out."""
DISK: Final = 192 * MB
"""How much there can be in `DATA`, with the files that were given."""
_INODES: Final = 5_000
_LOOK: Final = 0.5
_LINE: Final = 2 * MB
_GONE: Final = "The program has ended the interpreter."
_NAMES: Final = "The program was stopped: it made files without end."


class Died(Exception):
    """The interpreter is gone. The message says why, for the model to read."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a program, and the files that it has made or changed. `beyond` are those that were too many to be
    brought out; `ended` says that the interpreter is gone with it."""

    printed: str
    error: str | None
    files: tuple[tuple[str, bytes], ...] = ()
    beyond: tuple[str, ...] = ()
    ended: bool = False


@dataclass(frozen=True, slots=True)
class Command:
    """How an interpreter is started. `inner`: it is a child of this command, in namespaces of its own, whose threads would go
    on between programs and whose files are the kernel's memory."""

    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    inner: bool = False


class Interpreter:
    """One such process, for one program after the other."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._inner: int | None = None
        self._why = _GONE

    @classmethod
    async def start(cls, command: Command, seconds: float) -> Interpreter:
        """One that is ready within so many seconds. Raises `Died`."""
        process = await asyncio.create_subprocess_exec(
            *command.argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=command.env,
            cwd="/",
            limit=_LINE,
        )
        interpreter = cls(process)
        try:
            async with asyncio.timeout(seconds):
                await interpreter._line()
            interpreter._inner = _child(process.pid) if command.inner else None
        except TimeoutError:
            await interpreter.kill()
            raise Died(f"The interpreter was not ready after {seconds:g} seconds.") from None
        except BaseException:
            await interpreter.kill()
            raise
        return interpreter

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    async def put(self, name: str, data: bytes) -> None:
        """Have a file there. Raises `Died`."""
        await self._send({"put": name, "size": len(data)}, data)

    async def run(self, code: str, seconds: float, grace: float = 0.0) -> Answer:
        """Run a program, for so many seconds; the interpreter has some `grace` to stop it by itself. Raises `Died`; whatever
        it raises, the interpreter is gone then."""
        try:
            self._signal(signal.SIGCONT)
            async with self._watched(), asyncio.timeout(seconds + grace):
                answer = await self._answered(code, seconds)
            if answer.ended:
                await self.kill()
            self._signal(signal.SIGSTOP)
            return answer
        except TimeoutError:
            await self.kill()
            raise Died(f"TimeoutError: the program ran for more than {seconds:g} seconds.") from None
        except BaseException:
            await self.kill()
            raise

    async def kill(self) -> None:
        """End it at once, and with it all that it has started."""
        self._signal(signal.SIGKILL)
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        self._inner = None

    async def _answered(self, code: str, seconds: float) -> Answer:
        asked = secrets.token_hex(8)
        await self._send({"code": code, "id": asked, "seconds": seconds})
        told = await self._line()
        if told.get("id") != asked:
            raise Died(self._why)
        try:
            return await self._read(told)
        except (KeyError, TypeError, ValueError, asyncio.IncompleteReadError):
            raise Died(self._why) from None

    async def _read(self, told: Mapping[str, Any]) -> Answer:
        assert self._process.stdout is not None
        files: dict[str, bytes] = {}
        for name, size in told["files"]:
            if not is_name(name) or len(files) == FILES or not 0 <= size <= DISK - sum(map(len, files.values())):
                raise ValueError
            files[name] = await self._process.stdout.readexactly(size)
        error = None if told["error"] is None else str(told["error"])
        beyond = tuple(str(name) for name in told["beyond"])
        return Answer(str(told["printed"]), error, tuple(files.items()), beyond, bool(told["ended"]))

    async def _send(self, message: dict[str, Any], data: bytes = b"") -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(orjson.dumps(message) + b"\n" + data)
            await self._process.stdin.drain()
        except ConnectionError:
            raise Died(self._why) from None

    async def _line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        try:
            told = orjson.loads(await self._process.stdout.readline())
        except ValueError:
            raise Died(self._why) from None
        if not isinstance(told, dict):
            raise Died(self._why)
        return told

    def _signal(self, number: int) -> None:
        if self._inner is not None and self.alive:
            with suppress(ProcessLookupError):
                os.kill(self._inner, number)

    @asynccontextmanager
    async def _watched(self) -> AsyncIterator[None]:
        """Kill it when it makes files without end: their bytes have a limit, but their names are memory that nothing counts."""
        watch = asyncio.create_task(self._watch(self._inner)) if self._inner is not None else None
        try:
            yield
        finally:
            if watch is not None:
                watch.cancel()

    async def _watch(self, inner: int) -> None:
        with suppress(OSError):
            while True:
                await asyncio.sleep(_LOOK)
                for folder in (DATA, TEMPORARY):
                    about = os.statvfs(f"/proc/{inner}/root{folder}")
                    if about.f_files - about.f_ffree > _INODES:
                        self._why = _NAMES
                        self._signal(signal.SIGKILL)


def is_name(name: object) -> bool:
    """Whether this can be the name of a file in a folder of ours."""
    return (
        isinstance(name, str)
        and 0 < len(name.encode("utf-8", "surrogatepass")) <= 255
        and not name.startswith(".")
        and not {"/", "\0"} & set(name)
    )


def _child(pid: int) -> int | None:
    """The process that this one has started."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return None
    return int(children[0]) if children else None
