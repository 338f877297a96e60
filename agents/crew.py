"""Who works in a process, who leads them, and which tools each of them has: one value, by which an engine knows its team."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from agents import SUPERVISOR, TEAM, WRITER
from agents.agent import Agent
from agents.researcher import RESEARCHER, WEB_RESEARCHER
from agents.supervisor import leading
from agents.tools import NOTHING, READ_PAGE, TOOLS
from agents.tools.port import Offers, Tool

_NONE: Final[Mapping[str, Tool]] = MappingProxyType({})
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,48}")  # the name of its transfer is longer, and may have 64
_WITH_WEB: Final = f" {READ_PAGE} comes with a search provider."


@dataclass(frozen=True, slots=True, eq=False)
class Crew:
    """`leader` hands tasks to `members`. Agents name tools of two kinds: `tools` come along, `registered` are the operator's,
    are meant where a name is in both, and are offered to whoever speaks first besides. `offers` are tools that come and go,
    and are named by nobody."""

    leader: Agent
    members: tuple[Agent, ...]
    tools: Mapping[str, Tool]
    registered: Mapping[str, Tool]
    offers: Offers = NOTHING

    @property
    def names(self) -> tuple[str, ...]:
        """All that can be asked: the leader, then the others."""
        return (self.leader.name, *(agent.name for agent in self.members))

    @property
    def writer(self) -> Agent:
        """The agent whose text can be the answer."""
        return self._member(WRITER.name) or WRITER

    def speaker(self, name: str) -> Agent:
        """Who speaks first where this name is asked for: the member of that name, else the leader."""
        return self._member(name) or self.leader

    def tools_of(self, agent: Agent, *, first: bool = False) -> dict[str, Tool]:
        """An agent's own tools by name, with what it is offered at this moment; `first` where it speaks with the user."""
        named = ((name, self.registered.get(name) or self.tools.get(name)) for name in agent.tools)
        return {**{name: tool for name, tool in named if tool}, **self.offers.to(agent.name, first=first)}

    def told(self) -> tuple[Agent, ...]:
        """The members with what each is offered at this moment, as who hands tasks to them has to know them."""
        if self.offers is NOTHING:
            return self.members
        return tuple(_offered(agent, self.offers.to(agent.name, first=False)) for agent in self.members)

    def _member(self, name: str) -> Agent | None:
        return next((agent for agent in self.members if agent.name == name), None)


def crew_of(
    agents: Sequence[Agent] = TEAM,
    *,
    tools: Mapping[str, Tool] = TOOLS,
    registered: Mapping[str, Tool] = _NONE,
    offers: Offers = NOTHING,
) -> Crew:
    """These agents with these tools; by default the team, with the tools that need no settings. The agent called
    `supervisor` leads, else ours does, who is told whom; our researcher is told of the web where pages can be read. Raises
    what `check` raises."""
    check(agents, {**tools, **registered})
    members = tuple(_informed(agent, tools) for agent in agents if agent.name != SUPERVISOR.name)
    own = next((agent for agent in agents if agent.name == SUPERVISOR.name), None)
    return Crew(own or leading(members), members, tools, registered, offers)


def check(agents: Sequence[Agent], tools: Collection[str]) -> None:
    """Raises `TypeError` and `ValueError` for agents that can't work together, or not with the tools of these names."""
    if not agents:
        raise ValueError("A team has at least one agent.")
    for agent in agents:
        _check_agent(agent, tools)
    names = [agent.name for agent in agents]
    if len(set(names)) < len(names):
        raise ValueError(f"The names of agents must differ: {', '.join(names)}.")


def _check_agent(agent: Agent, tools: Collection[str]) -> None:
    if not isinstance(agent, Agent):
        raise TypeError(f"A team is made of values of agents.Agent, not of {agent!r}.")
    if not _NAME.fullmatch(agent.name):
        raise ValueError(f"An agent can't be called {agent.name!r}: 1 to 48 letters, digits, _ and - can be its name.")
    for name in agent.tools:
        if name not in tools:
            there = f"there are: {', '.join(tools)}.{_WITH_WEB if name == READ_PAGE else ''}"
            raise ValueError(f"The {agent.name} has a tool {name!r} that is not there; {there}")


def _informed(agent: Agent, tools: Collection[str]) -> Agent:
    return WEB_RESEARCHER if agent == RESEARCHER and READ_PAGE in tools else agent


def _offered(agent: Agent, tools: Mapping[str, Tool]) -> Agent:
    if not tools:
        return agent
    description = f"{agent.description} Has these tools besides: {', '.join(tools)}."
    return replace(agent, description=description, tools=(*agent.tools, *tools))
