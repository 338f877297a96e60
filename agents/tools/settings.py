"""What the operator has set for the tools, as a value: this room reads no environment."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from agents.tools.mcp.settings import McpServer


class ToolNotConfigured(Exception):
    """A tool can't be offered. `message` is one line, names the variable to set, and holds no secret."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True, slots=True)
class ToolSettings:
    """Where `search` looks: the library alone, or a provider of `agents.tools.web.PROVIDERS` as well. `mcp` are servers
    that have more tools. Programs are run in the `sandbox` of that name: bubblewrap's `sandbox_python`, wasi's `sandbox_cache`."""

    search_provider: str = "library"
    tavily_api_key: str | None = field(default=None, repr=False)
    brave_api_key: str | None = field(default=None, repr=False)
    exa_api_key: str | None = field(default=None, repr=False)
    searxng_url: str | None = field(default=None, repr=False)
    wikipedia_language: str = "en"
    mcp: tuple[McpServer, ...] = ()
    sandbox: str = "monty"
    sandbox_python: Path | None = None
    sandbox_cache: Path | None = None

    @property
    def searches_web(self) -> bool:
        """Whether a provider is set: `search` asks it too, and pages can be read."""
        return self.search_provider != "library"
