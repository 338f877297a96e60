"""Who is to work for a server: the built-in team, or one of the operator's own, and the tools registered for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agents import SUPERVISOR, TEAM
from agents.agent import Agent
from agents.crew import Crew, check, crew_of
from agents.tools import NOTHING, TOOLS, ToolSettings
from agents.tools.port import Offers, Tool
from servers.settings import Settings, revealed

if TYPE_CHECKING:
    from agents.tools.adapt import Adaptable


@dataclass(frozen=True, slots=True)
class Team:
    """A crew before its tools are open: `agents`, the operator's `tools` by name, and by the names of agents the `models`
    of those who do not think with the configured ones."""

    agents: tuple[Agent, ...] = TEAM
    tools: Mapping[str, Tool] = field(default_factory=dict)
    models: Mapping[str, str] = field(default_factory=dict)

    def crew(self, tools: Mapping[str, Tool], offers: Offers = NOTHING) -> Crew:
        """The crew, with the tools that come along and those that come and go."""
        return crew_of(self.agents, tools=tools, registered=self.tools, offers=offers)


def team_of(
    agents: Sequence[Agent] | None,
    tools: Iterable[Adaptable] = (),
    models: Mapping[str, str] | None = None,
    *,
    come_along: Iterable[str] = TOOLS,
) -> Team:
    """A team from what somebody gives; None is the built-in one. `come_along` are names of tools. Raises `TypeError` and
    `ValueError` for what can't work."""
    from agents.tools.adapt import adapt

    team = Team(TEAM if agents is None else tuple(agents), adapt(tools), dict(models or {}))
    check(team.agents, [*come_along, *team.tools])
    names = {SUPERVISOR.name, *(agent.name for agent in team.agents)}
    for name in team.models:
        if name not in names:
            raise ValueError(f"There is no agent {name!r} to give a model to.")
    return team


def tool_settings(settings: Settings) -> ToolSettings:
    """What the settings say of the tools that come along."""
    return ToolSettings(
        search_provider=settings.search_provider,
        tavily_api_key=revealed(settings.tavily_api_key),
        brave_api_key=revealed(settings.brave_api_key),
        exa_api_key=revealed(settings.exa_api_key),
        searxng_url=revealed(settings.searxng_url),
        wikipedia_language=settings.wikipedia_language,
        mcp=settings.mcp_config,
        sandbox=settings.sandbox,
        sandbox_python=settings.sandbox_python,
        sandbox_cache=settings.sandbox_cache,
    )
