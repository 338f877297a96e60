"""A server of MCP's, as the operator describes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Stdio:
    """A program of this machine, spoken with over its standard input and output. Of our environment it gets `HOME`, `PATH`
    and the like, besides `env`."""

    command: str
    args: tuple[str, ...] = field(default=(), repr=False)
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    cwd: str | None = None


@dataclass(frozen=True, slots=True)
class Http:
    """A server that is there already, spoken with over streamable HTTP. Its address is the operator's word: nothing guards
    it."""

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class McpServer:
    """- `agents`: the names of those who are offered its tools, None: whoever speaks with the user.
    - `tools`: which of its tools, by its own names; None: all of them.
    - `timeout`: seconds that a call may take.
    """

    name: str
    way: Stdio | Http
    agents: tuple[str, ...] | None = None
    tools: tuple[str, ...] | None = None
    timeout: float = 60

    def is_for(self, agent: str, *, first: bool) -> bool:
        """Whether this agent is offered its tools, `first` where it speaks with the user."""
        return first if self.agents is None else agent in self.agents
