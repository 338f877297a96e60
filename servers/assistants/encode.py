"""From what the engine keeps to the objects of the Assistants API. Pure and synchronous."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from agents.models.port import FilePart, ImagePart, Part, TextPart, Usage
from graph import attachments
from graph.assistants import Assistant
from graph.items import Annotation
from graph.messages import StoredMessage
from graph.run import Failure, Run
from graph.threads import Branch, Thread
from servers.assistants.steps import Step, told

POLL_MS: Final = 100
"""What the SDKs' pollers are told to wait: their own default is five seconds."""

_DEFAULTS: Final[Mapping[str, Any]] = {
    "tools": [],
    "temperature": 1.0,
    "top_p": 1.0,
    "max_prompt_tokens": None,
    "max_completion_tokens": None,
    "truncation_strategy": {"type": "auto", "last_messages": None},
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "response_format": "auto",
    "reasoning_effort": None,
}
"""What a run, or an assistant, says of what nobody has said of it."""

_OF_ASSISTANTS: Final[Mapping[str, Any]] = {
    "name": None,
    "description": None,
    "instructions": None,
    "tools": [],
    "tool_resources": {},
    "metadata": {},
    "temperature": 1.0,
    "top_p": 1.0,
    "response_format": "auto",
    "reasoning_effort": None,
}
_ERRORS: Final = {"rate_limit_exceeded": "rate_limit_exceeded", "invalid_prompt": "invalid_prompt"}


def run_object(run: Run) -> dict[str, Any]:
    """A `thread.run`. What its request did not say has OpenAI's defaults."""
    return {
        "id": f"run_{run.id}",
        "object": "thread.run",
        "created_at": _seconds(run.created_at),
        "thread_id": f"thread_{run.conversation_id}",
        "assistant_id": run.request.assistant_id or "",
        "status": _status(run),
        "required_action": _required_action(run),
        "last_error": _last_error(run.failure),
        "expires_at": None if run.ended else _seconds(run.expires_at),
        "started_at": _seconds(run.started_at),
        "cancelled_at": _ended(run, "cancelled"),
        "failed_at": _ended(run, "failed"),
        "completed_at": _ended(run, "completed"),
        "incomplete_details": _incomplete_details(run),
        "model": run.request.label,
        "instructions": run.request.instructions or "",
        **_DEFAULTS,
        **run.request.echo,
        "metadata": dict(run.metadata),
        "usage": _run_usage(run) if run.ended else None,
    }


def step_object(step: Step, run: Run, *, content: bool = False) -> dict[str, Any]:
    """A `thread.run.step`; `content`: with what searches of files have found."""
    return {
        "id": step.id,
        "object": "thread.run.step",
        "created_at": _seconds(step.created_at),
        "run_id": f"run_{run.id}",
        "assistant_id": run.request.assistant_id or "",
        "thread_id": f"thread_{run.conversation_id}",
        "type": "tool_calls" if step.message_id is None else "message_creation",
        "status": step.end or "in_progress",
        "step_details": _step_details(step, content=content),
        "last_error": {"code": step.error.code, "message": step.error.message} if step.error and step.end else None,
        **{f"{end}_at": _seconds(step.ended_at) if step.end == end else None for end in _ENDS},
        "metadata": {},
        "usage": _usage(step.usage) if step.end else None,
    }


_ENDS: Final = ("expired", "cancelled", "failed", "completed")


def message_object(stored: StoredMessage, thread_id: str) -> dict[str, Any]:
    """A `thread.message`. `thread_id` is bare."""
    reason = stored.incomplete_reason
    ended = _seconds(stored.ended_at or stored.at)
    return {
        "id": f"msg_{stored.id}",
        "object": "thread.message",
        "created_at": _seconds(stored.at),
        "thread_id": f"thread_{thread_id}",
        "status": stored.status,
        "incomplete_details": {"reason": reason} if reason else None,
        "completed_at": ended if stored.status == "completed" else None,
        "incomplete_at": ended if stored.status == "incomplete" else None,
        "role": stored.message.role,
        "content": content(stored),
        "assistant_id": stored.assistant_id,
        "run_id": f"run_{stored.run_id}" if stored.run_id else None,
        "attachments": list(stored.attachments),
        "metadata": dict(stored.metadata),
    }


def message_begun(id: str, run: Run, at: int) -> dict[str, Any]:
    """A `thread.message` that is just being written."""
    return {
        "id": f"msg_{id}",
        "object": "thread.message",
        "created_at": _seconds(at),
        "thread_id": f"thread_{run.conversation_id}",
        "status": "in_progress",
        "incomplete_details": None,
        "completed_at": None,
        "incomplete_at": None,
        "role": "assistant",
        "content": [],
        "assistant_id": run.request.assistant_id,
        "run_id": f"run_{run.id}",
        "attachments": [],
        "metadata": {},
    }


def content(stored: StoredMessage) -> list[dict[str, Any]]:
    """A message's content: its parts, its text with the annotations, or what it refuses."""
    body = stored.message.content
    if stored.refusal:
        return [{"type": "refusal", "refusal": stored.message.text}]
    if isinstance(body, str):
        said = [text(body, stored.annotations)] if body or stored.message.role == "assistant" else []
        return [*said, *map(image, stored.images)]
    return list(_parts(body, stored.annotations))


