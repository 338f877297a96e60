"""The messages of a chat request, role by role."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import orjson

from agents.models.port import FilePart, ImagePart, Message, Part, TextPart, ToolCall
from graph.ids import untold_call
from servers.chat_completions import schema as wire
from servers.errors import BadRequest
from servers.wire import ImagePart as WireImage
from servers.wire import RefusalPart


def decode_messages(messages: Sequence[wire.Message]) -> tuple[Message, ...]:
    """The messages as the engine knows them. Raises `BadRequest` for one that lacks what its role needs."""
    decoded: list[Message] = []
    before = _Before()
    for number, message in enumerate(messages):
        decoded.append(_decode(message, f"messages[{number}]", before))
        before.add(decoded[-1])
    return tuple(decoded)


@dataclass(slots=True)
class _Before:
    """What the messages before one tell: how many there are, and the id of each function's newest call."""

    count: int = 0
    assistant: bool = False
    calls: dict[str, str] = field(default_factory=dict)

    def add(self, message: Message) -> None:
        self.count += 1
        self.assistant = self.assistant or message.role == "assistant"
        self.calls.update((call.name, call.id) for call in message.tool_calls)


def _decode(message: wire.Message, place: str, before: _Before) -> Message:
    match message.role:
        case "assistant":
            return _assistant(message, before)
        case "tool":
            _require(message.tool_call_id, f"{place}.tool_call_id")
            return Message("tool", _content(message), message.name, tool_call_id=message.tool_call_id)
        case "function":
            _require(message.name, f"{place}.name")
            return Message(
                "tool", _content(message), message.name, tool_call_id=_answered(str(message.name), place, before)
            )
        case role:
            if "content" not in message.model_fields_set:
                _require(None, f"{place}.content")
            return Message("user" if role == "user" else "system", _content(message), message.name)


def _assistant(message: wire.Message, before: _Before) -> Message:
    calls = [ToolCall(call.id, call.function.name, _arguments(call.function)) for call in message.tool_calls or ()]
    if message.function_call:  # OpenAI's first kind of call had no id
        name = message.function_call.name
        calls.append(ToolCall(untold_call(name, before.count), name, _arguments(message.function_call)))
    return Message("assistant", _said(message), message.name, tuple(calls))


def _said(message: wire.Message) -> str | tuple[Part, ...]:
    """What an assistant has said, its refusal too: to the model, both are its words."""
    match _content(message), message.refusal:
        case content, None | "":
            return content
        case ("" | (), str(refusal)):
            return refusal
        case str(text), refusal:
            return f"{text}\n\n{refusal}"
        case parts, refusal:
            return (*parts, TextPart(refusal))


def _answered(name: str, place: str, before: _Before) -> str:
    """The id of the newest call of that function, which a legacy `function` message answers. Where the list tells nothing
    of the assistant's part, the call is to be found in the conversation."""
    found = before.calls.get(name)
    if found is None and before.assistant:
        why = f"{place} has the output of the function {name!r:.100}, which no assistant message has called."
        raise BadRequest(why, f"{place}.name", "invalid_value")
    return found or untold_call(name, before.count)


def _arguments(call: wire.FunctionCall) -> str:
    match call.arguments:
        case None:
            return "{}"
        case str(text):
            return text
        case arguments:
            return orjson.dumps(arguments).decode()


def _content(message: wire.Message) -> str | tuple[Part, ...]:
    match message.content:
        case None:
            return ""
        case str(text):
            return text
        case parts:
            return tuple(map(_part, parts))


def _part(part: wire.TextPart | RefusalPart | WireImage | wire.FilePart) -> Part:
    match part:
        case wire.TextPart(text=text):
            return TextPart(text)
        case RefusalPart(refusal=text):
            return TextPart(text)
        case WireImage(image_url=image):
            return ImagePart(image.url, image.detail)
        case wire.FilePart(file=file):
            return FilePart(file.filename, file.file_data, file.file_id)


def _require(value: object, param: str) -> None:
    if not value:
        raise BadRequest(f"Missing required parameter: '{param}'.", param, "missing_required_parameter")
