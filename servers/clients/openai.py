"""OpenAI's client, taking `conversation_id` as an argument of its own: its own methods refuse what they do not know."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, wraps
from typing import Any

from openai import AsyncOpenAI, OpenAI
from openai.resources.chat import AsyncChat, AsyncCompletions, Chat, Completions


def _in_a_conversation(method: Callable[..., Any]) -> Callable[..., Any]:
    """The method with one argument more, which travels in the body; None is a new conversation."""

    @wraps(method)
    def call(*args: Any, conversation_id: str | None = None, **fields: Any) -> Any:
        if conversation_id is not None:
            fields["extra_body"] = {**(fields.get("extra_body") or {}), "conversation_id": conversation_id}
        return method(*args, **fields)

    return call


class _Completions(Completions):
    create = _in_a_conversation(Completions.create)
    parse = _in_a_conversation(Completions.parse)
    stream = _in_a_conversation(Completions.stream)


class _Chat(Chat):
    @cached_property
    def completions(self) -> _Completions:
        return _Completions(self._client)


class CortexFlow(OpenAI):
    """`OpenAI`, whose `chat.completions.create`, `parse` and `stream` take `conversation_id` too. What the server says
    beyond OpenAI is read as `response.conversation_id` and `response.metadata`, of chunks too."""

    @cached_property
    def chat(self) -> _Chat:
        return _Chat(self)


class _AsyncCompletions(AsyncCompletions):
    create = _in_a_conversation(AsyncCompletions.create)
    parse = _in_a_conversation(AsyncCompletions.parse)
    stream = _in_a_conversation(AsyncCompletions.stream)


class _AsyncChat(AsyncChat):
    @cached_property
    def completions(self) -> _AsyncCompletions:
        return _AsyncCompletions(self._client)


class AsyncCortexFlow(AsyncOpenAI):
    """`AsyncOpenAI`, as `CortexFlow` is `OpenAI`."""

    @cached_property
    def chat(self) -> _AsyncChat:
        return _AsyncChat(self)
