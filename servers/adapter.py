"""The API without a network: the same requests, decoded and answered by the same code, as method calls."""

from __future__ import annotations

from typing import Any, Final, Literal, overload

from servers.assistants.adapter import AssistantsAdapter
from servers.calls import Stream, place
from servers.objects import WireObject
from servers.resources.adapter import FilesAdapter

_COMPLETIONS: Final = ("chat", "completions")


class OpenAIAdapter(AssistantsAdapter, FilesAdapter):
    """OpenAI's operations as methods: ids by position, the fields of the wire as keywords, the wire's objects as results.

    Every method raises `ApiError`, with the `status`, `message`, `type`, `param` and `code` that a client would get, and
    `RuntimeError` while the service is not open. A call for a completion that is cancelled cancels its run; the runs of
    assistants go on. To be used on the event loop that the service was opened on.
    """

    @overload
    async def create_chat_completion(self, *, stream: Literal[False] | None = None, **fields: Any) -> WireObject: ...

    @overload
    async def create_chat_completion(self, *, stream: Literal[True], **fields: Any) -> Stream: ...

    @overload
    async def create_chat_completion(self, *, stream: bool, **fields: Any) -> WireObject | Stream: ...

    async def create_chat_completion(self, *, stream: bool | None = None, **fields: Any) -> WireObject | Stream:
        """Answer `messages`. With `stream`, the chunks as they come; leaving their loop cancels the run (at once where it
        is left by `aclosing`)."""
        return await self._send(place(*_COMPLETIONS), {"stream": stream, **fields})

    async def list_chat_completions(self, **query: Any) -> WireObject:
        """A page of the stored completions: `model`, `metadata`, `limit`, `order`, `after`, `before`."""
        return await self._read("GET", place(*_COMPLETIONS), query=query)

    async def get_chat_completion(self, completion_id: str) -> WireObject:
        """A stored completion."""
        return await self._read("GET", place(*_COMPLETIONS, completion_id))

    async def list_chat_completion_messages(self, completion_id: str, **query: Any) -> WireObject:
        """A page of the messages that a stored completion answers: `limit`, `order`, `after`, `before`."""
        return await self._read("GET", place(*_COMPLETIONS, completion_id, "messages"), query=query)

    async def update_chat_completion(self, completion_id: str, **fields: Any) -> WireObject:
        """Change the `metadata` of a stored completion."""
        return await self._read("POST", place(*_COMPLETIONS, completion_id), fields)

    async def delete_chat_completion(self, completion_id: str) -> WireObject:
        """Delete a stored completion."""
        return await self._read("DELETE", place(*_COMPLETIONS, completion_id))

    async def list_models(self) -> WireObject:
        """The models that clients are told of."""
        return await self._read("GET", place("models"))

    async def retrieve_model(self, model: str) -> WireObject:
        """A model by any name that a request may use."""
        return await self._read("GET", f"/v1/models/{model}")
