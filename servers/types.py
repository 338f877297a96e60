"""The types of the Assistants API, of requests and of what is answered, behind one door.

Requests are our own models, which say what is taken. What is answered is what the package `openai` (the extra `clients`)
describes: its types are loaded when they are asked for. The adapter's results fit them: `Run.model_validate(run)`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from openai.types import FileDeleted, FileObject, FilePurpose
    from openai.types.beta import (
        Assistant,
        AssistantDeleted,
        AssistantStreamEvent,
        AssistantTool,
        Thread,
        ThreadDeleted,
    )
    from openai.types.beta.threads import (
        Annotation,
        Message,
        MessageContent,
        MessageDeleted,
        MessageDelta,
        MessageDeltaEvent,
        Run,
        RunStatus,
        TextContentBlock,
    )
    from openai.types.beta.threads.run import LastError, RequiredAction, Usage
    from openai.types.beta.threads.runs import RunStep, RunStepDelta, RunStepDeltaEvent, ToolCall
    from openai.types.shared import ErrorObject

    from servers.assistants.schema import (
        AssistantFields,
        Attachment,
        CreateMessage,
        CreateRun,
        CreateThread,
        CreateThreadAndRun,
        ModifyMetadata,
        ModifyThread,
        ResponseFormat,
        SubmitToolOutputs,
        Tool,
        ToolChoice,
        ToolOutput,
        ToolResources,
    )
    from servers.objects import WireObject
    from servers.wire import Function

_OURS: Final = "servers.assistants.schema"
_BETA: Final = "openai.types.beta"
_THREADS: Final = "openai.types.beta.threads"
_RUN: Final = "openai.types.beta.threads.run"
_STEPS: Final = "openai.types.beta.threads.runs"
_HOMES: Final = {
    "AssistantFields": _OURS,
    "Attachment": _OURS,
    "CreateMessage": _OURS,
    "CreateRun": _OURS,
    "CreateThread": _OURS,
    "CreateThreadAndRun": _OURS,
    "Function": "servers.wire",
    "ModifyMetadata": _OURS,
    "ModifyThread": _OURS,
    "ResponseFormat": _OURS,
    "SubmitToolOutputs": _OURS,
    "Tool": _OURS,
    "ToolChoice": _OURS,
    "ToolOutput": _OURS,
    "ToolResources": _OURS,
    "WireObject": "servers.objects",
    "Annotation": _THREADS,
    "Assistant": _BETA,
    "AssistantDeleted": _BETA,
    "AssistantStreamEvent": _BETA,
    "AssistantTool": _BETA,
    "ErrorObject": "openai.types.shared",
    "FileDeleted": "openai.types",
    "FileObject": "openai.types",
    "FilePurpose": "openai.types",
    "LastError": _RUN,
    "Message": _THREADS,
    "MessageContent": _THREADS,
    "MessageDeleted": _THREADS,
    "MessageDelta": _THREADS,
    "MessageDeltaEvent": _THREADS,
    "RequiredAction": _RUN,
    "Run": _THREADS,
    "RunStatus": _THREADS,
    "RunStep": _STEPS,
    "RunStepDelta": _STEPS,
    "RunStepDeltaEvent": _STEPS,
    "TextContentBlock": _THREADS,
    "Thread": _BETA,
    "ThreadDeleted": _BETA,
    "ToolCall": _STEPS,
    "Usage": _RUN,
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = _HOMES[name]
    try:
        return getattr(import_module(home), name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "openai":
            raise
        raise ImportError(f"{name} is a type of OpenAI's package: install cortex-flow[clients].") from error


def __dir__() -> list[str]:
    return sorted(_HOMES)


__all__ = [
    "Annotation",
    "Assistant",
    "AssistantDeleted",
    "AssistantFields",
    "AssistantStreamEvent",
    "AssistantTool",
    "Attachment",
    "CreateMessage",
    "CreateRun",
    "CreateThread",
    "CreateThreadAndRun",
    "ErrorObject",
    "FileDeleted",
    "FileObject",
    "FilePurpose",
    "Function",
    "LastError",
    "Message",
    "MessageContent",
    "MessageDeleted",
    "MessageDelta",
    "MessageDeltaEvent",
    "ModifyMetadata",
    "ModifyThread",
    "RequiredAction",
    "ResponseFormat",
    "Run",
    "RunStatus",
    "RunStep",
    "RunStepDelta",
    "RunStepDeltaEvent",
    "SubmitToolOutputs",
    "TextContentBlock",
    "Thread",
    "ThreadDeleted",
    "Tool",
    "ToolCall",
    "ToolChoice",
    "ToolOutput",
    "ToolResources",
    "Usage",
    "WireObject",
]
