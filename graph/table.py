"""The tool table of a run: what the entry agent is offered, and what each name means. Decided once, never re-derived."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from agents import TEAM
from agents.agent import Agent
from agents.models.port import ToolSpec
from agents.supervisor import transfers
from agents.tools.port import Tool
from graph.items import CallKind

_RENAMED = "team_"


@dataclass(frozen=True, slots=True)
class Entry:
    """A tool on offer: who answers it (`agent` for a delegation, `tool` for a server tool, else the client)."""

    spec: ToolSpec
    kind: CallKind
    agent: Agent | None = None
    tool: Tool | None = None


def tool_table(entry: Agent, client: Iterable[ToolSpec], server: Mapping[str, Tool]) -> dict[str, Entry]:
    """What `entry` is offered: transfers where it leads the team, its own tools where it works alone, the server's tools
    that the operator registered, and the client's. A client's tool keeps its name; one of ours with that name is renamed.
    """
    table = {spec.name: Entry(spec, "client") for spec in client}
    for name, tool in server.items():
        table[name] = Entry(tool.spec, "server", tool=tool)
    for ours in _ours(entry):
        name = f"{_RENAMED}{ours.spec.name}" if ours.spec.name in table else ours.spec.name
        table[name] = replace(ours, spec=replace(ours.spec, name=name))
    return table


def _ours(entry: Agent) -> list[Entry]:
    if entry.name == "supervisor":
        return [Entry(spec, "delegation", agent=agent) for spec, agent in zip(transfers(TEAM), TEAM, strict=True)]
    from agents.tools import TOOLS

    return [Entry(TOOLS[name].spec, "server", tool=TOOLS[name]) for name in entry.tools]
