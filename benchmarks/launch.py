"""How a server under test is started, and what to know of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Launch:
    """`announced` finds the port, where there is one, in what it writes to the standard error stream when it is up.
    `health` answers as soon as it lives, `ready` when everything is loaded that a request needs. `files` (name to text) are
    in the folder that it starts in; `ends` are the exit codes of a good end."""

    name: str
    command: Sequence[str]
    settings: Mapping[str, str]
    announced: re.Pattern[bytes]
    health: str
    ready: str
    key: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    ends: frozenset[int] = frozenset({0})
