"""What runs inside a sandbox beside the programs: it is sent there as source, and nobody imports it here.

- `figures`: how matplotlib shows figures where there is no screen.
- `driver`: an interpreter that speaks over its pipes, for a sandbox that is no more than a place to run one.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

TEMPORARY: Final = "/tmp"  # noqa: S108
ENVIRONMENT: Final = {
    "HOME": TEMPORARY,
    "MPLBACKEND": "module://cortex_figures",
    "MPLCONFIGDIR": f"{TEMPORARY}/matplotlib",
}
"""What programs find in their environment; the backend is `figures`."""

_SANDBOX: Final = Path(__file__).parents[1]
_LOAD: Final = """
import sys, types
def load(name, text):
    module = sys.modules[name] = types.ModuleType(name)
    exec(compile(text, name, "exec", dont_inherit=True), module.__dict__)
    return module
"""


@cache
def source(*names: str) -> str:
    """A program that loads modules of this package by the names that they have here, and calls the `main` of the last."""
    lines = [_LOAD]
    for name in names:
        text = _SANDBOX.joinpath(*name.split(".")).with_suffix(".py").read_text(encoding="utf-8")
        lines.append(f"last = load({f'agents.tools.sandbox.{name}'!r}, {text!r})")
    return "\n".join([*lines, "last.main()"])


__all__ = ["ENVIRONMENT", "TEMPORARY", "source"]
