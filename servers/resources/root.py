"""`/`: what this is and where to go from here."""

from __future__ import annotations

import orjson
from fastapi import APIRouter
from starlette.responses import Response

from servers.version import version

router = APIRouter(tags=["About"])


@router.get("/", summary="What this is, and where to go from here")
async def root() -> Response:
    links = {"api": "/v1", "models": "/v1/models", "docs": "/docs", "openapi": "/openapi.json", "health": "/health"}
    body = {"name": "Cortex Flow", "version": version(), "links": links}
    return Response(orjson.dumps(body), media_type="application/json")
