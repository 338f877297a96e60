"""The tool table of a run: what the entry agent is offered, and what each name means. Decided once, never re-derived."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache

from agents import TEAM
from agents.agent import Agent
from agents.models.port import ToolSpec
from agents.supervisor import transfers
from agents.tools.port import Tool
from graph.items import CallKind

_RENAMED = "team_"


@dataclass(frozen=True, slots=True)
class Entry:
    """A tool on offer: who answers it (`agent` for a delegation, `tool` for a server tool, else the client).

    `own` tools belong to the team and not to the application: its transfers, a lone agent's tools.
    """

    spec: ToolSpec
    kind: CallKind
    own: bool = False
    agent: Agent | None = None
    tool: Tool | None = None


def tool_table(entry: Agent, client: Iterable[ToolSpec], server: Mapping[str, Tool]) -> dict[str, Entry]:
    """What `entry` is offered: transfers where it leads the team, its own tools where it works alone, the server's tools
    that the operator registered, and the client's. A client's tool keeps its name; one of ours with that name is renamed.
    """
    table = {spec.name: Entry(spec, "client") for spec in client}
    for name, tool in server.items():
        table[name] = Entry(tool.spec, "server", tool=tool)
    for ours in _own_of(entry):
        if ours.spec.name in table:
            ours = replace(ours, spec=replace(ours.spec, name=f"{_RENAMED}{ours.spec.name}"))
        table[ours.spec.name] = ours
    return table


@cache
def _own_of(entry: Agent) -> tuple[Entry, ...]:
    if entry.name == "supervisor":
        pairs = zip(transfers(TEAM), TEAM, strict=True)
        return tuple(Entry(spec, "delegation", own=True, agent=agent) for spec, agent in pairs)
    return tuple(Entry(tool.spec, "server", own=True, tool=tool) for tool in tools_of(entry).values())


def tools_of(agent: Agent) -> dict[str, Tool]:
    """An agent's own tools by name."""
    from agents.tools import TOOLS

    return {name: TOOLS[name] for name in agent.tools}
