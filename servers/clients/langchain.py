"""LangChain's client, keeping what the server says beyond OpenAI: `ChatOpenAI` drops it."""

from __future__ import annotations

from typing import Any

from langchain_core.language_models import LanguageModelInput
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_openai import ChatOpenAI
from openai import BaseModel


class ChatCortexFlow(ChatOpenAI):
    """`ChatOpenAI`, in a conversation that the server keeps.

    - `conversation_id`, here or in a call (`llm.invoke(text, conversation_id=...)`, `llm.bind(...)`), names it.
    - `include_progress`: streams tell the agents' work too.
    - What `dumpd` writes, `load(..., allowed_objects=[ChatCortexFlow], valid_namespaces=["servers"])` reads.
    - A message's `response_metadata` has the server's `conversation_id` and `metadata` (`agents_used` and so on), its
      `additional_kwargs` the agents' work as `reasoning_content`; the sum of a stream's chunks has the same.
    """

    conversation_id: str | None = None
    include_progress: bool = False

    @classmethod
    def get_lc_namespace(cls) -> list[str]:
        """Where LangChain's `load` finds this class."""
        return ["servers", "clients"]

    def _get_request_payload(
        self, input_: LanguageModelInput, *, stop: list[str] | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        conversation = kwargs.pop("conversation_id", None) or self.conversation_id
        payload = super()._get_request_payload(input_, stop=stop, **kwargs)
        if conversation is not None:
            payload["extra_body"] = {**(payload.get("extra_body") or {}), "conversation_id": conversation}
        if self.include_progress and payload.get("stream"):
            payload["stream_options"] = {**(payload.get("stream_options") or {}), "include_progress": True}
        return payload

    def _create_chat_result(
        self, response: dict[str, Any] | BaseModel, generation_info: dict[str, Any] | None = None
    ) -> ChatResult:
        result = super()._create_chat_result(response, generation_info)
        body = response if isinstance(response, dict) else response.model_dump(warnings=False)
        for generation, choice in zip(result.generations, body["choices"], strict=True):
            _keep(generation.message, body, choice["message"])
        return result

    def _convert_chunk_to_generation_chunk(
        self, chunk: dict[str, Any], default_chunk_class: type, base_generation_info: dict[str, Any] | None
    ) -> ChatGenerationChunk | None:
        generation = super()._convert_chunk_to_generation_chunk(chunk, default_chunk_class, base_generation_info)
        told = chunk.get("chunk") or chunk
        if generation is not None:
            delta = told["choices"][0]["delta"] if told.get("choices") else {}
            _keep(generation.message, told if "metadata" in told else {}, delta)  # LangChain adds chunks up
        return generation

    def _get_generation_chunk_from_completion(self, completion: BaseModel) -> ChatGenerationChunk:
        generation = super()._get_generation_chunk_from_completion(completion)
        generation.message.additional_kwargs.pop("reasoning_content", None)  # its parts were told already
        return generation


def _keep(message: Any, body: dict[str, Any], part: dict[str, Any]) -> None:
    for name in ("conversation_id", "metadata"):
        if body.get(name) is not None:
            message.response_metadata[name] = body[name]
    if part.get("reasoning_content"):
        message.additional_kwargs["reasoning_content"] = part["reasoning_content"]
