"""From the wire of the Assistants API to what the engine is asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from agents.models.port import ImagePart, Message, Params, Part, TextPart, ToolSpec
from graph import attachments
from graph.assistants import Assistant
from graph.events import now_ms
from graph.ids import new_id
from graph.intake import Output
from graph.messages import StoredMessage
from graph.request import CodeInterpreter, FileSearch, RunRequest
from graph.threads import Thread
from servers.assistants import schema as wire
from servers.errors import BadRequest
from servers.routing import Route
from servers.wire import FunctionTool, NamedChoice
from servers.wire import ImagePart as WireImage


def given(body: wire.AssistantFields) -> dict[str, Any]:
    """The fields that a request gives an assistant, as they are kept. It is never without a model. Raises `BadRequest`."""
    fields = body.model_dump(by_alias=True, exclude_unset=True, exclude={"tools", "tool_resources"})
    if body.model is None:
        fields.pop("model", None)
    if body.tools is not None:
        fields["tools"] = tools(body.tools)
        _functions(fields["tools"])
    if body.tool_resources is not None:
        fields["tool_resources"] = resources(body.tool_resources)
    return fields


def new_assistant(body: wire.AssistantFields) -> Assistant:
    """The assistant that a body describes."""
    return Assistant(new_id(), now_ms(), given(body))


def new_thread(body: wire.CreateThread) -> tuple[Thread, list[StoredMessage]]:
    """The thread that a body describes, and what is said in it."""
    own = resources(body.tool_resources) if body.tool_resources else {}
    return Thread(new_id(), now_ms(), body.metadata or {}, own), [message(each) for each in body.messages or ()]


def tools(given: Iterable[wire.CodeInterpreter | wire.FileSearch | FunctionTool]) -> list[dict[str, Any]]:
    """Tools as they are kept and shown. A null says nothing, and is not shown again."""
    return [{"type": tool.type, **tool.model_dump(exclude_unset=True, exclude_none=True)} for tool in given]


def resources(given: wire.ToolResources) -> dict[str, Any]:
    """Tool resources as they are kept and shown, without the stores that are still to be made."""
    return given.model_dump(exclude_none=True, exclude={"file_search": {"vector_stores"}})


def message(body: wire.CreateMessage) -> StoredMessage:
    """A message that a client puts into a thread."""
    return StoredMessage(
        new_id(),
        Message(body.role, _content(body.content)),
        now_ms(),
        attachments=tuple(each.model_dump(exclude_none=True) for each in body.attachments or ()),
        metadata=body.metadata or {},
    )


def run_request(
    body: wire.CreateRun | wire.CreateThreadAndRun,
    assistant: Assistant,
    *,
    tenant: str,
    thread_id: str,
    route: Route,
    default: str,
    stores: Sequence[str] = (),
    interpreter: CodeInterpreter | None = None,
) -> RunRequest:
    """The run that a client wants of an assistant. `thread_id` is bare, `default` the model where none is named, `stores` are
    those that it may search, `interpreter` what its programs find."""
    kept = assistant.fields
    offered = offered_tools(body, assistant)
    return RunRequest(
        tenant,
        (),
        dialect="assistants",
        conversation=f"thread_{thread_id}",
        history="append",
        agent=route.agent,
        model=route.model,
        label=body.model or kept.get("model") or default,
        instructions=_instructions(body, kept),
        tools=_functions(offered),
        params=_params(body, kept, offered),
        durable=True,
        metadata=body.metadata or {},
        max_prompt_tokens=body.max_prompt_tokens,
        last_messages=_last_messages(body.truncation_strategy),
        assistant_id=f"asst_{assistant.id}",
        echo=_echo(body, kept, offered),
        files=_file_search(offered, stores),
        interpreter=interpreter,
    )


def offered_tools(body: wire.CreateRun | wire.CreateThreadAndRun, assistant: Assistant) -> Sequence[Mapping[str, Any]]:
    """The tools of a run: its own, else its assistant's."""
    kept: Sequence[Mapping[str, Any]] = assistant.fields.get("tools", [])
    return kept if body.tools is None else tools(body.tools)


def outputs(body: wire.SubmitToolOutputs) -> list[Output]:
    """What a client answers to a run's calls."""
    return [Output(each.tool_call_id, each.output or "") for each in body.tool_outputs]


def _file_search(offered: Iterable[Mapping[str, Any]], stores: Sequence[str]) -> FileSearch | None:
    tool = next((tool for tool in offered if tool["type"] == "file_search"), None)
    if tool is None or not stores:
        return None
    options = tool.get("file_search") or {}
    least = (options.get("ranking_options") or {}).get("score_threshold", 0.0)
    return FileSearch(tuple(stores), options.get("max_num_results"), least)


