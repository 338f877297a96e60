"""`/v1/threads` and, beyond OpenAI's, a thread's branches."""

from __future__ import annotations

from contextlib import suppress

from fastapi import APIRouter, Request
from starlette.responses import Response

from graph.errors import NotFound, RunEnded
from graph.threads import Thread
from servers.assistants.decode import new_thread, resources
from servers.assistants.encode import branch_object, deleted, thread_object
from servers.assistants.schema import CreateThread, ModifyThread
from servers.assistants.stocking import stocking
from servers.given import Given
from servers.ids import bare
from servers.json_body import answer
from servers.pages import envelope

router = APIRouter(prefix="/v1/threads", tags=["Assistants"])


@router.post("", summary="Create a thread")
async def create_thread(request: Request) -> Response:
    asked = Given(request)
    return answer(thread_object(await made(asked, await asked.body(CreateThread))))


@router.get("/{thread_id}", summary="Retrieve a thread, whatever dialect has begun it")
async def get_thread(request: Request, thread_id: str) -> Response:
    asked = Given(request)
    return answer(thread_object(await asked.service.engine.threads.get(asked.tenant, bare(thread_id, "thread_"))))


@router.post("/{thread_id}", summary="Modify a thread")
async def modify_thread(request: Request, thread_id: str) -> Response:
    asked = Given(request)
    body = await asked.body(ModifyThread)
    threads, id = asked.service.engine.threads, bare(thread_id, "thread_")
    await threads.get(asked.tenant, id)
    given = body.tool_resources
    own = None if given is None else await stocking(asked).with_new(resources(given), given)
    return answer(thread_object(await threads.modify(asked.tenant, id, body.metadata, own)))


@router.delete("/{thread_id}", summary="Delete a thread; a run at work on it is cancelled")
async def delete_thread(request: Request, thread_id: str) -> Response:
    asked = Given(request)
    engine, id = asked.service.engine, bare(thread_id, "thread_")
    if run_id := await engine.threads.active(asked.tenant, id):
        with suppress(NotFound, RunEnded):
            await engine.cancel(asked.tenant, run_id)
            await engine.finished(asked.tenant, run_id)
    await engine.threads.delete(asked.tenant, id)
    return answer(deleted(thread_id, "thread"))


@router.get("/{thread_id}/branches", summary="List what has left the thread's active branch")
async def list_branches(request: Request, thread_id: str) -> Response:
    asked = Given(request)
    page = await asked.page(await asked.service.engine.threads.branches(asked.tenant, bare(thread_id, "thread_")))
    return answer(envelope([branch_object(each) for each in page.items], has_more=page.has_more))


async def made(asked: Given, body: CreateThread) -> Thread:
    """A new thread as a body says."""
    thread, said = new_thread(body)
    thread = await stocking(asked).of_thread(thread, body, said)
    return await asked.service.engine.threads.create(asked.tenant, thread, said)
