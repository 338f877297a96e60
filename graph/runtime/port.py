"""The port of a runtime."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

Execute = Callable[[str, str], Awaitable[None]]
"""Carry out a run, by tenant and id, until it ends, waits, or belongs to somebody else. Raises nothing."""


class Runtime(Protocol):
    """Hands runs to `execute`, each at least once. Handing out one twice is harmless: the journal lets one owner write."""

    async def start(self, execute: Execute) -> None: ...

    async def submit(self, tenant: str, run_id: str) -> None:
        """Put a run behind those that wait. One that waits already keeps its place."""

    async def stop(self) -> None:
        """Hand out nothing more. What is at work goes on."""
