"""`SANDBOX=bubblewrap`: a Python of this machine, shut in by the kernel (Linux)."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from agents.tools.sandbox import remote
from agents.tools.sandbox.bubblewrap.confinement import command, own_python
from agents.tools.sandbox.port import Session
from agents.tools.sandbox.process import MB, Command, Interpreter
from agents.tools.sandbox.remote import AT_ONCE, MEMORY_BYTES, RemoteSession, most_sessions
from agents.tools.settings import ToolNotConfigured

_START: Final = 30.0
_OTHERS: Final = ("/usr/local/bin/python3", "/usr/bin/python3")


class Bubblewrap:
    """Interpreters that bubblewrap shuts in, one for each session; `python` is which, or else the first that works. Raises
    `ToolNotConfigured` where there is none."""

    def __init__(self, python: Path | None = None) -> None:
        self._command = _working(python)
        self._turns = asyncio.Semaphore(AT_ONCE)
        self.most = most_sessions()
        self.guide = (
            f"A program may take {remote.SECONDS:.0f} seconds and {MEMORY_BYTES // MB} MB. The language is Python with its "
            "standard library; packages like numpy and pandas may be there: try to import them. plt.show() saves the figure as "
            "a PNG. No network, no other processes, no input()."
        )

    def start(self) -> None:
        """Nothing has to be ready."""

    async def open(self, files: Path) -> Session:
        return RemoteSession(self._start, files, self._turns)

    async def close(self) -> None:
        """Interpreters belong to their sessions."""

    async def _start(self) -> Interpreter:
        return await Interpreter.start(self._command, _START)


def _working(python: Path | None) -> Command:
    """The command that starts an interpreter, once it has done so."""
    bwrap = _program("bwrap", "install bubblewrap")
    setpriv = (
        _program("setpriv", "install util-linux, or serve as another user than root") if os.geteuid() == 0 else None
    )
    reason = "no Python was found"
    for each in [python] if python else [own_python(), *map(Path, _OTHERS)]:
        tried = command(bwrap, setpriv, each, MEMORY_BYTES)
        reason = _reason(tried) if each.exists() else f"{each} is not there"
        if not reason:
            return tried
    raise ToolNotConfigured(f"SANDBOX=bubblewrap can't start Python here (SANDBOX_PYTHON says which): {reason}.")


def _program(name: str, advice: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise ToolNotConfigured(f"SANDBOX=bubblewrap needs the program {name}: {advice}.")
    return path


def _reason(tried: Command) -> str:
    """Why it does not start; nothing where it does."""
    try:
        done = subprocess.run(  # noqa: S603
            tried.argv, env=dict(tried.env), cwd="/", input=b"", capture_output=True, timeout=_START
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error).rstrip(".")
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    return "" if done.stdout.startswith(b'{"ready"') else (lines[-1] if lines else "it ends at once").rstrip(".")


__all__ = ["Bubblewrap"]