def text(value: str, annotations: Sequence[Annotation] = ()) -> dict[str, Any]:
    """A content part of text."""
    return {"type": "text", "text": {"value": value, "annotations": [*map(annotation, annotations)]}}


def image(file_id: str) -> dict[str, Any]:
    """A content part that shows a file."""
    return {"type": "image_file", "image_file": {"file_id": file_id, "detail": "auto"}}


def annotation(mark: Annotation) -> dict[str, Any]:
    """A citation in a text, by its place in it. This wire knows files alone: a web page is one whose id is its address."""
    place = {"start_index": mark.start, "end_index": mark.end}
    if mark.path:
        return {"type": "file_path", "text": mark.mark, "file_path": {"file_id": mark.source.file_id}, **place}
    if mark.source.url:
        citation = {"file_id": mark.source.url, "url": mark.source.url, "title": mark.source.name}
    else:
        citation = {"file_id": mark.source.file_id or mark.source.name}
    return {"type": "file_citation", "text": mark.mark, "file_citation": citation, **place}


def assistant_object(assistant: Assistant, model: str) -> dict[str, Any]:
    """An `assistant`. `model` is what it has where it was given none."""
    given = {key: value for key, value in assistant.fields.items() if value is not None}
    return {
        "id": f"asst_{assistant.id}",
        "object": "assistant",
        "created_at": _seconds(assistant.created_at),
        "model": model,
        **_OF_ASSISTANTS,
        **given,
    }


def thread_object(thread: Thread) -> dict[str, Any]:
    """A `thread`."""
    return {
        "id": f"thread_{thread.id}",
        "object": "thread",
        "created_at": _seconds(thread.created_at),
        "tool_resources": dict(thread.tool_resources),
        "metadata": dict(thread.metadata),
    }


def branch_object(branch: Branch) -> dict[str, Any]:
    """A `thread.branch`: what left the active one."""
    parent = branch.parent_message_id
    return {
        "id": branch.id,
        "object": "thread.branch",
        "created_at": _seconds(branch.created_at),
        "parent_message_id": parent and f"msg_{parent}",
        "message_count": branch.message_count,
    }


def deleted(id: str, kind: str) -> dict[str, Any]:
    """What is left of an object."""
    return {"id": id, "object": f"{kind}.deleted", "deleted": True}


def _parts(parts: Iterable[Part], annotations: Sequence[Annotation]) -> Iterator[dict[str, Any]]:
    """The parts, each text with the annotations that stand in it."""
    begin = 0
    for part in parts:
        if isinstance(part, TextPart):
            end = begin + len(part.text)
            own = [
                replace(mark, start=mark.start - begin, end=mark.end - begin)
                for mark in annotations
                if begin <= mark.start < end
            ]
            yield text(part.text, own)
            begin = end
        else:
            yield _part(part)


def _part(part: ImagePart | FilePart) -> dict[str, Any]:
    match part:
        case ImagePart(url, detail) if file_id := attachments.file_of(url):
            return {"type": "image_file", "image_file": {"file_id": file_id, "detail": detail or "auto"}}
        case ImagePart(url, detail):
            return {"type": "image_url", "image_url": {"url": url, "detail": detail or "auto"}}
        case FilePart(filename, _, file_id):  # came by chat: this wire knows files as attachments only
            return text(f"[file {filename or file_id or 'without a name'}]")


def _step_details(step: Step, *, content: bool) -> dict[str, Any]:
    if step.message_id is not None:
        return {"type": "message_creation", "message_creation": {"message_id": f"msg_{step.message_id}"}}
    return {"type": "tool_calls", "tool_calls": [told(call, content=content) for call in step.calls]}


def _status(run: Run) -> str:
    """A run that was asked to stop is `cancelling` until it has."""
    return "cancelling" if run.cancel_requested_at is not None and not run.ended else run.status


def _required_action(run: Run) -> dict[str, Any] | None:
    if run.status != "requires_action":
        return None
    calls = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in run.open_calls
    ]
    return {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": calls}}


def _last_error(failure: Failure | None) -> dict[str, Any] | None:
    if failure is None:
        return None
    return {"code": _ERRORS.get(failure.code, "server_error"), "message": failure.message}


def _incomplete_details(run: Run) -> dict[str, Any] | None:
    if run.status != "incomplete":
        return None
    reason = run.incomplete_reason
    return {"reason": reason} if reason in ("max_completion_tokens", "max_prompt_tokens") else {}


def _ended(run: Run, status: str) -> int | None:
    return _seconds(run.ended_at) if run.status == status else None


def _run_usage(run: Run) -> dict[str, Any]:
    """What all model calls cost, and what chat tells in `metadata`: a run's metadata is its client's."""
    return {**_usage(run.usage_total), "agents_used": list(run.agents_used), "iterations": run.iterations}


def _usage(used: Usage) -> dict[str, int]:
    return {
        "prompt_tokens": used.prompt_tokens,
        "completion_tokens": used.completion_tokens,
        "total_tokens": used.total_tokens,
    }


def _seconds(milliseconds: int | None) -> int | None:
    return None if milliseconds is None else milliseconds // 1000
