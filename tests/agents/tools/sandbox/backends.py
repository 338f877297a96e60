"""The sandboxes that the contract and the attempts are played in. A new one is an entry here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from agents.tools.sandbox.monty import MontySandbox
from agents.tools.sandbox.port import Sandbox


@dataclass(frozen=True, slots=True)
class Backend:
    """How a sandbox is opened. `missing` says why it can't be here, `hurried` what to set that its limits come soon: module
    attributes by their dotted names."""

    name: str
    open: Callable[[], Sandbox]
    missing: Callable[[], str | None] = lambda: None
    hurried: Mapping[str, object] = field(default_factory=dict)


BACKENDS = [
    Backend(
        "monty",
        MontySandbox,
        hurried={"agents.tools.sandbox.monty.SECONDS": 1.0, "agents.tools.sandbox.monty.SECONDS_WITH_FILES": 2.0},
    ),
]
