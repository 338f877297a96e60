"""Clients' files as chunks, read in processes of their own with limits on time and memory."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from graph.sizes import MB
from graph.vector_stores.parsing.formats import Unreadable
from graph.vector_stores.values import Chunk, Chunking

_ROOT: Final = Path(__file__).parents[3]
_START: Final = (
    "import sys; sys.path.insert(0, sys.argv[1]); from graph.vector_stores.parsing.process import main; "
    "main(sys.argv[2], int(sys.argv[3]))"
)
_LINE: Final = 4 * MB
_FILES: Final = 200  # that one process reads: what it leaks goes with it
_IDLE: Final = 20.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What reading one file may take: seconds, and bytes of address space."""

    seconds: float = 120
    memory: int = 1024 * MB


class Reader:
    """Reads files, one after the other, in a process that is kept for a while. One caller at a time."""

    def __init__(self, token_model: str, limits: Limits | None = None) -> None:
        self._token_model = token_model
        self._limits = limits or Limits()
        self._process: asyncio.subprocess.Process | None = None
        self._files = 0
        self._rest: asyncio.TimerHandle | None = None

    async def read(self, path: Path, name: str, chunking: Chunking) -> AsyncGenerator[Chunk, None]:
        """The chunks of the file at `path`, which its client calls `name`. Raises `Unreadable`."""
        self._wake()
        process, whole = await self._opened(), False
        asked = {"path": str(path), "name": name, "size": chunking.size, "overlap": chunking.overlap}
        try:
            async with asyncio.timeout(self._limits.seconds) as limit:
                number = 0
                async for fields in _answers(process, orjson.dumps(asked)):
                    limit.reschedule(None)  # it is not the file's fault when we are slow to take what it says
                    yield Chunk(number, **fields)
                    number += 1
                    limit.reschedule(asyncio.get_running_loop().time() + self._limits.seconds)
            whole = True
        except Unreadable:
            whole = process.returncode is None
            raise
        except TimeoutError:
            raise Unreadable(f"Reading the file took more than {self._limits.seconds:g} seconds.") from None
        finally:
            if not whole:
                await self.close()
            self._doze()

    async def close(self) -> None:
        """End the process. The reader can be used again."""
        self._wake()
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _opened(self) -> asyncio.subprocess.Process:
        if self._files >= _FILES or (self._process is not None and self._process.returncode is not None):
            await self.close()
        if self._process is None:
            self._files = 0
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-c", _START, str(_ROOT), self._token_model, str(self._limits.memory)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                limit=_LINE,
            )
        self._files += 1
        return self._process

    def _doze(self) -> None:
        """A process that has nothing to do for a while goes."""
        if self._process is not None:
            self._rest = asyncio.get_running_loop().call_later(_IDLE, self._let_go)

    def _wake(self) -> None:
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None

    def _let_go(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()  # it ends by itself, and is reaped by the loop
            self._process = None


async def _answers(process: asyncio.subprocess.Process, asked: bytes) -> AsyncGenerator[dict[str, Any], None]:
    """The chunks that the process tells. Raises `Unreadable` where it says so, or dies."""
    assert process.stdin is not None
    assert process.stdout is not None
    with suppress(ConnectionError):
        process.stdin.write(asked + b"\n")
        await process.stdin.drain()
    while line := await process.stdout.readline():
        fields = orjson.loads(line)
        if "text" in fields:
            yield fields
        elif fields["end"] is None:
            return
        else:
            raise Unreadable(**fields["end"])
    await process.wait()
    raise Unreadable("Reading the file took too much memory.")
