"""The tool table of a run: what the entry agent is offered, and what each name means. Decided once, never re-derived."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache

from agents.agent import Agent
from agents.crew import Crew
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


def tool_table(entry: Agent, crew: Crew, client: Iterable[ToolSpec], more: Iterable[Tool] = ()) -> dict[str, Entry]:
    """What `entry` is offered: transfers where it leads the crew, its own tools and `more` of them (of one name, the latter),
    those that the operator registered, and the client's. A client's tool keeps its name; one of ours with that name is renamed.
    """
    table = {spec.name: Entry(spec, "client") for spec in client}
    for name, tool in crew.registered.items():
        table[name] = Entry(tool.spec, "server", tool=tool)
    team = {each.spec.name: each for each in (*_own_of(entry, crew), *_server_tools(more))}
    for ours in team.values():
        if ours.tool is not None and ours.tool is crew.registered.get(ours.spec.name):
            continue
        if ours.spec.name in table:
            ours = replace(ours, spec=replace(ours.spec, name=f"{_RENAMED}{ours.spec.name}"))
        table[ours.spec.name] = ours
    return table


def _own_of(entry: Agent, crew: Crew) -> tuple[Entry, ...]:
    own = _server_tools(crew.tools_of(entry, first=True).values())
    return (*_transfers(crew.told()), *own) if entry is crew.leader else own


def _server_tools(tools: Iterable[Tool]) -> tuple[Entry, ...]:
    return tuple(Entry(tool.spec, "server", own=True, tool=tool) for tool in tools)


@lru_cache(maxsize=32)
def _transfers(members: tuple[Agent, ...]) -> tuple[Entry, ...]:
    pairs = zip(transfers(members), members, strict=True)
    return tuple(Entry(spec, "delegation", own=True, agent=agent) for spec, agent in pairs)
