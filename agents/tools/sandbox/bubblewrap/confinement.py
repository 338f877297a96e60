"""The command that shuts an interpreter in: what it sees of this machine, and what it may take of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from agents.tools.sandbox.folder import MOST_FILES
from agents.tools.sandbox.inside import ENVIRONMENT, TEMPORARY, source
from agents.tools.sandbox.port import DATA
from agents.tools.sandbox.process import DISK, FILES, MB, Command
from agents.tools.sandbox.shown import OUTPUT_CHARACTERS

NOBODY: Final = "65534"
_TEMPORARY: Final = 32 * MB
_THREADS: Final = 64
_OPEN_FILES: Final = 256
_SYSTEM: Final = ("/usr", "/bin", "/lib", "/lib64", "/lib32")
_DEVICES: Final = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")
_ENVIRONMENT: Final = {
    **ENVIRONMENT,
    "LANG": "C.UTF-8",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PATH": "/usr/bin",
    "PYTHONDONTWRITEBYTECODE": "1",
}


def command(bwrap: str, setpriv: str | None, python: Path, memory: int) -> Command:
    """An interpreter in namespaces of its own, as nobody; `setpriv` is how root gets to be that."""
    become = [setpriv, "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "--"] if setpriv else []
    inside = [str(python), "-I", "-c", source("shown", "inside.figures", "inside.driver"), _told(memory)]
    return Command([*become, bwrap, *_namespaces(), *_root(python), "--", *inside], inner=True)


def _namespaces() -> list[str]:
    apart = [
        "--unshare-user",
        "--unshare-pid",
        "--unshare-net",
        "--unshare-ipc",
        "--unshare-uts",
        "--unshare-cgroup-try",
    ]
    alone = ["--new-session", "--die-with-parent", "--as-pid-1", "--cap-drop", "ALL", "--clearenv"]
    return [*apart, "--uid", NOBODY, "--gid", NOBODY, "--hostname", "sandbox", *alone]


def _root(python: Path) -> Iterator[str]:
    """What there is: the system's libraries and the interpreter to read, two small folders to write, nothing else."""
    for name in _SYSTEM:
        if Path(name).is_symlink():
            yield from ("--symlink", str(Path(name).readlink()), name)
        else:
            yield from ("--ro-bind-try", name, name)
    for folder in homes(python):
        yield from ("--ro-bind", folder, folder)
    for name in ("/etc/ld.so.cache", "/etc/alternatives", "/etc/fonts"):
        yield from ("--ro-bind-try", name, name)
    for name in _DEVICES:
        yield from ("--dev-bind", name, name)
    yield from ("--size", str(_TEMPORARY), "--tmpfs", TEMPORARY, "--size", str(DISK), "--tmpfs", DATA)
    yield from ("--remount-ro", "/", "--chdir", DATA)
    for name, value in _ENVIRONMENT.items():
        yield from ("--setenv", name, value)


def homes(python: Path) -> list[str]:
    """The folders outside the system's that an interpreter lives in: its environment, and what that was made from."""
    own, real = python.parent.parent, python.resolve().parent.parent
    return [str(each) for each in dict.fromkeys((own, real)) if not each.is_relative_to("/usr") and each != Path("/")]


def own_python() -> Path:
    """The interpreter that this process runs on, outside its environment: what is installed here is not shown to programs."""
    return Path(getattr(sys, "_base_executable", sys.executable) or sys.executable)


def _told(memory: int) -> str:
    resources = {
        "RLIMIT_AS": memory,
        "RLIMIT_CORE": 0,
        "RLIMIT_FSIZE": DISK,
        "RLIMIT_NOFILE": _OPEN_FILES,
        "RLIMIT_NPROC": _THREADS,
        "RLIMIT_MEMLOCK": 0,
        "RLIMIT_MSGQUEUE": 0,
    }
    return json.dumps({"resources": resources, "output": OUTPUT_CHARACTERS, "files": FILES, "names": MOST_FILES})
