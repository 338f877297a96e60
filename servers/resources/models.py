"""The models that clients may name."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from servers.errors import unknown_route
from servers.json_body import answer
from servers.service import service_of

CREATED: Final = 1_763_596_800  # constant: clients compare lists, and nothing here was trained

router = APIRouter(prefix="/v1/models", tags=["Models"])


@router.get("", summary="List the models")
async def list_models(request: Request) -> Response:
    names = service_of(request).routing.names
    return answer({"object": "list", "data": [_model(name) for name in names]})


@router.get("/{name:path}", summary="Retrieve a model: any name that a chat request may use")
async def retrieve_model(request: Request, name: str) -> Response:
    if not name:
        raise unknown_route(request.method, request.scope["path"])
    await service_of(request).routing.resolve(name)
    return answer(_model(name))


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "cortex-flow"}
