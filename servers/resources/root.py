"""`/`: what this is and where to go from here."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from servers.json_body import answer
from servers.version import version

LINKS: Final = {
    "api": "/v1",
    "models": "/v1/models",
    "docs": "/docs",
    "openapi": "/openapi.json",
    "health": "/health",
}

router = APIRouter(tags=["About"])


@router.get("/", summary="What this is, and where to go from here")
async def root(request: Request) -> Response:
    here = request.scope.get("root_path", "")
    links = {name: f"{here}{path}" for name, path in LINKS.items()}
    body = {"name": "Cortex Flow", "version": version(), "links": links}
    return answer(body)
