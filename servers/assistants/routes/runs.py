"""`/v1/threads/{thread_id}/runs`, `/v1/threads/runs`, and a run's steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from graph import events as ev
from graph.assistants import Assistant
from graph.errors import ConversationBusy
from graph.intake import Output
from graph.journal import Position
from graph.messages import StoredMessage
from graph.request import CodeFile, CodeInterpreter, RunRequest
from graph.run import Run
from graph.threads import Thread
from servers.assistants.decode import message, offered_tools, outputs, run_request
from servers.assistants.encode import POLL_MS, run_object, step_object, thread_object
from servers.assistants.events import opening
from servers.assistants.routes.threads import made
from servers.assistants.schema import (
    CreateRun,
    CreateThread,
    CreateThreadAndRun,
    ModifyMetadata,
    SubmitToolOutputs,
    ToolResources,
)
from servers.assistants.steps import Step, Steps
from servers.assistants.stocking import code_files_of, stocking, stores_of
from servers.assistants.stream import run_stream
from servers.context import context_of
from servers.errors import BadRequest, NotFoundHere
from servers.given import Given
from servers.ids import bare
from servers.json_body import answer
from servers.pages import Held, envelope, single

router = APIRouter(prefix="/v1/threads", tags=["Assistants"])
CONTENT = "step_details.tool_calls[*].file_search.results[*].content"
POLLING = {"openai-poll-after-ms": str(POLL_MS)}


@router.post("/runs", summary="Create a thread and run it")
async def create_thread_and_run(request: Request) -> Response:
    asked = Given(request)
    body = await asked.body(CreateThreadAndRun)
    if run := await _found(asked):
        thread = await asked.service.engine.threads.get(asked.tenant, run.conversation_id)
        return _begun(asked, run, stream=bool(body.stream), thread=thread_object(thread))
    assistant = await _assistant(asked, body.assistant_id)
    thread = await made(asked, _thread(body.thread, body.tool_resources))
    try:
        run = await _started(asked, body, assistant, thread)
    except Exception:  # nothing is left of a request that was refused
        await asked.service.engine.threads.delete(asked.tenant, thread.id)
        raise
    return _begun(asked, run, stream=bool(body.stream), thread=thread_object(thread))


@router.post("/{thread_id}/runs", summary="Create a run")
async def create_run(request: Request, thread_id: str) -> Response:
    asked, content = Given(request), includes_content(request)
    body = await asked.body(CreateRun)
    if run := await _found(asked):
        return _begun(asked, run, stream=bool(body.stream), content=content)
    id = bare(thread_id, "thread_")
    threads = asked.service.engine.threads
    thread = await threads.get(asked.tenant, id)
    assistant = await _assistant(asked, body.assistant_id)
    said = [message(each) for each in body.additional_messages or ()]
    thread = await stocking(asked).attach(threads, thread, said)
    run = await _started(asked, body, assistant, replace(thread, id=id), said)
    return _begun(asked, run, stream=bool(body.stream), content=content)


@router.get("/{thread_id}/runs", summary="List a thread's runs")
async def list_runs(request: Request, thread_id: str) -> Response:
    asked = Given(request)
    engine, id = asked.service.engine, bare(thread_id, "thread_")
    thread = await engine.threads.get(asked.tenant, id)
    page = await asked.page(engine.runs.all(asked.tenant, thread.id), "run_")
    data = [run_object(await engine.glance(asked.tenant, each.id, each)) for each in page.items]
    return answer(envelope(data, has_more=page.has_more))


@router.get("/{thread_id}/runs/{run_id}", summary="Retrieve a run; with `stream=true`, follow it")
async def get_run(request: Request, thread_id: str, run_id: str) -> Response:
    asked = Given(request)
    run = await _run(asked, thread_id, run_id)
    if single(request, "stream") == "true":
        return _followed(asked, run, _last_event(request))
    return answer(run_object(run), POLLING)


@router.post("/{thread_id}/runs/{run_id}", summary="Modify a run's metadata")
async def modify_run(request: Request, thread_id: str, run_id: str) -> Response:
    asked = Given(request)
    body = await asked.body(ModifyMetadata)
    run = await _run(asked, thread_id, run_id)
    if body.metadata is not None:
        await asked.service.engine.modify(asked.tenant, run.id, body.metadata)
        run = replace(run, metadata=body.metadata)
    return answer(run_object(run))


@router.post("/{thread_id}/runs/{run_id}/cancel", summary="Cancel a run")
async def cancel_run(request: Request, thread_id: str, run_id: str) -> Response:
    asked = Given(request)
    run = await _run(asked, thread_id, run_id)
    return answer(run_object(await asked.service.engine.cancel(asked.tenant, run.id)), POLLING)


@router.post("/{thread_id}/runs/{run_id}/submit_tool_outputs", summary="Submit tool outputs to a run")
async def submit_tool_outputs(request: Request, thread_id: str, run_id: str) -> Response:
    asked = Given(request)
    body = await asked.body(SubmitToolOutputs)
    engine, waiting = asked.service.engine, await _run(asked, thread_id, run_id)
    given = outputs(body)
    before = await _resumed(asked, waiting, given)
    if before is None:
        before = (await engine.resume(asked.tenant, waiting.id, given)).journal_length
    context_of(request.scope).lasting = True
    if body.stream:
        return run_stream(engine, waiting, context_of(request.scope), after=Position(before, 0))
    return answer(run_object(await engine.glance(asked.tenant, waiting.id)), POLLING)


@router.get("/{thread_id}/runs/{run_id}/steps", summary="List a run's steps")
async def list_steps(request: Request, thread_id: str, run_id: str) -> Response:
    asked = Given(request)
    content = includes_content(request)
    run, steps = await _steps(asked, thread_id, run_id)
    page = await asked.page(Held(steps, attrgetter("id")))
    data = [step_object(each, run, content=content) for each in page.items]
    return answer(envelope(data, has_more=page.has_more))


@router.get("/{thread_id}/runs/{run_id}/steps/{step_id}", summary="Retrieve a run step")
async def get_step(request: Request, thread_id: str, run_id: str, step_id: str) -> Response:
    content = includes_content(request)
    run, steps = await _steps(Given(request), thread_id, run_id)
    step = next((each for each in steps if each.id == step_id), None)
    if step is None:
        raise NotFoundHere(f"No run step found with id '{step_id:.100}'.")
    return answer(step_object(step, run, content=content))


async def _found(asked: Given) -> Run | None:
    """The run of a request that has come before, where it was accepted then."""
    context = context_of(asked.request.scope)
    if context.claimed is None or not context.claimed.again:
        return None
    run = await asked.service.engine.found(asked.tenant, context.claimed.run_id)
    if run is not None:
        context.run_id, context.lasting = run.id, True
    return run


async def _resumed(asked: Given, run: Run, given: Sequence[Output]) -> int | None:
    """How long the journal was before these outputs, where they came with a request that has come before."""
    claimed = context_of(asked.request.scope).claimed
    if claimed is None or not claimed.again:
        return None
    journal = await asked.service.engine.journal(asked.tenant, run.id)
    answered = {each.call_id: n for n, each in enumerate(journal) if isinstance(each, ev.CallAnswered)}
    places = [answered.get(each.call_id) for each in given]
    known = [place for place in places if place is not None]
    return min(known) - 1 if known and len(known) == len(places) else None  # their leg begins with its `RunStarted`


async def _started(
    asked: Given,
    body: CreateRun | CreateThreadAndRun,
    assistant: Assistant,
    thread: Thread,
    said: Sequence[StoredMessage] = (),
) -> Run:
    """The run that a body asks for, accepted. Raises `BadRequest` where another one is at work on the thread."""
    request = await _asked_for(asked, body, assistant, thread)
    context = context_of(asked.request.scope)
    claimed = context.claimed
    try:
        run = await asked.service.engine.start(replace(request, run_id=claimed.run_id if claimed else None), said)
    except ConversationBusy as busy:
        if busy.run_id is None:
            raise
        raise BadRequest(f"Thread thread_{thread.id} already has an active run run_{busy.run_id}.") from None
    context.run_id, context.lasting = run.id, True
    return run


async def _asked_for(
    asked: Given, body: CreateRun | CreateThreadAndRun, assistant: Assistant, thread: Thread
) -> RunRequest:
    routing = asked.service.routing
    model = body.model or assistant.fields.get("model")
    route = await routing.resolve_or_default(model)
    own = assistant.fields.get("tool_resources") or {}
    return run_request(
        body,
        assistant,
        tenant=asked.tenant,
        thread_id=thread.id,
        route=route,
        default=routing.default,
        stores=list(dict.fromkeys([*stores_of(own), *stores_of(thread.tool_resources)])),
        interpreter=await _interpreter(asked, body, assistant, thread),
    )


async def _interpreter(
    asked: Given, body: CreateRun | CreateThreadAndRun, assistant: Assistant, thread: Thread
) -> CodeInterpreter | None:
    """What a run's programs find, where its tools say that it may run some: the files of its assistant and its thread, then
    those that programs have made in earlier runs."""
    if not any(tool["type"] == "code_interpreter" for tool in offered_tools(body, assistant)):
        return None
    own = assistant.fields.get("tool_resources") or {}
    given = [bare(id, "file-") for id in (*code_files_of(own), *code_files_of(thread.tool_resources))]
    made = await asked.service.engine.threads.made(asked.tenant, thread.id)
    files = await asked.service.files.there(asked.tenant, [*given, *made])
    there = {file.id for file in files}
    return CodeInterpreter(
        tuple(CodeFile(file.id, file.filename, file.size) for file in files),
        tuple(f"file-{id}" for id in dict.fromkeys(given) if id not in there),
    )


def _thread(body: CreateThread | None, own: ToolResources | None) -> CreateThread:
    """The thread that is made with a run: it has the run's tool resources where it has none of its own."""
    thread = body or CreateThread()
    return thread if own is None or thread.tool_resources else thread.model_copy(update={"tool_resources": own})


