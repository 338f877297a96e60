"""What the tests of this room share: settings from nothing but the test, and a scripted application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from servers import settings
from servers.app import App
from servers.settings import Settings
from tests.servers.doubles import ScriptedBackend, ScriptedEngine

VARIABLES = [settings.variable(field) for field in Settings.model_fields]

Configure = Callable[..., Settings]
Serve = Callable[..., Awaitable[App]]


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable of ours is set, and the working directory is empty."""
    for name in (*VARIABLES, "PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def configure() -> Configure:
    """Settings with defaults that touch no file, and what the test changes."""

    def make(**fields: Any) -> Settings:
        return settings.load(**{"storage_url": "memory://", **fields})

    return make


@pytest.fixture
async def serve(configure: Configure) -> AsyncIterator[Serve]:
    """Start applications; they are closed at the end. `engine` scripts the runs, other arguments are settings."""
    async with AsyncExitStack() as stack:

        async def start(engine: ScriptedEngine | None = None, **fields: Any) -> App:
            chosen = configure(**fields)
            app = App(chosen, ScriptedBackend(chosen, engine or ScriptedEngine()))
            await stack.enter_async_context(app.lifespan())
            await app.opened()
            return app

        yield start
