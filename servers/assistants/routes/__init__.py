"""The routes of the Assistants API: `router` has them all."""

from __future__ import annotations

from fastapi import APIRouter

from servers.assistants.routes import assistants, messages, runs, threads

PARTS = (runs, messages, threads, assistants)  # /threads/runs is no thread; what is asked most often comes first

router = APIRouter(routes=[route for part in PARTS for route in part.router.routes])

__all__ = ["router"]
