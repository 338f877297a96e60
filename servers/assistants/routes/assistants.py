"""`/v1/assistants`."""

from __future__ import annotations

from dataclasses import replace

from fastapi import APIRouter, Request
from starlette.responses import Response

from graph.assistants import Assistant
from servers.assistants.decode import given, new_assistant
from servers.assistants.encode import assistant_object, deleted
from servers.assistants.schema import AssistantFields
from servers.assistants.stocking import stocking
from servers.given import Given
from servers.ids import bare
from servers.json_body import answer
from servers.pages import envelope

router = APIRouter(prefix="/v1/assistants", tags=["Assistants"])


@router.post("", summary="Create an assistant")
async def create_assistant(request: Request) -> Response:
    asked = Given(request)
    body = await asked.body(AssistantFields)
    assistant = new_assistant(body)
    assistant = replace(assistant, fields=await stocking(asked).of_assistant(assistant.fields, body))
    await asked.service.assistants.create(asked.tenant, assistant)
    return _answer(asked, assistant)


@router.get("", summary="List the assistants")
async def list_assistants(request: Request) -> Response:
    asked = Given(request)
    page = await asked.page(asked.service.assistants.all(asked.tenant), "asst_")
    data = [assistant_object(each, asked.service.routing.default) for each in page.items]
    return answer(envelope(data, has_more=page.has_more))


@router.get("/{assistant_id}", summary="Retrieve an assistant")
async def get_assistant(request: Request, assistant_id: str) -> Response:
    asked = Given(request)
    return _answer(asked, await asked.service.assistants.get(asked.tenant, bare(assistant_id, "asst_")))


@router.post("/{assistant_id}", summary="Modify an assistant")
async def modify_assistant(request: Request, assistant_id: str) -> Response:
    asked = Given(request)
    body, id = await asked.body(AssistantFields), bare(assistant_id, "asst_")
    changes = given(body)
    await asked.service.assistants.get(asked.tenant, id)
    changes = await stocking(asked).of_assistant(changes, body)
    return _answer(asked, await asked.service.assistants.modify(asked.tenant, id, changes))


@router.delete("/{assistant_id}", summary="Delete an assistant")
async def delete_assistant(request: Request, assistant_id: str) -> Response:
    asked = Given(request)
    await asked.service.assistants.delete(asked.tenant, bare(assistant_id, "asst_"))
    return answer(deleted(assistant_id, "assistant"))


def _answer(asked: Given, assistant: Assistant) -> Response:
    return answer(assistant_object(assistant, asked.service.routing.default))
