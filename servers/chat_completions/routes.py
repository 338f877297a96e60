"""`POST /v1/chat/completions`; what it has stored is served by `stored_routes`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from agents.models.port import FilePart
from graph.request import RunRequest
from graph.run import Run
from servers.chat_completions.answer import Answer
from servers.chat_completions.conversation import asked_for
from servers.chat_completions.decode import decode
from servers.chat_completions.schema import ChatRequest
from servers.chat_completions.stored import Keeper
from servers.chat_completions.stored_routes import COLLECTION
from servers.chat_completions.stored_routes import router as stored
from servers.context import context_of
from servers.file_references import refuse_unknown_files
from servers.imports import without_collections
from servers.invalid import validated
from servers.json_body import read_json
from servers.service import Service, service_of

BODY: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["messages"],
    "properties": {name: {"description": field.description} for name, field in ChatRequest.model_fields.items()},
    "description": "OpenAI's CreateChatCompletionRequest, and `conversation_id`, `history` (`auto` or `full`), "
    "`stream_options.include_progress`.",
}

router = APIRouter(tags=["Chat"])


@router.post(
    COLLECTION,
    summary="Create a chat completion",
    openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": BODY}}}},
)
async def create_chat_completion(request: Request) -> Response:
    service = service_of(request)
    body, keeper = await _read(request, service)
    asked = await _decoded(request, service, body)
    if named := dict(_files(asked)):
        await refuse_unknown_files(service.files, asked.tenant, named)
    runs = await _runs(request, service, asked, body.n or 1)
    context_of(request.scope).run_id = runs[0].id
    answer = Answer(service, asked, runs, keeper)
    return await (answer.streamed(request, body) if body.stream else answer.whole(request))


router.routes.extend(stored.routes)  # behind what is asked most often


async def _read(request: Request, service: Service) -> tuple[ChatRequest, Keeper | None]:
    """The body, and who keeps its completion where it asks for that."""
    sent = await read_json(request)
    body = validated(ChatRequest, sent)
    if not body.store:
        return body, None
    return body, Keeper(service.completions, context_of(request.scope).tenant, sent["messages"], body.metadata or {})


async def _runs(request: Request, service: Service, asked: RunRequest, count: int) -> Sequence[Run]:
    """The runs of an answer. The one of a request that has come before is there already, where it was written."""
    claimed = context_of(request.scope).claimed
    if claimed is None or count > 1:
        return await service.engine.start_many(asked, count)
    found = await service.engine.found(asked.tenant, claimed.run_id) if claimed.again else None
    return [found] if found else await service.engine.start_many(replace(asked, run_id=claimed.run_id), count)


def _files(asked: RunRequest) -> Iterator[tuple[str, str]]:
    """The uploaded files that messages point to, by their places in the body."""
    for number, message in enumerate(asked.messages):
        if not isinstance(message.content, str):
            for place, part in enumerate(message.content):
                if isinstance(part, FilePart) and part.file_id and part.data is None:
                    yield f"messages[{number}].content[{place}].file.file_id", part.file_id


async def _decoded(request: Request, service: Service, body: ChatRequest) -> RunRequest:
    conversation = asked_for(request.scope, body.conversation_id)
    route = await service.routing.resolve(body.model)
    with without_collections():
        return decode(
            body,
            tenant=context_of(request.scope).tenant,
            route=route,
            label=body.model or service.routing.default,
            conversation=conversation,
            progress=service.settings.stream_progress,
            searches_web=service.settings.searches_web,
        )
