"""Every other provider, through LangChain: any `BaseChatModel` behind the port."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from importlib.util import find_spec
from inspect import signature
from typing import Any, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable, RunnableBinding
from pydantic import SecretStr

from agents.models.faults import report
from agents.models.langchain_errors import translated
from agents.models.langchain_wire import Answer, encode_messages
from agents.models.openai_wire import encode_tool
from agents.models.port import Message, Params, Piece, ToolSpec
from agents.models.provider import ModelNotConfigured, ModelSettings

logger = logging.getLogger(__name__)

# What each parameter is called by the models that have it.
_FIELDS: Mapping[str, tuple[str, ...]] = {
    "temperature": ("temperature",),
    "top_p": ("top_p",),
    "presence_penalty": ("presence_penalty",),
    "frequency_penalty": ("frequency_penalty",),
    "seed": ("seed",),
    "max_tokens": ("max_tokens", "max_output_tokens", "num_predict"),
}


class LangChain:
    """A provider of LangChain's, by the name that `init_chat_model` has for it. Its package reads its own key."""

    def __init__(self, provider: str, settings: ModelSettings) -> None:
        self._provider = provider
        self._settings = settings

    def open(self, model: str) -> LangChainModel:
        name = f"{self._provider}:{model}"
        chat_model = self._chat_model(name, model)
        _require_keys(name, chat_model)
        return LangChainModel(chat_model, name, self._settings)

    async def close(self) -> None:
        """Nothing to close: the packages keep their own connections."""

    def _chat_model(self, name: str, model: str) -> BaseChatModel:
        if find_spec("langchain") is None:
            raise ModelNotConfigured(
                f"{name} needs LangChain: install cortex-flow[langchain] and the package of {self._provider}."
            )
        from langchain.chat_models import init_chat_model

        try:
            return init_chat_model(model, model_provider=self._provider)
        except ImportError as error:
            raise ModelNotConfigured(f"{name} needs a package that is not installed: {error}") from error
        except Exception as error:  # each package has its own way to miss a key
            logger.info("%s can't be opened: %s", name, error)
            raise ModelNotConfigured(
                f"{name} can't be opened: there is no such provider, or its key is not set ({type(error).__name__})."
            ) from error


class LangChainModel:
    """A `BaseChatModel` behind the port. Sampling parameters that it has no field for are not sent."""

    def __init__(self, chat_model: BaseChatModel, name: str, settings: ModelSettings | None = None) -> None:
        self._chat_model = chat_model
        self._name = name
        self._settings = settings or ModelSettings()

    @property
    def name(self) -> str:
        return self._name

    @property
    def fingerprint(self) -> str | None:
        return None

    @property
    def gives_logprobs(self) -> bool:
        return False

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec], params: Params
    ) -> AsyncGenerator[Sequence[Piece], None]:
        answer = Answer()
        try:
            async with aclosing(self._chunks(messages, tools, params)) as chunks:
                async for chunk in chunks:
                    if pieces := answer.feed(chunk):
                        yield pieces
        except Exception as error:  # each package has its own errors
            failure = translated(error)
            report(logger, self.name, failure, "giving up")
            raise failure from error
        yield answer.end()

    async def close(self) -> None:
        """Nothing to close: the package keeps its own connections."""

    async def _chunks(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec], params: Params
    ) -> AsyncGenerator[AIMessage, None]:
        model, options = _bound(_set(self._chat_model, params), tools, params)
        prompt = encode_messages(messages, params.response_format)
        options["stop"] = list(params.stop) or None
        if not params.stream:
            async with asyncio.timeout(self._settings.answer_timeout):
                whole = await model.ainvoke(prompt, **options)
            yield whole
            return
        async with aclosing(cast(AsyncGenerator[AIMessage, None], model.astream(prompt, **options))) as chunks:
            while (chunk := await self._next(chunks)) is not None:
                yield chunk

    async def _next(self, chunks: AsyncIterator[AIMessage]) -> AIMessage | None:
        async with asyncio.timeout(self._settings.silence_timeout):
            return await anext(chunks, None)


def _require_keys(name: str, chat_model: BaseChatModel) -> None:
    """Some packages open without their key and fail at the first call; their secrets tell."""
    for field, variable in chat_model.lc_secrets.items():
        secret = getattr(chat_model, field, None)
        if isinstance(secret, SecretStr) and not secret.get_secret_value():
            raise ModelNotConfigured(f"{name} needs a key: set {variable}.")


def _set(chat_model: BaseChatModel, params: Params) -> BaseChatModel:
    """The model with these parameters. Set on its fields, for not every package takes them with a call."""
    known = type(chat_model).model_fields
    changes: dict[str, Any] = {"stream_usage": True} if "stream_usage" in known else {}
    for parameter, fields in _FIELDS.items():
        value, field = getattr(params, parameter), next((field for field in fields if field in known), None)
        if value is not None and field is not None:
            changes[field] = value
    return chat_model.model_copy(update=changes) if changes else chat_model


def _bound(
    chat_model: BaseChatModel, tools: Sequence[ToolSpec], params: Params
) -> tuple[Runnable[Any, AIMessage], dict[str, Any]]:
    """The model with the tools, and what goes with its call. A binding is unwrapped: it would not close its stream."""
    if not tools or params.tool_choice == "none":
        return chat_model, {}
    options: dict[str, Any] = {}
    if (choice := _tool_choice(params.tool_choice)) is not None:
        options["tool_choice"] = choice
    if params.parallel_tool_calls is not None and "parallel_tool_calls" in signature(chat_model.bind_tools).parameters:
        options["parallel_tool_calls"] = params.parallel_tool_calls
    bound = chat_model.bind_tools([encode_tool(tool) for tool in tools], **options)
    return (bound.bound, dict(bound.kwargs)) if isinstance(bound, RunnableBinding) else (bound, {})


def _tool_choice(choice: str | Mapping[str, Any] | None) -> str | None:
    """LangChain's word for a choice: `any`, or the name of a tool; None leaves it to the model."""
    if isinstance(choice, Mapping):
        function = choice.get("function")
        return str((function if isinstance(function, Mapping) else choice).get("name") or "any")
    return {"required": "any", "auto": None, None: None}.get(choice, choice)
