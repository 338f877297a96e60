"""OpenAI's and LangChain's clients, knowing what else this server says. They need the extra `clients`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from servers.clients.langchain import ChatCortexFlow
    from servers.clients.openai import AsyncCortexFlow, CortexFlow

_HOMES = {
    "AsyncCortexFlow": "servers.clients.openai",
    "ChatCortexFlow": "servers.clients.langchain",
    "CortexFlow": "servers.clients.openai",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


__all__ = ["AsyncCortexFlow", "ChatCortexFlow", "CortexFlow"]
