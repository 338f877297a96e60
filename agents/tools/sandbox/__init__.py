"""Where programs that a model wrote are run. `port` says what a sandbox promises; each one is a file or folder here:

- `monty`: comes along; a subset of Python, started in milliseconds.
- `wasi`: CPython with NumPy, pandas and matplotlib in WebAssembly; extra `code`.
- `bubblewrap`: a Python of this machine, shut in by Linux.
- What they share: `folder` (a session's files), `shown` (what a program tells); and where the interpreter is a process that is
  spoken to: `remote` (its sessions), `process` (how it is spoken to), `inside` (what is sent there).

`open_sandbox` opens one by its name in `SANDBOXES`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from agents.tools.sandbox.monty import MONTY
from agents.tools.settings import ToolNotConfigured

if TYPE_CHECKING:
    from agents.tools.sandbox.port import Sandbox
    from agents.tools.settings import ToolSettings


def _wasi(settings: ToolSettings) -> Sandbox:
    from agents.tools.sandbox.wasi import Wasi

    return Wasi(settings.sandbox_cache)


def _bubblewrap(settings: ToolSettings) -> Sandbox:
    from agents.tools.sandbox.bubblewrap import Bubblewrap

    return Bubblewrap(settings.sandbox_python)


SANDBOXES: Final[Mapping[str, Callable[[ToolSettings], Sandbox]]] = {
    "monty": lambda settings: MONTY,
    "wasi": _wasi,
    "bubblewrap": _bubblewrap,
}


def open_sandbox(settings: ToolSettings) -> Sandbox:
    """The sandbox as it is set, once it is sure that it can work. Raises `ToolNotConfigured`."""
    if settings.sandbox not in SANDBOXES:
        raise ToolNotConfigured(f"SANDBOX: there is no {settings.sandbox!r}. Choose one of {', '.join(SANDBOXES)}.")
    return SANDBOXES[settings.sandbox](settings)


def prepare_sandbox(settings: ToolSettings) -> bool:
    """Do now what the first program would wait for. False where there is nothing to do. Raises `ToolNotConfigured`."""
    sandbox = open_sandbox(settings)
    if settings.sandbox != "wasi":
        return False
    from agents.tools.sandbox.wasi import Wasi

    assert isinstance(sandbox, Wasi)
    return sandbox.prepare()


__all__ = ["SANDBOXES", "open_sandbox", "prepare_sandbox"]
