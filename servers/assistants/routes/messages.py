"""`/v1/threads/{thread_id}/messages`."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from graph.messages import StoredMessage
from servers.assistants.decode import message
from servers.assistants.encode import deleted, message_object
from servers.assistants.schema import CreateMessage, ModifyMetadata
from servers.assistants.stocking import stocking
from servers.given import Given
from servers.ids import bare
from servers.json_body import answer
from servers.pages import envelope, single

router = APIRouter(prefix="/v1/threads/{thread_id}/messages", tags=["Assistants"])


@router.post("", summary="Add a message to a thread")
async def create_message(request: Request, thread_id: str) -> Response:
    asked = Given(request)
    said = message(await asked.body(CreateMessage))
    thread, threads = bare(thread_id, "thread_"), asked.service.engine.threads
    if said.attachments:
        await stocking(asked).attach(threads, await threads.get(asked.tenant, thread), [said])
    await threads.add(asked.tenant, thread, said)
    return answer(message_object(said, thread))


@router.get("", summary="List a thread's messages; `branch` reads one that is no longer active")
async def list_messages(request: Request, thread_id: str) -> Response:
    asked = Given(request)
    run, branch = single(request, "run_id"), single(request, "branch") or None
    thread = bare(thread_id, "thread_")
    run_id = bare(run, "run_") if run else None
    listing = await asked.service.engine.threads.messages(asked.tenant, thread, run_id=run_id, branch=branch)
    page = await asked.page(listing, "msg_")
    return answer(envelope([await _shown(asked, each, thread) for each in page.items], has_more=page.has_more))


@router.get("/{message_id}", summary="Retrieve a message")
async def get_message(request: Request, thread_id: str, message_id: str) -> Response:
    asked = Given(request)
    thread = bare(thread_id, "thread_")
    stored = await asked.service.engine.threads.message(asked.tenant, thread, bare(message_id, "msg_"))
    return answer(await _shown(asked, stored, thread))


@router.post("/{message_id}", summary="Modify a message's metadata")
async def modify_message(request: Request, thread_id: str, message_id: str) -> Response:
    asked = Given(request)
    body = await asked.body(ModifyMetadata)
    thread, id = bare(thread_id, "thread_"), bare(message_id, "msg_")
    changed = await asked.service.engine.threads.modify_message(asked.tenant, thread, id, body.metadata)
    return answer(await _shown(asked, changed, thread))


@router.delete("/{message_id}", summary="Delete a message")
async def delete_message(request: Request, thread_id: str, message_id: str) -> Response:
    asked = Given(request)
    thread, id = bare(thread_id, "thread_"), bare(message_id, "msg_")
    await asked.service.engine.threads.delete_message(asked.tenant, thread, id)
    return answer(deleted(message_id, "thread.message"))


async def _shown(asked: Given, stored: StoredMessage, thread: str) -> dict[str, Any]:
    return message_object(await asked.service.engine.threads.whole(asked.tenant, thread, stored), thread)
