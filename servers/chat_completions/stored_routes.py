"""`/v1/chat/completions` and what is under it, for completions that were stored."""

from __future__ import annotations

from typing import Any, Final

import orjson
from fastapi import APIRouter, Request
from starlette.responses import Response

from servers.chat_completions.stored import deleted, shown_completion, shown_message
from servers.context import context_of
from servers.errors import BadRequest
from servers.invalid import validated
from servers.json_body import read_json
from servers.metadata import Metadata
from servers.pages import envelope, page_request, parameters, read_page, single
from servers.service import service_of
from servers.wire import Wire

COLLECTION: Final = "/v1/chat/completions"
ONE: Final = COLLECTION + "/{completion_id}"
FILTERS: Final = [
    {"name": "model", "in": "query", "required": False, "schema": {"type": "string"}},
    {
        "name": "metadata",
        "in": "query",
        "required": False,
        "style": "deepObject",
        "schema": {"type": "object", "additionalProperties": {"type": "string"}},
    },
]
UPDATE: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["metadata"],
    "properties": {"metadata": {"type": ["object", "null"], "additionalProperties": {"type": "string"}}},
}

router = APIRouter(tags=["Chat"])


class Update(Wire):
    """The body of a change. No metadata takes the place of what was there."""

    metadata: Metadata | None


@router.get(
    COLLECTION,
    summary="List the stored chat completions",
    openapi_extra={"parameters": [*FILTERS, *parameters("asc")]},
)
async def list_chat_completions(request: Request) -> Response:
    wanted = page_request(request, "asc")
    model, metadata = single(request, "model") or None, _pairs(request)
    listing = service_of(request).completions.all(_tenant(request), model, metadata)
    page = await read_page(listing, wanted)
    return _json(envelope([shown_completion(each) for each in page.items], has_more=page.has_more))


@router.get(ONE, summary="Retrieve a stored chat completion")
async def get_chat_completion(request: Request, completion_id: str) -> Response:
    return _json(shown_completion(await service_of(request).completions.get(_tenant(request), completion_id)))


@router.get(
    ONE + "/messages",
    summary="List the messages that a stored chat completion answers",
    openapi_extra={"parameters": parameters("asc")},
)
async def get_chat_completion_messages(request: Request, completion_id: str) -> Response:
    wanted = page_request(request, "asc")
    messages = await service_of(request).completions.messages(_tenant(request), completion_id)
    page = await read_page(messages, wanted)
    return _json(envelope([shown_message(each) for each in page.items], has_more=page.has_more))


@router.post(
    ONE,
    summary="Change the metadata of a stored chat completion",
    openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": UPDATE}}}},
)
async def update_chat_completion(request: Request, completion_id: str) -> Response:
    update = validated(Update, await read_json(request))
    completions = service_of(request).completions
    return _json(shown_completion(await completions.change(_tenant(request), completion_id, update.metadata or {})))


@router.delete(ONE, summary="Delete a stored chat completion")
async def delete_chat_completion(request: Request, completion_id: str) -> Response:
    await service_of(request).completions.delete(_tenant(request), completion_id)
    return _json(deleted(completion_id))


def _tenant(request: Request) -> str:
    return context_of(request.scope).tenant


def _pairs(request: Request) -> dict[str, str]:
    """The filter `metadata[key]=value`, for any number of keys."""
    pairs = {}
    for name in request.query_params:
        if name == "metadata" or name.startswith("metadata["):
            key = name.removeprefix("metadata[").removesuffix("]")
            if f"metadata[{key}]" != name:
                raise BadRequest(
                    f"Invalid value for {name!r:.100}: a filter is written metadata[key]=value.",
                    "metadata",
                    "invalid_value",
                )
            pairs[key] = single(request, name) or ""
    return pairs


def _json(body: dict[str, Any]) -> Response:
    return Response(orjson.dumps(body), media_type="application/json")
