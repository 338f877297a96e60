"""OpenAI's chat wire without the I/O: a prompt becomes a request body, the bytes of an answer become pieces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import orjson

from agents.models.faults import ConnectionLost, told
from agents.models.logprobs_wire import decode_logprobs
from agents.models.pieces import Batch, Words
from agents.models.port import (
    ImagePart,
    Message,
    ModelRefused,
    ModelUnavailable,
    Params,
    Part,
    Piece,
    Reasoning,
    Refusal,
    Text,
    TextPart,
    ToolCall,
    ToolSpec,
    Usage,
    Used,
)

LimitKey = Literal["max_tokens", "max_completion_tokens"]

_LONGEST_LINE = 64 * 2**20  # bytes; more without a line break is no event stream
_SAMPLING = (
    "temperature",
    "top_p",
    "presence_penalty",
    "frequency_penalty",
    "seed",
    "response_format",
    "logprobs",
    "top_logprobs",
)


def encode_request(
    model: str, messages: Sequence[Message], tools: Sequence[ToolSpec], params: Params, limit_key: LimitKey
) -> bytes:
    """The body of a chat request. Raises `ModelRefused` for values that JSON can't hold."""
    body = {
        **params.extra,
        **_sampling(params, limit_key),
        "model": model,
        "messages": [encode_message(message) for message in messages],
        "stream": params.stream,
    }
    if params.stream:
        body["stream_options"] = {"include_usage": True}
    if tools:
        body.update(_tools(tools, params))
    try:
        return orjson.dumps(body)
    except orjson.JSONEncodeError as error:
        raise ModelRefused(f"The prompt can't be written as JSON: {error}.") from error


def encode_message(message: Message) -> dict[str, Any]:
    """A message as OpenAI writes it."""
    wire: dict[str, Any] = {"role": message.role, "content": encode_content(message.content)}
    if message.name:
        wire["name"] = message.name
    if message.tool_call_id is not None:
        wire["tool_call_id"] = message.tool_call_id
    if message.tool_calls:
        wire["content"] = wire["content"] or None
        wire["tool_calls"] = [_tool_call(call) for call in message.tool_calls]
    return wire


def encode_content(content: str | tuple[Part, ...]) -> str | list[dict[str, Any]]:
    """Text, or the list of OpenAI's content parts."""
    return content if isinstance(content, str) else [_part(part) for part in content]


def encode_tool(tool: ToolSpec) -> dict[str, Any]:
    """A tool as OpenAI writes it. One without arguments has an empty schema, which some servers insist on."""
    function: dict[str, Any] = {
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters if tool.parameters is not None else {"type": "object", "properties": {}},
        "strict": tool.strict,
    }
    return {"type": "function", "function": {key: value for key, value in function.items() if value is not None}}


def _sampling(params: Params, limit_key: LimitKey) -> dict[str, Any]:
    sampling = {key: value for key in _SAMPLING if (value := getattr(params, key)) is not None}
    if params.max_tokens is not None:
        sampling[limit_key] = params.max_tokens
    if params.stop:
        sampling["stop"] = params.stop
    return sampling


def _tools(tools: Sequence[ToolSpec], params: Params) -> dict[str, Any]:
    """Tools and how to choose among them; without tools, OpenAI refuses a choice."""
    wire: dict[str, Any] = {"tools": [encode_tool(tool) for tool in tools]}
    if params.tool_choice is not None:
        wire["tool_choice"] = params.tool_choice
    if params.parallel_tool_calls is not None:
        wire["parallel_tool_calls"] = params.parallel_tool_calls
    return wire


def _tool_call(call: ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments or "{}"}
    return {"id": call.id, "type": "function", "function": function}


def _part(part: Part) -> dict[str, Any]:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    if isinstance(part, ImagePart):
        image = {"url": part.url} if part.detail is None else {"url": part.url, "detail": part.detail}
        return {"type": "image_url", "image_url": image}
    file = {"filename": part.filename, "file_data": part.data, "file_id": part.file_id}
    return {"type": "file", "file": {key: value for key, value in file.items() if value is not None}}


