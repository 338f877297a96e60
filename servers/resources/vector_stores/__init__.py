"""`/v1/vector_stores`: what files say, to be searched."""

from __future__ import annotations

from fastapi import APIRouter

from servers.resources.vector_stores import files, stores

router = APIRouter(routes=[*stores.router.routes, *files.router.routes])

__all__ = ["router"]
