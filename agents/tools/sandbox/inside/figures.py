"""A backend of matplotlib without a screen: `show` saves the figures beside the other files."""

from __future__ import annotations

import builtins
import os
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from agents.tools.sandbox.shown import show

_NAME = "cortex_figures"
_DATA = "/mnt/data"


class Backend:
    """Finds the backend when matplotlib looks for it, and loads it."""

    def find_spec(self, name: str, path: object, target: object = None) -> ModuleSpec | None:
        return ModuleSpec(name, self) if name == _NAME else None  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        agg = __import__("matplotlib.backends.backend_agg", fromlist=["FigureCanvasAgg"])
        vars(module).update(FigureCanvas=agg.FigureCanvasAgg, show=save_all)


def save_all(*args: object, **kwargs: object) -> None:
    """Save the figures that are open, under names that are free, and close them."""
    pyplot: Any = sys.modules["matplotlib.pyplot"]
    for number in pyplot.get_fignums():
        name = _free()
        pyplot.figure(number).savefig(f"{_DATA}/{name}")
        print(f"(The figure is saved as {name}.)")
    pyplot.close("all")


def _free() -> str:
    number = 1
    while os.path.exists(f"{_DATA}/figure-{number}.png"):
        number += 1
    return f"figure-{number}.png"


def display(value: object) -> None:
    """Print the value of a program's last expression: a text as it is, all else as its `repr`."""
    if value is not None:
        vars(builtins)["_"] = value
        print(show(value))


def main() -> None:
    """Have programs find both."""
    sys.meta_path.append(Backend())
    sys.displayhook = display
