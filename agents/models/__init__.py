"""The door of the models. To add a provider, write one file with a `Provider` and name it in `PROVIDERS`.

A model is written `offline`, `provider:model` or `provider/model`. Providers that are not named here are LangChain's.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping

from agents.models.port import Model
from agents.models.provider import ModelNotConfigured, ModelSettings, Provider

MAX_OPEN = 256  # names come from requests too: the oldest is forgotten


def _offline(settings: ModelSettings) -> Provider:
    from agents.models.offline import OfflineModel

    return _Single("offline", OfflineModel())


def _openai(settings: ModelSettings) -> Provider:
    from agents.models.openai import OpenAI

    return OpenAI(settings)


PROVIDERS: Mapping[str, Callable[[ModelSettings], Provider]] = {"offline": _offline, "openai": _openai}


class Models:
    """The models of a process, each opened at its first use and kept. They belong to the event loop they first work in."""

    def __init__(
        self,
        default: str = "offline",
        per_agent: Mapping[str, str] | None = None,
        settings: ModelSettings | None = None,
    ) -> None:
        self._default = default
        self._per_agent = dict(per_agent or {})
        self._settings = settings or ModelSettings()
        self._models: dict[tuple[str, str], Model] = {}
        self._providers: dict[str, Provider] = {}
        self._opening = threading.RLock()

    def get(self, name: str) -> Model:
        """The model of that name. Raises `ModelNotConfigured`. A provider's first use imports it, and a package of
        LangChain's may take a second or two: see `find`."""
        key = _parse(name)
        return self._models.get(key) or self._open(*key)

    async def find(self, name: str) -> Model:
        """`get`, for the event loop: what takes long to import is imported in a thread."""
        key = _parse(name)
        if key in self._models or key[0] in PROVIDERS:
            return self.get(name)
        return await asyncio.to_thread(self.get, name)

    def for_agent(self, agent: str, override: str | None = None) -> Model:
        """The model an agent thinks with: the request's, else the agent's own, else the default."""
        return self.get(override or self._per_agent.get(agent) or self._default)

    def knows(self, name: str) -> bool:
        """Whether this model can be served: its provider's package is there, and its key. As slow as `get`, once."""
        try:
            self.get(name)
        except ModelNotConfigured:
            return False
        return True

    async def close(self) -> None:
        """Closes all models and their connections. What is used afterwards is opened anew."""
        self._models.clear()
        providers, self._providers = self._providers, {}
        for provider in providers.values():
            await provider.close()

    def _open(self, provider: str, model: str) -> Model:
        with self._opening:
            source = self._providers.get(provider) or _provider(provider, self._settings)
            opened = self._models.get((provider, model)) or source.open(model)
            self._providers[provider] = source
            while len(self._models) >= MAX_OPEN:
                del self._models[next(iter(self._models))]
            return self._models.setdefault((provider, model), opened)


class _Single:
    """A provider of one model, which has the provider's name."""

    def __init__(self, name: str, model: Model) -> None:
        self._name, self._model = name, model

    def open(self, model: str) -> Model:
        if model:
            raise ModelNotConfigured(f"There is one model of {self._name!r}: write {self._name!r} alone.")
        return self._model

    async def close(self) -> None:
        await self._model.close()


def _provider(name: str, settings: ModelSettings) -> Provider:
    if name in PROVIDERS:
        return PROVIDERS[name](settings)
    from agents.models.langchain import LangChain

    return LangChain(name, settings)


def _parse(name: str) -> tuple[str, str]:
    """Provider and model of a name, split at the first `:` or `/`: `ollama/llama3.2:3b` is `llama3.2:3b` of `ollama`."""
    cut = min((at for at in (name.find(":"), name.find("/")) if at >= 0), default=len(name))
    provider, model = name[:cut].strip().lower().replace("-", "_"), name[cut + 1 :].strip()
    if not provider or (not model and provider != "offline"):
        raise ModelNotConfigured(f"{name!r} names no model: write it as provider:model, such as openai:gpt-4o-mini.")
    return provider, model


__all__ = ["PROVIDERS", "ModelNotConfigured", "ModelSettings", "Models"]
