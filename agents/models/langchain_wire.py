"""LangChain's messages: a prompt becomes a list of them, the chunks of an answer become pieces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import orjson
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.messages.ai import UsageMetadata

from agents.models.json_format import in_words
from agents.models.openai_wire import encode_content
from agents.models.pieces import Batch
from agents.models.port import Message, Piece, Reasoning, Refusal, Text, ToolCall, Usage, Used

_REASON_KEYS = ("finish_reason", "stop_reason", "done_reason")
_MODEL_KEYS = ("model_name", "model")


def encode_messages(messages: Sequence[Message], response_format: Mapping[str, Any] | None = None) -> list[BaseMessage]:
    """A prompt in LangChain's messages. A wish for JSON is put in words: packages have no common parameter for it."""
    return [_message(message) for message in in_words(messages, response_format)]


def _message(message: Message) -> BaseMessage:
    content = cast("str | list[str | dict[Any, Any]]", encode_content(message.content))
    match message.role:
        case "system":
            return SystemMessage(content, name=message.name)
        case "user":
            return HumanMessage(content, name=message.name)
        case "assistant":
            calls = [_tool_call(call) for call in message.tool_calls]
            return AIMessage(content, name=message.name, tool_calls=calls)
        case "tool":
            return ToolMessage(content, tool_call_id=message.tool_call_id or "", name=message.name)


def _tool_call(call: ToolCall) -> dict[str, Any]:
    """Arguments that are no JSON object can't be said in LangChain: the call stands without them."""
    try:
        arguments = orjson.loads(call.arguments or b"{}")
    except orjson.JSONDecodeError:
        arguments = {}
    return {
        "type": "tool_call",
        "id": call.id,
        "name": call.name,
        "args": arguments if isinstance(arguments, dict) else {},
    }


class Answer:
    """An answer as its messages arrive: chunks of a stream, or a whole one."""

    def __init__(self) -> None:
        self._batch = Batch()
        self._model: str | None = None
        self._reason: str | None = None
        self._usage: Usage | None = None

    def feed(self, message: AIMessage) -> list[Piece]:
        """The pieces of one message."""
        self._content(message)
        self._calls(message)
        self._facts(message.response_metadata)
        if message.usage_metadata:  # LangChain's parts of it add up
            self._usage = (self._usage or Usage()) + _usage(message.usage_metadata)
        return self._batch.take()

    def end(self) -> list[Piece]:
        """The last pieces, when no message is to come."""
        self._batch.finish(self._reason)
        if self._usage is not None:
            self._batch.add(Used(self._usage, self._model))
        return self._batch.take()

    def _content(self, message: AIMessage) -> None:
        if isinstance(message.content, str):
            if reasoning := message.additional_kwargs.get("reasoning_content"):
                self._batch.say(Reasoning, str(reasoning))
            if message.content:
                self._batch.say(Text, message.content)
            if refusal := message.additional_kwargs.get("refusal"):
                self._batch.say(Refusal, str(refusal))
            return
        for block in message.content_blocks:
            if block["type"] == "text" and (text := block.get("text")):
                self._batch.say(Text, text)
            elif block["type"] == "reasoning" and (thought := block.get("reasoning")):
                self._batch.say(Reasoning, thought)

    def _calls(self, message: AIMessage) -> None:
        if isinstance(message, AIMessageChunk):
            for chunk in message.tool_call_chunks:
                self._batch.call(chunk.get("index"), chunk.get("id"), chunk.get("name"), chunk.get("args") or "")
            return
        for number, call in enumerate(message.tool_calls):
            self._batch.call(number, call["id"], call["name"], orjson.dumps(call["args"]).decode())
        for number, spoilt in enumerate(message.invalid_tool_calls, len(message.tool_calls)):
            self._batch.call(number, spoilt["id"], spoilt["name"], spoilt["args"] or "")

    def _facts(self, metadata: Mapping[str, Any]) -> None:
        self._reason = next((str(metadata[key]) for key in _REASON_KEYS if metadata.get(key)), self._reason)
        self._model = next((str(metadata[key]) for key in _MODEL_KEYS if metadata.get(key)), self._model)


def _usage(usage: UsageMetadata) -> Usage:
    return Usage(
        prompt_tokens=usage["input_tokens"],
        completion_tokens=usage["output_tokens"],
        reasoning_tokens=usage.get("output_token_details", {}).get("reasoning", 0),
        cached_tokens=usage.get("input_token_details", {}).get("cache_read", 0),
    )
