"""The adapter of LangChain's chat models: fakes in the process, and a real package over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any, ClassVar

import orjson
import pytest
from langchain_core.language_models import BaseChatModel, GenericFakeChatModel
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from pydantic import Field, SecretStr

from agents.models.faults import ConnectionLost
from agents.models.langchain import LangChain, LangChainModel
from agents.models.port import (
    CallPart,
    Finish,
    ImagePart,
    Message,
    ModelError,
    ModelRateLimited,
    ModelRefused,
    ModelTimeout,
    ModelUnavailable,
    Params,
    Piece,
    Reasoning,
    Text,
    TextPart,
    ToolCall,
    ToolSpec,
    Usage,
    Used,
)
from agents.models.provider import ModelNotConfigured, ModelSettings
from tests.upstream import Reply, Script, Upstream

PROMPT = [Message("user", "Hi")]
STREAMED = Params()
PLAIN = Params(stream=False)
FIND = ToolSpec("find", "Finds.", {"type": "object", "properties": {"q": {"type": "string"}}})


class Scripted(BaseChatModel):
    """Says what it was given, and keeps what it was asked."""

    says: Any = ()  # chunks, and errors to raise
    whole: AIMessage | None = None
    temperature: float | None = None
    max_output_tokens: int | None = None
    seen: list[dict[str, Any]] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(
        self, tools: Sequence[Any], *, tool_choice: str | None = None, **kwargs: Any
    ) -> Runnable[Any, AIMessage]:
        return self.bind(tools=tools, tool_choice=tool_choice, **kwargs)

    def _keep(self, messages: list[BaseMessage], **kwargs: Any) -> None:
        fields = {"temperature": self.temperature, "max_output_tokens": self.max_output_tokens}
        self.seen.append({"messages": messages, **fields, **kwargs})

    def _generate(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kw: Any
    ) -> ChatResult:
        self._keep(messages, stop=stop, **kw)
        assert self.whole is not None
        return ChatResult(generations=[ChatGeneration(message=self.whole)])

    async def _astream(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kw: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        self._keep(messages, stop=stop, **kw)
        for said in self.says:
            if isinstance(said, Exception):
                raise said
            yield ChatGenerationChunk(message=said)


async def ask(
    chat_model: BaseChatModel,
    params: Params = STREAMED,
    messages: Sequence[Message] = PROMPT,
    tools: Sequence[ToolSpec] = (),
) -> list[Piece]:
    model = LangChainModel(chat_model, "fake:model")
    return [piece async for batch in model.stream(messages, tools, params) for piece in batch]


def chunk(content: Any = "", **fields: Any) -> AIMessageChunk:
    return AIMessageChunk(content=content, **fields)


def call_chunk(index: int | None, call_id: str | None, name: str | None, args: str) -> AIMessageChunk:
    return chunk(
        tool_call_chunks=[{"index": index, "id": call_id, "name": name, "args": args, "type": "tool_call_chunk"}]
    )


class TestAnswers:
    async def test_streamed(self) -> None:
        model = LangChainModel(GenericFakeChatModel(messages=iter(["one two"])), "fake:generic")
        batches = [batch async for batch in model.stream(PROMPT, [], Params())]
        assert batches == [[Text("one")], [Text(" ")], [Text("two")], [Finish("stop")]]
        assert (model.name, model.fingerprint) == ("fake:generic", None)

    async def test_in_one_piece(self) -> None:
        fake = GenericFakeChatModel(messages=iter(["one two"]))
        assert await ask(fake, PLAIN) == [Text("one two"), Finish("stop")]

    async def test_usage_adds_up_and_names_the_model(self) -> None:
        used = {"input_tokens": 7, "output_tokens": 0, "total_tokens": 7, "input_token_details": {"cache_read": 5}}
        more = {"input_tokens": 0, "output_tokens": 3, "total_tokens": 3, "output_token_details": {"reasoning": 2}}
        says = [
            chunk("Hi", usage_metadata=used, response_metadata={"model_name": "m-1"}),
            chunk("", usage_metadata=more, response_metadata={"stop_reason": "max_tokens"}),
        ]
        assert await ask(Scripted(says=says)) == [Text("Hi"), Finish("length"), Used(Usage(7, 3, 2, 5), "m-1")]

    @pytest.mark.parametrize(
        ("metadata", "reason"),
        [
            ({"finish_reason": "STOP"}, "stop"),
            ({"finish_reason": "MAX_TOKENS"}, "length"),
            ({"finish_reason": "SAFETY"}, "content_filter"),
            ({"stop_reason": "end_turn"}, "stop"),
            ({"stop_reason": "tool_use"}, "tool_calls"),
            ({"done_reason": "length"}, "length"),
        ],
    )
    async def test_reasons_to_stop(self, metadata: dict[str, str], reason: str) -> None:
        pieces = await ask(Scripted(says=[chunk("Hi", response_metadata=metadata)]))
        assert [piece.reason for piece in pieces if isinstance(piece, Finish)] == [reason]

    async def test_reasoning(self) -> None:
        blocks: list[Any] = [{"type": "reasoning", "reasoning": "So."}, {"type": "text", "text": "Hi"}]
        says = [chunk("", additional_kwargs={"reasoning_content": "Hm."}), chunk(blocks)]
        assert (await ask(Scripted(says=says)))[:3] == [Reasoning("Hm."), Reasoning("So."), Text("Hi")]

    async def test_calls_in_fragments(self) -> None:
        says = [call_chunk(0, "a", "find", ""), call_chunk(0, None, None, '{"q":1}'), call_chunk(1, "b", "find", "{}")]
        assert await ask(Scripted(says=says)) == [
            CallPart(0, "", "a", "find"),
            CallPart(0, '{"q":1}'),
            CallPart(1, "{}", "b", "find"),
            Finish("tool_calls"),
        ]

    async def test_calls_of_a_whole_message(self) -> None:
        calls = [{"name": "find", "args": {"q": 1}, "id": "a"}]
        spoilt = [{"name": "find", "args": "{oops", "id": "b", "error": None, "type": "invalid_tool_call"}]
        fake = Scripted(whole=AIMessage("", tool_calls=calls, invalid_tool_calls=spoilt))
        assert await ask(fake, PLAIN) == [
            CallPart(0, '{"q":1}', "a", "find"),
            CallPart(1, "{oops", "b", "find"),
            Finish("tool_calls"),
        ]


class TestPrompts:
    async def test_messages(self) -> None:
        fake = Scripted(says=[chunk("ok")])
        calls = (ToolCall("c1", "find", '{"q":"x"}'), ToolCall("c2", "find", "{oops"))
        messages = [
            Message("system", "Be brief."),
            Message("user", (TextPart("See"), ImagePart("https://x/y.png")), name="ann"),
            Message("assistant", "I look.", tool_calls=calls),
            Message("tool", "12", tool_call_id="c1"),
        ]
        await ask(fake, messages=messages)
        system, user, assistant, tool = fake.seen[0]["messages"]
        assert isinstance(system, SystemMessage)
        assert system.content == "Be brief."
        assert isinstance(user, HumanMessage)
        assert user.name == "ann"
        assert [part["type"] for part in user.content if isinstance(part, dict)] == ["text", "image_url"]
        assert isinstance(assistant, AIMessage)
        assert [(call["id"], call["args"]) for call in assistant.tool_calls] == [("c1", {"q": "x"}), ("c2", {})]
        assert isinstance(tool, ToolMessage)
        assert (tool.content, tool.tool_call_id) == ("12", "c1")

    async def test_parameters_go_where_the_model_has_them(self) -> None:
        fake = Scripted(says=[chunk("ok")])
        await ask(fake, Params(temperature=0.0, max_tokens=9, top_p=0.5, stop=("END",)))
        await ask(fake)
        first, second = fake.seen
        assert (first["temperature"], first["max_output_tokens"], first["stop"]) == (0.0, 9, ["END"])
        assert "top_p" not in first
        assert (second["temperature"], second["max_output_tokens"], second["stop"]) == (None, None, None)

    @pytest.mark.parametrize(
        ("choice", "sent"),
        [
            (None, None),
            ("auto", None),
            ("required", "any"),
            ({"type": "function", "function": {"name": "find"}}, "find"),
        ],
    )
    async def test_tools_and_how_to_choose(self, choice: Any, sent: str | None) -> None:
        fake = Scripted(says=[chunk("ok")])
        await ask(fake, Params(tool_choice=choice), tools=[FIND])
        assert fake.seen[0]["tools"][0]["function"]["name"] == "find"
        assert fake.seen[0]["tool_choice"] == sent

    async def test_no_choice_no_tools(self) -> None:
        fake = Scripted(says=[chunk("ok")])
        await ask(fake, Params(tool_choice="none"), tools=[FIND])
        assert "tools" not in fake.seen[0]

    @pytest.mark.parametrize("system", ["Be brief.", None])
    async def test_a_wish_for_json_is_put_in_words(self, system: str | None) -> None:
        fake = Scripted(says=[chunk("{}")])
        messages = [Message("system", system), *PROMPT] if system else PROMPT
        schema = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object", "title": "Fact"}}}
        await ask(fake, Params(response_format=schema), messages)
        first, last = fake.seen[0]["messages"]
        assert isinstance(first, SystemMessage)
        assert '"title":"Fact"' in first.text
        assert first.text.startswith(system or "Answer with one JSON object")
        assert last.text == "Hi"


class RateLimitError(Exception):
    pass


class APITimeoutError(Exception):
    pass


class InvalidArgument(Exception):
    pass


class APIConnectionError(Exception):
    pass


class StatusError(Exception):
    def __init__(self, status: int, message: str, body: Any = None) -> None:
        super().__init__(message)
        self.status_code = status
        self.body = body


class AwsError(Exception):
    response: ClassVar = {"ResponseMetadata": {"HTTPStatusCode": 429}}


class TestErrors:
    @pytest.mark.parametrize(
        ("error", "kind"),
        [
            (StatusError(400, "bad"), ModelRefused),
            (StatusError(404, "no such model"), ModelUnavailable),
            (StatusError(401, "who?"), ModelUnavailable),
            (StatusError(429, "slow"), ModelRateLimited),
            (StatusError(500, "oops"), ModelUnavailable),
            (AwsError("slow"), ModelRateLimited),
            (RateLimitError("slow"), ModelRateLimited),
            (APITimeoutError("late"), ModelTimeout),
            (TimeoutError(), ModelTimeout),
            (InvalidArgument("bad"), ModelRefused),
            (APIConnectionError("gone"), ConnectionLost),
            (ValueError("odd"), ModelUnavailable),
        ],
    )
    @pytest.mark.parametrize("begun", [True, False])
    async def test_each_package_has_its_own(self, error: Exception, kind: type[ModelError], begun: bool) -> None:
        says: list[AIMessageChunk | Exception] = [chunk("Hi"), error] if begun else [error]
        with pytest.raises(ModelError) as raised:
            await ask(Scripted(says=says))
        assert type(raised.value) is kind

    async def test_the_words_of_a_refusal_are_passed_on(self) -> None:
        with pytest.raises(ModelRefused, match=r"^too long$"):
            await ask(Scripted(says=[StatusError(400, "400: ...", {"error": {"message": "too long"}})]))

    async def test_the_words_of_a_locked_door_are_not(self, caplog: pytest.LogCaptureFixture) -> None:
        with pytest.raises(ModelUnavailable) as raised:
            await ask(Scripted(says=[StatusError(401, "key sk-secret is wrong")]))
        assert "sk-secret" not in raised.value.message + caplog.text

    @pytest.mark.parametrize("params", [Params(), PLAIN])
    async def test_silence(self, params: Params) -> None:
        class Mute(Scripted):
            async def _agenerate(self, *args: Any, **kwargs: Any) -> ChatResult:
                return await asyncio.Event().wait()  # type: ignore[return-value]

            async def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:
                await asyncio.Event().wait()
                yield ChatGenerationChunk(message=chunk("never"))

        model = LangChainModel(Mute(), "mute", ModelSettings(silence_timeout=0.01, answer_timeout=0.01))
        with pytest.raises(ModelTimeout):
            await anext(model.stream(PROMPT, [], params))


@asynccontextmanager
async def served(script: Script | Reply | str, **options: Any) -> AsyncIterator[tuple[LangChainModel, Upstream]]:
    """A model of the package `langchain-openai`, opened by `init_chat_model`, whose server plays the script."""
    from langchain.chat_models import init_chat_model

    async with Upstream(script) as upstream:
        chat_model = init_chat_model("openai:gpt-test", base_url=upstream.url, api_key="k", max_retries=0, **options)
        try:
            yield LangChainModel(chat_model, "openai:gpt-test"), upstream
        finally:
            await chat_model.root_async_client.close()


async def collected(model: LangChainModel, params: Params = STREAMED, tools: Sequence[ToolSpec] = ()) -> list[Piece]:
    return [piece async for batch in model.stream(PROMPT, tools, params) for piece in batch]


class TestOverHttp:
    @pytest.mark.parametrize("params", [Params(temperature=0.0, max_tokens=9), Params(stream=False, temperature=0.0)])
    async def test_text_parameters_and_usage(self, params: Params) -> None:
        async with served("one two") as (model, upstream):
            pieces = await collected(model, params)
        assert "".join(piece.text for piece in pieces if isinstance(piece, Text)) == "one two"
        assert pieces[-2:] == [Finish("stop"), Used(Usage(10, 2), "gpt-test")]
        body = upstream.requests[0].body
        assert body["temperature"] == 0.0
        assert bool(body.get("stream")) is params.stream
        assert body.get("max_completion_tokens") == params.max_tokens

    @pytest.mark.parametrize("params", [Params(tool_choice="required", parallel_tool_calls=False), PLAIN])
    async def test_calls(self, params: Params) -> None:
        async with served(Reply(calls=[("find", {"q": "a"}), ("find", {"q": "b"})])) as (model, upstream):
            pieces = await collected(model, params, [FIND])
        parts = [piece for piece in pieces if isinstance(piece, CallPart)]
        arguments = ["".join(part.arguments for part in parts if part.index == index) for index in (0, 1)]
        assert [orjson.loads(written) for written in arguments] == [{"q": "a"}, {"q": "b"}]
        assert [part.name for part in parts if part.name] == ["find", "find"]
        assert Finish("tool_calls") in pieces
        body = upstream.requests[0].body
        assert body["tools"][0]["function"]["name"] == "find"
        assert body.get("tool_choice") == params.tool_choice
        assert body.get("parallel_tool_calls") == params.parallel_tool_calls

    @pytest.mark.parametrize(
        ("status", "kind"),
        [(400, ModelRefused), (401, ModelUnavailable), (429, ModelRateLimited), (500, ModelUnavailable)],
    )
    async def test_refusals(self, status: int, kind: type[ModelError]) -> None:
        async with served(Reply(status=status, error="Because.")) as (model, _):
            with pytest.raises(ModelError) as raised:
                await collected(model)
        assert type(raised.value) is kind
        assert raised.value.status == status
        assert (raised.value.message == "Because.") is (status == 400)

    @pytest.mark.parametrize("tools", [(), (FIND,)])
    async def test_closing_the_stream_closes_the_connection(self, tools: Sequence[ToolSpec]) -> None:
        async with served(Reply("one two", hold=asyncio.Event())) as (model, upstream):
            async with aclosing(model.stream(PROMPT, tools, Params())) as batches:
                assert await anext(batches) == [Text("one")]
            await upstream.wait_closed(1)


class TestOpening:
    def test_a_package_that_is_missing(self) -> None:
        with pytest.raises(ModelNotConfigured, match="langchain-mistralai"):
            LangChain("mistralai", ModelSettings()).open("small")

    def test_without_langchain(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("agents.models.langchain.find_spec", lambda name: None)
        with pytest.raises(ModelNotConfigured, match=r"cortex-flow\[langchain\]"):
            LangChain("openai", ModelSettings()).open("gpt-4o")

    def test_a_package_that_opens_without_its_key(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Keyed(Scripted):
            nowhere_api_key: SecretStr = SecretStr("")

            @property
            def lc_secrets(self) -> dict[str, str]:
                return {"nowhere_api_key": "NOWHERE_API_KEY"}

        monkeypatch.setattr("langchain.chat_models.init_chat_model", lambda *args, **kwargs: Keyed())
        with pytest.raises(ModelNotConfigured, match="NOWHERE_API_KEY"):
            LangChain("nowhere", ModelSettings()).open("m")
        monkeypatch.setattr(
            "langchain.chat_models.init_chat_model", lambda *args, **kwargs: Keyed(nowhere_api_key=SecretStr("k"))
        )
        assert LangChain("nowhere", ModelSettings()).open("m").name == "nowhere:m"
