"""What models call the tools of MCP servers: `server__tool`, whatever other servers there are.

A name never depends on who else is there, so that it stays the same when servers come and go.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Final

LONGEST: Final = 58  # models take 64 characters; ours may be put in front of a name that a client has too
_LONGEST_PREFIX: Final = 24
_DIGEST: Final = 6


def prefix(server: str) -> str:
    """What stands before the `__` in the names of a server's tools; empty where nothing of its name can. There is no `__`
    in it, so that two servers with different ones never share a name."""
    return re.sub(r"[^A-Za-z0-9-]+", "_", server)[:_LONGEST_PREFIX].strip("_")


def named(server: str, tools: Iterable[str]) -> dict[str, str]:
    """A server's own names of its tools, by what models call them. Where two would be called the same, or a name is too
    long, it ends in a digest."""
    names: dict[str, str] = {}
    for tool in dict.fromkeys(tools):
        name = f"{prefix(server)}__{re.sub(r'[^A-Za-z0-9_-]', '_', tool)}"
        names[_distinct(name, tool) if name in names or len(name) > LONGEST else name] = tool
    return names


def _distinct(name: str, tool: str) -> str:
    digest = hashlib.sha256(tool.encode()).hexdigest()[:_DIGEST]
    return f"{name[: LONGEST - _DIGEST - 1]}_{digest}"
