"""The tools of MCP servers: `settings` says which servers, `connections` keeps them, the rest is how.

Only `settings` and `names` can do without MCP's own package, so nothing else is imported here.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

from agents.tools.mcp.names import prefix
from agents.tools.mcp.settings import Http, McpServer, Stdio

if TYPE_CHECKING:
    from agents.tools.mcp.connections import Connections


def is_installed() -> bool:
    """Whether MCP's own package is there."""
    return find_spec("mcp") is not None


def connect(servers: Sequence[McpServer]) -> Connections:
    """Connections to these servers, to be started. Takes long where it is the first."""
    from agents.tools.mcp.connections import Connections

    return Connections(servers)


__all__ = ["Http", "McpServer", "Stdio", "connect", "is_installed", "prefix"]
