"""One question to the team, in a process of its own on the same storage."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import orjson

from agents.models.port import Message
from graph.errors import RunError
from graph.journal import Position
from graph.request import RunRequest
from graph.run import Run
from graph.storage.port import StorageError
from servers.backend import Backend, StartFailed
from servers.chat_completions.conversation import named, valid_name
from servers.chat_completions.encode import completion, shown
from servers.chat_completions.usage import Tokens
from servers.context import DEFAULT_TENANT
from servers.errors import ApiError, of_exception, of_run
from servers.service import Service
from servers.settings import Settings
from servers.terminal.views import Alive, Lines, Silent, View

INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, of whom, in which conversation; None = the team, a new one. `tenant`: whose conversation it is."""

    text: str
    model: str | None = None
    conversation: str | None = None
    tenant: str = DEFAULT_TENANT


def chat(settings: Settings, question: Question, *, as_json: bool) -> int:
    """Ask, show, and return the exit code: 0, 1 where there is no answer, 130 where it was interrupted."""
    return asyncio.run(_chat(settings, question, as_json=as_json))


async def _chat(settings: Settings, question: Question, *, as_json: bool) -> int:
    backend = Backend(settings, alone=False)
    try:
        service = await backend.open(await backend.claim())
        run, last = await _ask(service, question, _view(as_json=as_json))
        return await _report(service, question, run, last, as_json=as_json)
    except (ApiError, RunError, StorageError, StartFailed) as error:
        _complain(str(error) if isinstance(error, StartFailed) else of_exception(error).message)
        return 1
    finally:
        await backend.drain(0)
        await backend.close()


async def _ask(service: Service, question: Question, view: View) -> tuple[Run, Run]:
    """The run as it began and as it ended. Ctrl-C cancels it."""
    route = await service.routing.resolve(question.model)
    request = RunRequest(
        question.tenant,
        (Message("user", question.text),),
        conversation=question.conversation and valid_name(question.conversation),
        agent=route.agent,
        model=route.model,
        label=question.model or service.routing.default,
        watched=True,
    )
    run = await service.engine.start(request)
    cancel = asyncio.create_task(_cancel_on_interrupt(service, run))
    try:
        await _show(service, run, view)
        return run, await service.engine.finished(run.tenant, run.id)
    finally:
        cancel.cancel()
        view.close()


async def _show(service: Service, run: Run, view: View) -> None:
    async with aclosing(service.engine.follow(run.tenant, run.id, Position(run.journal_length))) as batches:
        async for batch in batches:
            for event in batch:
                view.show(event)


async def _cancel_on_interrupt(service: Service, run: Run) -> None:
    loop, interrupted = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGINT, interrupted.set)
    try:
        await interrupted.wait()
        await service.engine.cancel(run.tenant, run.id)
    finally:
        loop.remove_signal_handler(signal.SIGINT)


async def _report(service: Service, question: Question, began: Run, run: Run, *, as_json: bool) -> int:
    """The last words: the completion as the API would answer, or a line about the run."""
    if run.status == "cancelled":
        return INTERRUPTED
    if (failure := of_run(run)) is not None:
        _complain(failure.message)
        return 1
    if as_json:
        body = _completion(service, question, began, run)
        sys.stdout.write(orjson.dumps(body, option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        sys.stderr.write(f"\n{_summary(run)}\n")
    return 0


def _completion(service: Service, question: Question, began: Run, run: Run) -> dict[str, Any]:
    """The completion as the API would answer it."""
    first = len(began.items)
    prompt = service.tokenizer.count_messages([Message("user", question.text)])
    tokens = Tokens(prompt, service.tokenizer.count(shown(run, first).text))
    fingerprint = service.models.for_agent(run.request.agent, run.request.model).fingerprint
    at = run.ended_at or run.created_at
    return completion(run, tokens, at=at, first_item=first, fingerprint=fingerprint)


def _summary(run: Run) -> str:
    agents = ", ".join(run.agents_used) or "the supervisor alone"
    seconds = ((run.ended_at or run.created_at) - (run.started_at or run.created_at)) / 1000
    turns = "1 turn" if run.iterations == 1 else f"{run.iterations} turns"
    return f"[{agents}; {turns}, {run.usage_total.total_tokens} tokens, {seconds:.1f} s; conversation {named(run)}]"


def _view(*, as_json: bool) -> View:
    if as_json:
        return Silent()
    return Alive() if sys.stdout.isatty() else Lines()


def _complain(message: str) -> None:
    sys.stderr.write(f"cortex-flow: {message}\n")