async def _assistant(asked: Given, id: str) -> Assistant:
    return await asked.service.assistants.get(asked.tenant, bare(id, "asst_"))


def _begun(
    asked: Given, run: Run, *, stream: bool, thread: dict[str, Any] | None = None, content: bool = False
) -> Response:
    if not stream:
        return answer(run_object(run), POLLING)
    context = context_of(asked.request.scope)
    return run_stream(asked.service.engine, run, context, opening=opening(run, thread), content=content)


def _followed(asked: Given, run: Run, after: Position | None) -> Response:
    engine, context = asked.service.engine, context_of(asked.request.scope)
    return run_stream(engine, run, context, opening=b"" if after else opening(run), after=after)


async def _run(asked: Given, thread_id: str, run_id: str) -> Run:
    """A run of this thread, whose id may be the name that a chat gave it."""
    engine, thread = asked.service.engine, bare(thread_id, "thread_")
    run = await engine.glance(asked.tenant, bare(run_id, "run_"))
    if run.conversation_id != thread and run.conversation_id != (await engine.threads.get(asked.tenant, thread)).id:
        raise NotFoundHere(f"No run found with id '{run_id:.100}' in thread '{thread_id:.100}'.")
    return run


async def _steps(asked: Given, thread_id: str, run_id: str) -> tuple[Run, Sequence[Step]]:
    run = await _run(asked, thread_id, run_id)
    steps = Steps()
    for event in await asked.service.engine.journal(asked.tenant, run.id):
        steps.apply(event)
    return run, steps.all


def includes_content(request: Request) -> bool:
    """Whether the query asks for what searches of files have found. Raises `BadRequest` for anything else it asks for."""
    asked = [*request.query_params.getlist("include"), *request.query_params.getlist("include[]")]
    for each in asked:
        if each != CONTENT:
            message = f"Invalid value for 'include': {each!r:.100}. Supported values are: '{CONTENT}'."
            raise BadRequest(message, "include", "invalid_value")
    return bool(asked)


def _last_event(request: Request) -> Position | None:
    """Where a reader was cut off. Raises `BadRequest`."""
    told = request.headers.get("last-event-id")
    if not told:
        return None
    try:
        return Position.parse(told)
    except ValueError:
        raise BadRequest(
            "Invalid value for 'Last-Event-ID': it is no id of an event of ours.", "Last-Event-ID"
        ) from None