class Answer:
    """An answer as it is decoded: feed it what comes off the socket, or the whole body at once."""

    __slots__ = ("_batch", "_done", "_model", "_reason", "_rest", "_usage")

    def __init__(self) -> None:
        self._batch = Batch()
        self._done = False
        self._model: str | None = None
        self._reason: str | None = None
        self._rest = b""
        self._usage: Usage | None = None

    @property
    def complete(self) -> bool:
        """Whether all of the text is there, even if the connection breaks now."""
        return self._done or self._reason is not None

    @property
    def done(self) -> bool:
        """Whether `[DONE]` was read: nothing more will come."""
        return self._done

    def feed(self, data: bytes) -> list[Piece]:
        """The pieces of one read of an event stream, which may begin and end anywhere. Raises a `ModelError` for one
        told in the stream, and for what is none."""
        self._lines(data)
        return self._batch.take()

    def end(self) -> list[Piece]:
        """The last pieces, when the connection has ended or nothing more will come. Raises `ModelUnavailable` when the
        answer was cut off."""
        if self._rest:
            self._lines(b"\n")
        if not self.complete:
            raise ConnectionLost("The answer of the model's provider was cut off before its end.")
        self._batch.finish(self._reason)
        if self._usage is not None:
            self._batch.add(Used(self._usage, self._model))
        return self._batch.take()

    def whole(self, body: bytes) -> list[Piece]:
        """The pieces of an answer that came in one piece of JSON."""
        chunk = _parse(body)
        if not (chunk.get("choices") or chunk.get("error")):
            raise _nonsense(body)
        self._chunk(chunk, body)
        self._done = True
        return self.end()

    def _lines(self, data: bytes) -> None:
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        if len(self._rest) > _LONGEST_LINE:
            raise _nonsense(self._rest)
        for line in lines:
            if line.startswith(b"data:"):
                self._event(line[5:].strip())

    def _event(self, payload: bytes) -> None:
        if payload == b"[DONE]":
            self._done = True
        elif payload and not self._done:
            self._chunk(_parse(payload), payload)

    def _chunk(self, chunk: dict[str, Any], payload: bytes) -> None:
        if error := chunk.get("error"):
            raise told(error)
        try:
            self._choice(chunk)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise _nonsense(payload) from error

    def _choice(self, chunk: dict[str, Any]) -> None:
        if self._model is None:
            self._model = chunk.get("model")
        if usage := chunk.get("usage"):  # some servers tell it in every chunk, each time all of it
            self._usage = _usage(usage)
        if choices := chunk.get("choices"):
            choice = choices[0]
            if delta := choice["delta"] if "delta" in choice else choice.get("message"):
                self._delta(delta)
                if logprobs := choice.get("logprobs"):
                    self._batch.weigh(decode_logprobs(logprobs, delta))
            if reason := choice.get("finish_reason"):
                self._reason = str(reason)  # some servers tell it early, or twice

    def _delta(self, delta: dict[str, Any]) -> None:
        if reasoning := delta.get("reasoning_content") or delta.get("reasoning"):
            self._say(Reasoning, reasoning)
        if content := delta.get("content"):
            self._say(Text, content)
        if refusal := delta.get("refusal"):
            self._say(Refusal, refusal)
        for call in delta.get("tool_calls") or ():
            self._call(call.get("index"), call.get("id"), call.get("function") or {})
        if function := delta.get("function_call"):
            self._call(0, None, function)

    def _say(self, kind: Words, content: str | Sequence[Mapping[str, Any]]) -> None:
        if isinstance(content, str):
            self._batch.say(kind, content)
            return
        for part in content:  # Mistral's: a list of parts, with the thinking among them
            thinks = part["type"] == "thinking"
            if words := part.get("thinking" if thinks else "text"):
                self._say(Reasoning if thinks else kind, words)

    def _call(self, index: int | None, call_id: str | None, function: Mapping[str, Any]) -> None:
        arguments = function.get("arguments") or ""
        if not isinstance(arguments, str):
            arguments = orjson.dumps(arguments).decode()
        self._batch.call(index, call_id, function.get("name"), arguments)


def _parse(payload: bytes) -> dict[str, Any]:
    try:
        chunk = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise _nonsense(payload) from error
    if not isinstance(chunk, dict):
        raise _nonsense(payload)
    return chunk


def _usage(usage: Mapping[str, Any]) -> Usage:
    return Usage(
        prompt_tokens=_count(usage, "prompt_tokens"),
        completion_tokens=_count(usage, "completion_tokens"),
        reasoning_tokens=_count(usage.get("completion_tokens_details"), "reasoning_tokens"),
        cached_tokens=_count(usage.get("prompt_tokens_details"), "cached_tokens"),
    )


def _count(counts: Any, key: str) -> int:
    count = counts.get(key) if isinstance(counts, dict) else None
    return count if isinstance(count, int) else 0


def _nonsense(payload: bytes) -> ModelUnavailable:
    error = ModelUnavailable("The model's provider answered with something that is no chat completion.")
    error.add_note(f"It begins with {payload[:200]!r}")
    return error
