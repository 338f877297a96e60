"""`/v1/chat/completions` and what is under it, for completions that were stored."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from servers.chat_completions.stored import deleted, shown_completion, shown_message
from servers.errors import BadRequest
from servers.given import Given
from servers.json_body import answer
from servers.metadata import Metadata
from servers.pages import envelope, parameters, single
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
    asked = Given(request)
    listing = asked.service.completions.all(asked.tenant, single(request, "model") or None, _pairs(request))
    page = await asked.page(listing, order="asc")
    return answer(envelope([shown_completion(each) for each in page.items], has_more=page.has_more))


@router.get(ONE, summary="Retrieve a stored chat completion")
async def get_chat_completion(request: Request, completion_id: str) -> Response:
    asked = Given(request)
    return answer(shown_completion(await asked.service.completions.get(asked.tenant, completion_id)))


@router.get(
    ONE + "/messages",
    summary="List the messages that a stored chat completion answers",
    openapi_extra={"parameters": parameters("asc")},
)
async def get_chat_completion_messages(request: Request, completion_id: str) -> Response:
    asked = Given(request)
    page = await asked.page(await asked.service.completions.messages(asked.tenant, completion_id), order="asc")
    return answer(envelope([shown_message(each) for each in page.items], has_more=page.has_more))


@router.post(
    ONE,
    summary="Change the metadata of a stored chat completion",
    openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": UPDATE}}}},
)
async def update_chat_completion(request: Request, completion_id: str) -> Response:
    asked = Given(request)
    metadata = (await asked.body(Update)).metadata or {}
    return answer(shown_completion(await asked.service.completions.change(asked.tenant, completion_id, metadata)))


@router.delete(ONE, summary="Delete a stored chat completion")
async def delete_chat_completion(request: Request, completion_id: str) -> Response:
    asked = Given(request)
    await asked.service.completions.delete(asked.tenant, completion_id)
    return answer(deleted(completion_id))


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
