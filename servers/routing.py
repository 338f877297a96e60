"""What the name of a model means: the team, one agent alone, or the team on another model."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from agents.models import ModelNotConfigured
from agents.models.port import Model
from servers.errors import ApiError, unknown_model
from servers.settings import AGENTS, ModelAlias, Settings

TEAM: Final = "supervisor"
OWN_NAME: Final = "cortex-flow"


@dataclass(frozen=True, slots=True)
class Route:
    """Who answers: `agent` speaks first, on `model` where the request chose one, else on the configured ones."""

    agent: str = TEAM
    model: str | None = None


class Routing:
    """Resolves names. `find` opens a model by name, or raises `ModelNotConfigured`; `agents` can be asked alone.

    `default` is the name of the team, `names` all that clients are told of.
    """

    def __init__(
        self,
        name: str,
        aliases: Sequence[ModelAlias],
        find: Callable[[str], Awaitable[Model]],
        agents: Sequence[str] = AGENTS,
    ) -> None:
        self.names = tuple(_names(name, agents))
        self._listed = {**_names(OWN_NAME, agents), **_names(name, agents)}
        self._aliases = aliases
        self._find = find
        self.default = name

    async def resolve(self, name: str | None) -> Route:
        """The route of a name; none at all is the team. Raises `ApiError` 404 `model_not_found`."""
        if not name:
            return Route()
        target = name if name in self._listed else self._alias(name)
        return self._listed.get(target) or await self._on_model(target, name)

    async def resolve_or_default(self, name: str | None) -> Route:
        """The route of a name that was stored somewhere: one that is unknown here is the team's, on its own model."""
        try:
            return await self.resolve(name)
        except ApiError:
            return Route()

    def _alias(self, name: str) -> str:
        return next((alias.target for alias in self._aliases if fnmatchcase(name, alias.pattern)), name)

    async def _on_model(self, target: str, name: str) -> Route:
        try:
            await self._find(target)
        except ModelNotConfigured:
            raise unknown_model(name) from None
        return Route(model=target)


def routing(settings: Settings, find: Callable[[str], Awaitable[Model]], agents: Sequence[str] = AGENTS) -> Routing:
    """The routing that the settings ask for."""
    return Routing(settings.model_name, settings.model_aliases, find, agents)


def _names(base: str, agents: Sequence[str]) -> Mapping[str, Route]:
    return {base: Route(), **{f"{base}-{agent}": Route(agent) for agent in agents}}