def _instructions(body: wire.CreateRun | wire.CreateThreadAndRun, kept: Mapping[str, Any]) -> str:
    own = kept.get("instructions") if body.instructions is None else body.instructions
    more = body.additional_instructions if isinstance(body, wire.CreateRun) else None
    return "\n".join(filter(None, [own, more]))


def _params(
    body: wire.CreateRun | wire.CreateThreadAndRun, kept: Mapping[str, Any], offered: Sequence[Mapping[str, Any]]
) -> Params:
    effort = body.reasoning_effort or kept.get("reasoning_effort")
    return Params(
        temperature=_either(body.temperature, kept.get("temperature")),
        top_p=_either(body.top_p, kept.get("top_p")),
        max_tokens=body.max_completion_tokens,
        tool_choice=_tool_choice(body.tool_choice, offered),
        parallel_tool_calls=body.parallel_tool_calls,
        response_format=_format(body, kept),
        extra={"reasoning_effort": effort} if effort else {},
    )


def _either(said: float | None, kept: Any) -> Any:
    return kept if said is None else said


def _tool_choice(choice: Any, offered: Sequence[Mapping[str, Any]]) -> str | Mapping[str, Any] | None:
    """A choice among the client's functions. The server's own tools are used where they help, whoever asks for them."""
    names = {tool["function"]["name"] for tool in offered if tool["type"] == "function"}
    match choice:
        case NamedChoice(function=function):
            if function.name not in names:
                raise BadRequest(
                    f"Invalid value for 'tool_choice': no function {function.name!r:.100} is offered.",
                    "tool_choice",
                    "invalid_value",
                )
            return {"type": "function", "function": {"name": function.name}}
        case str(word) if names:
            return word
        case _:
            return None


def _format(body: wire.CreateRun | wire.CreateThreadAndRun, kept: Mapping[str, Any]) -> Mapping[str, Any] | None:
    wanted = _shown_format(body, kept)
    return None if isinstance(wanted, str) or wanted["type"] == "text" else wanted


def _shown_format(body: wire.CreateRun | wire.CreateThreadAndRun, kept: Mapping[str, Any]) -> Any:
    match body.response_format:
        case None:
            return kept.get("response_format") or "auto"
        case str(word):
            return word
        case wanted:
            return wanted.model_dump(by_alias=True, exclude_unset=True)


def _last_messages(strategy: wire.Truncation | None) -> int | None:
    return strategy.last_messages or 1 if strategy and strategy.type == "last_messages" else None


def _functions(offered: Iterable[Mapping[str, Any]]) -> tuple[ToolSpec, ...]:
    functions = [tool["function"] for tool in offered if tool["type"] == "function"]
    specs = {
        each["name"]: ToolSpec(each["name"], each.get("description"), each.get("parameters"), each.get("strict"))
        for each in functions
    }
    if len(specs) < len(functions):
        raise BadRequest("Invalid value for 'tools': the names of functions must differ.", "tools", "invalid_value")
    return tuple(specs.values())


def _echo(
    body: wire.CreateRun | wire.CreateThreadAndRun, kept: Mapping[str, Any], offered: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """What a run object repeats of its request; what is not here has OpenAI's default."""
    choice = body.tool_choice
    shown = {
        "tools": list(offered),
        "temperature": _either(body.temperature, kept.get("temperature")),
        "top_p": _either(body.top_p, kept.get("top_p")),
        "max_prompt_tokens": body.max_prompt_tokens,
        "max_completion_tokens": body.max_completion_tokens,
        "truncation_strategy": body.truncation_strategy.model_dump() if body.truncation_strategy else None,
        "tool_choice": choice if choice is None or isinstance(choice, str) else choice.model_dump(),
        "parallel_tool_calls": body.parallel_tool_calls,
        "response_format": _shown_format(body, kept),
        "reasoning_effort": body.reasoning_effort or kept.get("reasoning_effort"),
    }
    return {key: value for key, value in shown.items() if value is not None}


def _content(content: Any) -> str | tuple[Part, ...]:
    if content is None or isinstance(content, str):
        return content or ""
    return tuple(map(_part, content))


def _part(part: wire.TextPart | WireImage | wire.FileImagePart) -> Part:
    match part:
        case wire.TextPart(text=text):
            return TextPart(text)
        case WireImage(image_url=image):
            return ImagePart(image.url, image.detail)
        case wire.FileImagePart(image_file=image):
            return ImagePart(attachments.of_file(image.file_id), image.detail)
