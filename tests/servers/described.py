"""OpenAI's description of its API, route by route: what is answered is held against it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import orjson

from tests.servers.openai_schema import CHAT, check, check_chat_answer

ASSISTANTS: Final[Mapping[str, str]] = {
    "POST /assistants": "AssistantObject",
    "GET /assistants": "ListAssistantsResponse",
    "GET /assistants/{}": "AssistantObject",
    "POST /assistants/{}": "AssistantObject",
    "DELETE /assistants/{}": "DeleteAssistantResponse",
    "POST /threads": "ThreadObject",
    "GET /threads/{}": "ThreadObject",
    "POST /threads/{}": "ThreadObject",
    "DELETE /threads/{}": "DeleteThreadResponse",
    "POST /threads/{}/messages": "MessageObject",
    "GET /threads/{}/messages": "ListMessagesResponse",
    "GET /threads/{}/messages/{}": "MessageObject",
    "POST /threads/{}/messages/{}": "MessageObject",
    "DELETE /threads/{}/messages/{}": "DeleteMessageResponse",
    "POST /threads/runs": "RunObject",
    "POST /threads/{}/runs": "RunObject",
    "GET /threads/{}/runs": "ListRunsResponse",
    "GET /threads/{}/runs/{}": "RunObject",
    "POST /threads/{}/runs/{}": "RunObject",
    "POST /threads/{}/runs/{}/cancel": "RunObject",
    "POST /threads/{}/runs/{}/submit_tool_outputs": "RunObject",
    "GET /threads/{}/runs/{}/steps": "ListRunStepsResponse",
    "GET /threads/{}/runs/{}/steps/{}": "RunStepObject",
}
"""The 23 operations, and what each answers."""

FILES: Final[Mapping[str, str]] = {
    "POST /files": "OpenAIFile",
    "GET /files": "ListFilesResponse",
    "GET /files/{}": "OpenAIFile",
    "DELETE /files/{}": "DeleteFileResponse",
    "POST /uploads": "Upload",
    "POST /uploads/{}/parts": "UploadPart",
    "POST /uploads/{}/complete": "Upload",
    "POST /uploads/{}/cancel": "Upload",
}
"""The operations on files and uploads, but for a file's content, which is its own."""

EVENTS: Final[Mapping[str, str]] = {
    "thread.created": "ThreadObject",
    **{
        f"thread.run.{word}": "RunObject"
        for word in (
            "created", "queued", "in_progress", "requires_action", "completed", "incomplete", "failed", "cancelling",
            "cancelled", "expired",
        )
    },
    **{
        f"thread.run.step.{word}": "RunStepObject"
        for word in ("created", "in_progress", "completed", "failed", "cancelled", "expired")
    },
    "thread.run.step.delta": "RunStepDeltaObject",
    **{f"thread.message.{word}": "MessageObject" for word in ("created", "in_progress", "completed", "incomplete")},
    "thread.message.delta": "MessageDeltaObject",
    "error": "Error",
    "done": "",
}  # fmt: skip
"""The 25 events of a stream, and what each carries: `done` the word `[DONE]`."""

_ROUTES: Final = [
    (re.compile(re.escape(route).replace(r"\{\}", "[^/]+")), route, schema)
    for route, schema in sorted({**ASSISTANTS, **FILES}.items(), key=lambda each: "{}" in each[0])
]


class Told(NamedTuple):
    """A frame of a stream. `id` is where a reader goes on that was cut off behind it."""

    event: str
    data: Any
    id: str | None


def operation_of(method: str, path: str) -> str | None:
    """Which operation this is, as the tables name it; None for one of another dialect."""
    asked = f"{method} {path.partition('?')[0].removeprefix('/v1')}"
    return next((route for pattern, route, _ in _ROUTES if pattern.fullmatch(asked)), None)


def check_answer(method: str, path: str, content_type: str, body: bytes) -> None:
    """Fail unless this is what OpenAI describes for the operation, or an error in its shape. A stream may have ended early:
    its whole frames are held against their schemas."""
    if method == "POST" and path.endswith(CHAT):
        return check_chat_answer(content_type, body)
    operation = operation_of(method, path)
    if operation is None:
        return None
    if content_type.startswith("text/event-stream"):
        for told in frames(body):
            check_event(told)
    elif content_type.startswith("application/json"):
        value = orjson.loads(body)
        if value.get("purpose") == "evals":  # OpenAI takes it, and has forgotten it in its description
            value["purpose"] = "user_data"
        schema = {**ASSISTANTS, **FILES}[operation]
        check("ErrorResponse" if set(value) == {"error"} else schema, value, without=())
    return None


def check_event(told: Told) -> None:
    """Fail unless the frame carries what OpenAI describes for its event."""
    if told.event == "done":
        assert told.data == "[DONE]"
    else:
        check(EVENTS[told.event], told.data, without=())


def frames(body: bytes) -> Iterator[Told]:
    """The whole frames of a stream; comments are none."""
    for frame in body.decode().split("\n\n")[:-1]:
        fields = dict(line.split(": ", 1) for line in frame.split("\n") if not line.startswith(":"))
        if fields:
            data = fields["data"]
            yield Told(fields["event"], data if data == "[DONE]" else orjson.loads(data), fields.get("id"))
