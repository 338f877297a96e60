"""The sandboxes that the contract and the attempts are played in. A new one is an entry here."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache

from agents.tools.sandbox.monty import MontySandbox
from agents.tools.sandbox.port import Sandbox
from agents.tools.settings import ToolNotConfigured


@dataclass(frozen=True, slots=True)
class Backend:
    """How a sandbox is opened. `missing` says why it can't be here, `hurried` what to set that its limits come soon: module
    attributes by their dotted names."""

    name: str
    open: Callable[[], Sandbox]
    missing: Callable[[], str | None] = lambda: None
    hurried: Mapping[str, object] = field(default_factory=dict)


def open_wasi() -> Sandbox:
    from agents.tools.sandbox.wasi import Wasi

    return Wasi(spare=False)


@cache
def without_wasi() -> str | None:
    """Why programs can't run in WebAssembly here. `poe check` has prepared them; CI must have."""
    try:
        from agents.tools.sandbox.wasi.prepare import compiled, default_cache

        why = None if compiled(default_cache()) else "SANDBOX=wasi cortex-flow sandbox prepare has not been run"
    except ImportError as error:
        why = str(error)
    assert not why or not os.environ.get("CI"), why
    return why


def open_bubblewrap() -> Sandbox:
    from agents.tools.sandbox.bubblewrap import Bubblewrap

    return Bubblewrap()


@cache
def without_bubblewrap() -> str | None:
    """Why bubblewrap can't be used here: it is the machine's, and its kernel may grant no namespaces."""
    try:
        open_bubblewrap()
    except ToolNotConfigured as error:
        return error.message
    return None


HURRIED_REMOTE = {"agents.tools.sandbox.remote.SECONDS": 3.0}

BACKENDS = [
    Backend(
        "monty",
        MontySandbox,
        hurried={"agents.tools.sandbox.monty.SECONDS": 1.0, "agents.tools.sandbox.monty.SECONDS_WITH_FILES": 2.0},
    ),
    Backend("wasi", open_wasi, without_wasi, HURRIED_REMOTE),
    Backend("bubblewrap", open_bubblewrap, without_bubblewrap, HURRIED_REMOTE),
]
