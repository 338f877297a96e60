"""The client of OpenAI's wire against a scripted upstream over real HTTP."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import Any

import orjson
import pytest

from agents.models.openai import OpenAI, OpenAIModel
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
    ToolSpec,
    Usage,
    Used,
)
from agents.models.provider import ModelNotConfigured, ModelSettings
from tests.upstream import Reply, Script, Upstream, in_order

KEY = "sk-very-secret-key"
SETTINGS = ModelSettings(openai_api_key=KEY, backoff=0.0)
PROMPT = [Message("user", "Hi")]
STREAMED = Params()
PLAIN = Params(stream=False)


@asynccontextmanager
async def talking(
    script: Script | Reply | str, settings: ModelSettings = SETTINGS
) -> AsyncIterator[tuple[OpenAIModel, Upstream]]:
    """A model whose server plays the script."""
    async with Upstream(script) as upstream:
        model = OpenAI(replace(settings, openai_base_url=upstream.url)).open("gpt-test")
        try:
            yield model, upstream
        finally:
            await model.close()


async def ask(model: OpenAIModel, params: Params = STREAMED, tools: Sequence[ToolSpec] = ()) -> list[Piece]:
    return await rest(model.stream(PROMPT, tools, params))


async def rest(batches: AsyncIterator[Sequence[Piece]]) -> list[Piece]:
    return [piece async for batch in batches for piece in batch]


def said(pieces: list[Piece]) -> str:
    return "".join(piece.text for piece in pieces if isinstance(piece, Text))


async def failure(model: OpenAIModel, params: Params = STREAMED) -> ModelError:
    with pytest.raises(ModelError) as raised:
        await ask(model, params)
    return raised.value


class TestAnswers:
    async def test_streamed(self) -> None:
        async with talking(Reply("one two three", reasoning="Hm.")) as (model, upstream):
            pieces = await ask(model, Params(temperature=0.5))
        assert said(pieces) == "one two three"
        assert pieces[0] == Reasoning("Hm.")
        assert pieces[-2:] == [Finish("stop"), Used(Usage(10, 3), "gpt-test")]
        (request,) = upstream.requests
        assert request.headers["Authorization"] == f"Bearer {KEY}"
        assert request.body["stream_options"] == {"include_usage": True}
        assert request.body["temperature"] == 0.5

    async def test_in_one_piece(self) -> None:
        async with talking("one two three") as (model, upstream):
            batches = [batch async for batch in model.stream(PROMPT, [], PLAIN)]
        assert batches == [[Text("one two three"), Finish("stop"), Used(Usage(10, 3), "gpt-test")]]
        assert upstream.requests[0].body["stream"] is False

    @pytest.mark.parametrize("params", [Params(), PLAIN])
    async def test_parallel_calls(self, params: Params) -> None:
        reply = Reply(calls=[("find", {"q": "ä"}), ("find", {"q": "b"})])
        async with talking(reply) as (model, upstream):
            pieces = await ask(model, params, [ToolSpec("find")])
        parts = [piece for piece in pieces if isinstance(piece, CallPart)]
        arguments = ["".join(part.arguments for part in parts if part.index == index) for index in (0, 1)]
        assert [orjson.loads(written) for written in arguments] == [{"q": "ä"}, {"q": "b"}]
        assert Finish("tool_calls") in pieces
        assert upstream.requests[0].body["tools"][0]["function"]["name"] == "find"

    async def test_tokens_arrive_while_the_upstream_is_still_producing(self) -> None:
        hold = asyncio.Event()
        async with (
            talking(Reply("one two", hold=hold)) as (model, upstream),
            aclosing(model.stream(PROMPT, [], Params())) as batches,
        ):
            assert await anext(batches) == [Text("one")]
            assert upstream.open == 1
            hold.set()
            assert said(await rest(batches)) == " two"

    async def test_what_the_server_says_it_sends_counts(self) -> None:
        whole = Reply(raw=Reply("plain").whole("m"), headers={"Content-Type": "application/json"})
        opening, pieces, end = Reply("streamed").frames("m", usage=True)
        stream = Reply(raw=[opening, *pieces, end], headers={"Content-Type": "text/event-stream; charset=utf-8"})
        async with talking(in_order(whole, stream)) as (model, _):
            assert said(await ask(model)) == "plain"
            assert said(await ask(model, PLAIN)) == "streamed"

    async def test_a_large_prompt(self) -> None:
        image = ImagePart("data:image/png;base64," + "A" * (3 * 2**20))
        async with talking("Nice.") as (model, upstream):
            batches = model.stream([Message("user", (image,))], [], PLAIN)
            assert said(await rest(batches)) == "Nice."
        assert upstream.requests[0].body["messages"][0]["content"][0]["image_url"]["url"] == image.url

    async def test_more_at_once_than_aiohttp_allows_by_itself(self) -> None:
        hold = asyncio.Event()
        async with talking(Reply("one two", hold=hold)) as (model, upstream):
            asked = [asyncio.create_task(ask(model)) for _ in range(120)]
            await upstream.wait_requests(120)
            assert upstream.open == 120
            hold.set()
            assert {said(pieces) for pieces in await asyncio.gather(*asked)} == {"one two"}

    async def test_a_finished_answer_leaves_its_connection_to_the_next(self) -> None:
        async with talking("Hello.") as (model, upstream):
            for params in (Params(), PLAIN, Params()):
                await ask(model, params)
        assert len({request.port for request in upstream.requests}) == 1

    async def test_a_server_that_keeps_a_finished_answer_open_is_left(self) -> None:
        opening, pieces, end = Reply("Hello.").frames("m", usage=True)
        reply = Reply(raw=[opening, *pieces, end, b": never said"], hold=asyncio.Event())
        async with talking(reply) as (model, upstream):
            assert said(await ask(model)) == "Hello."
            await upstream.wait_closed(1)

    async def test_a_whole_answer_that_lacks_its_formal_end(self) -> None:
        opening, pieces, end = Reply("Hello.").frames("m", usage=True)
        told = end.removesuffix(b"data: [DONE]\n\n")
        async with talking(Reply(raw=[opening, *pieces, told], cut_after=3)) as (model, upstream):
            assert (await ask(model))[-3:] == [Text("Hello."), Finish("stop"), Used(Usage(10, 1), "m")]
        assert len(upstream.requests) == 1


class TestClosing:
    async def test_closing_the_stream_closes_the_connection_at_once(self) -> None:
        async with talking(Reply("one two", hold=asyncio.Event())) as (model, upstream):
            batches = model.stream(PROMPT, [], Params())
            await anext(batches)
            await batches.aclose()
            await upstream.wait_closed(1)
            assert upstream.open == 0

    @pytest.mark.parametrize("params", [Params(), PLAIN])
    async def test_so_does_cancelling_whoever_waits_for_the_first_token(self, params: Params) -> None:
        async with talking(Reply("one", hold=asyncio.Event())) as (model, upstream):
            asked = asyncio.create_task(ask(model, params))
            await upstream.wait_requests(1)
            asked.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asked
            await upstream.wait_closed(1)

    async def test_a_wait_before_a_retry_can_be_left(self) -> None:
        async with talking(Reply(status=503, headers={"Retry-After": "25"})) as (model, upstream):
            batches = model.stream(PROMPT, [], Params())
            waiting = asyncio.ensure_future(anext(batches))
            await upstream.wait_requests(1)
            await upstream.wait_idle()
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            await batches.aclose()
        assert len(upstream.requests) == 1

    async def test_a_closed_model_opens_again(self) -> None:
        async with talking("Hello.") as (model, _):
            await ask(model)
            await model.close()
            assert said(await ask(model)) == "Hello."


class TestRetries:
    @pytest.mark.parametrize("params", [Params(), PLAIN])
    @pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503])
    async def test_what_may_pass_is_tried_again(self, status: int, params: Params) -> None:
        script = in_order(Reply(status=status), Reply(status=status, headers={"Retry-After": "0"}), "At last.")
        async with talking(script) as (model, upstream):
            assert said(await ask(model, params)) == "At last."
        assert len(upstream.requests) == 3

    @pytest.mark.parametrize(
        ("status", "kind"),
        [(500, ModelUnavailable), (409, ModelUnavailable), (429, ModelRateLimited), (408, ModelTimeout)],
    )
    async def test_not_for_ever(self, status: int, kind: type[ModelError]) -> None:
        async with talking(Reply(status=status), replace(SETTINGS, retries=2)) as (model, upstream):
            error = await failure(model)
        assert type(error) is kind
        assert error.status == status
        assert len(upstream.requests) == 3

    @pytest.mark.parametrize("status", [429, 503])
    async def test_not_when_the_wait_would_be_long(self, status: int) -> None:
        async with talking(Reply(status=status, headers={"Retry-After": "31"})) as (model, upstream):
            error = await failure(model)
        assert error.retry_after == 31
        assert len(upstream.requests) == 1

    async def test_not_when_the_quota_is_used_up(self) -> None:
        error = {"message": "You exceeded your quota.", "type": "insufficient_quota", "code": "insufficient_quota"}
        async with talking(Reply(status=429, error=error)) as (model, upstream):
            assert isinstance(await failure(model), ModelRateLimited)
        assert len(upstream.requests) == 1

    async def test_a_connection_that_broke_before_the_first_token(self) -> None:
        async with talking(in_order(Reply("one two", cut_after=0), "At last.")) as (model, upstream):
            assert said(await ask(model)) == "At last."
        assert len(upstream.requests) == 2

    async def test_a_plain_answer_that_broke(self) -> None:
        async with talking(in_order(Reply("one two", cut_after=0), "At last.")) as (model, upstream):
            assert said(await ask(model, PLAIN)) == "At last."
        assert len(upstream.requests) == 2

    async def test_an_error_that_is_the_first_thing_in_the_stream(self) -> None:
        error = {"message": "busy", "code": 429}
        async with talking(in_order(Reply(error=error), "At last.")) as (model, upstream):
            assert said(await ask(model)) == "At last."
        assert len(upstream.requests) == 2

    async def test_never_after_the_first_token(self) -> None:
        hold = asyncio.Event()
        async with talking(Reply("one two", hold=hold, cut_after=2)) as (model, upstream):
            batches = model.stream(PROMPT, [], Params())
            assert await anext(batches) == [Text("one")]
            hold.set()
            with pytest.raises(ModelUnavailable, match="cut off"):
                await rest(batches)
        assert len(upstream.requests) == 1

    async def test_an_error_after_the_first_token_is_told(self) -> None:
        hold = asyncio.Event()
        async with talking(Reply("one two", error={"message": "busy", "code": 429}, hold=hold)) as (model, upstream):
            batches = model.stream(PROMPT, [], Params())
            assert await anext(batches) == [Text("one")]
            hold.set()
            with pytest.raises(ModelRateLimited):
                await rest(batches)
        assert len(upstream.requests) == 1


class TestFaults:
    async def test_a_refused_request_says_why(self) -> None:
        refused = {"message": "The tool's schema is odd.", "type": "invalid_request_error", "code": "odd_schema"}
        async with talking(Reply(status=400, error=refused)) as (model, upstream):
            error = await failure(model)
        assert type(error) is ModelRefused
        assert (error.message, error.status, error.code) == ("The tool's schema is odd.", 400, "odd_schema")
        assert len(upstream.requests) == 1

    @pytest.mark.parametrize("stream", [True, False])
    async def test_a_key_that_the_server_repeats_is_masked(self, stream: bool) -> None:
        told = orjson.dumps({"error": {"message": "Incorrect API key: " + KEY, "type": "invalid_request_error"}})
        raw = b"data: " + told + b"\n\n" if stream else told
        async with talking(Reply(raw=raw)) as (model, _):
            error = await failure(model, Params(stream=stream))
        assert KEY not in error.message + str(error) + str(getattr(error, "__notes__", ""))

    @pytest.mark.parametrize("status", [404, 413, 422])
    async def test_what_the_operator_has_to_mend_is_tried_once(self, status: int) -> None:
        async with talking(Reply(status=status, error="No such model.")) as (model, upstream):
            error = await failure(model)
        assert type(error) is ModelUnavailable
        assert error.status == status
        assert len(upstream.requests) == 1

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            (b'{"error": "model not found"}', "model not found"),
            (b'{"object": "error", "message": "too long", "code": 400}', "too long"),
            (b'{"detail": "no such field"}', "no such field"),
            (b'[{"error": {"message": "bad key in list", "code": 400}}]', "bad key in list"),
            (b"<html>no</html>", "The model's provider refused the request (400)."),
            (b"", "The model's provider refused the request (400)."),
        ],
    )
    async def test_in_whatever_shape(self, body: bytes, message: str) -> None:
        async with talking(Reply(status=400, raw=body)) as (model, _):
            assert (await failure(model)).message == message

    @pytest.mark.parametrize("status", [401, 403])
    async def test_the_key_is_never_repeated(self, status: int, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        echo = f"Incorrect API key provided: {KEY}. sk-very*******key"
        async with talking(in_order(Reply(status=status, error=echo), Reply(status=400, error=echo))) as (model, _):
            unavailable, refused = await failure(model), await failure(model)
        assert type(unavailable) is ModelUnavailable
        assert unavailable.status == status
        assert "Incorrect" not in unavailable.message
        assert KEY not in f"{unavailable!r} {refused!r} {caplog.text} {SETTINGS!r}"

    async def test_a_fault_is_in_the_log_with_the_servers_words(self, caplog: pytest.LogCaptureFixture) -> None:
        async with talking(Reply(status=500, error="disk full"), replace(SETTINGS, retries=0)) as (model, _):
            assert "disk full" not in (await failure(model)).message
        assert "openai:gpt-test" in caplog.text
        assert "disk full" in caplog.text

    async def test_nobody_there(self) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
            model = OpenAI(replace(SETTINGS, openai_base_url=url, retries=1)).open("m")
            error = await failure(model)
            await model.close()
        assert isinstance(error, ModelUnavailable)
        assert "127.0.0.1" not in error.message

    @pytest.mark.parametrize("params", [Params(), PLAIN])
    async def test_silence(self, params: Params) -> None:
        settings = replace(SETTINGS, silence_timeout=0.3, answer_timeout=0.3)
        async with talking(Reply("one", hold=asyncio.Event()), settings) as (model, upstream):
            assert isinstance(await failure(model, params), ModelTimeout)
            await upstream.wait_closed(1)
        assert len(upstream.requests) == 1

    async def test_silence_in_the_middle(self) -> None:
        reply = Reply("one two", hold=asyncio.Event())
        async with talking(reply, replace(SETTINGS, silence_timeout=1.0)) as (model, _):
            batches = model.stream(PROMPT, [], Params())
            assert await anext(batches) == [Text("one")]
            with pytest.raises(ModelTimeout):
                await anext(batches)

    async def test_an_answer_in_one_piece_may_take_longer_than_a_silence(self) -> None:
        async with talking(Reply("one", first_delay=0.2), replace(SETTINGS, silence_timeout=0.05)) as (model, _):
            assert said(await ask(model, PLAIN)) == "one"

    @pytest.mark.parametrize("params", [Params(), PLAIN])
    async def test_a_page_instead_of_an_answer(self, params: Params) -> None:
        page = Reply(raw=b"<html><body>Welcome</body></html>", headers={"Content-Type": "text/html"})
        async with talking(page) as (model, upstream):
            error = await failure(model, params)
        assert isinstance(error, ModelUnavailable)
        assert "no chat completion" in error.message
        assert len(upstream.requests) == 1

    async def test_a_redirect_is_not_followed_with_the_key(self) -> None:
        async with talking(Reply(status=307, headers={"Location": "http://127.0.0.1:1/v1"})) as (model, upstream):
            error = await failure(model)
        assert isinstance(error, ModelUnavailable)
        assert "base URL" in error.message
        assert len(upstream.requests) == 1


class TestSettings:
    @pytest.mark.parametrize("url", ["localhost:11434", "ftp://x/v1", "http://", "http://[/v1"])
    def test_a_base_url_that_is_none(self, url: str) -> None:
        with pytest.raises(ModelNotConfigured, match="OPENAI_BASE_URL"):
            OpenAI(ModelSettings(openai_base_url=url))

    def test_openai_itself_needs_a_key(self) -> None:
        with pytest.raises(ModelNotConfigured, match="OPENAI_API_KEY"):
            OpenAI(ModelSettings())

    def test_other_servers_need_none(self) -> None:
        model = OpenAI(ModelSettings(openai_base_url="http://localhost:11434/v1/")).open("llama3.2:3b")
        assert (model.name, model.fingerprint) == ("openai:llama3.2:3b", None)

    @pytest.mark.parametrize(
        ("url", "key"),
        [
            ("", "max_completion_tokens"),
            ("https://api.openai.com/v1", "max_completion_tokens"),
            ("https://eu.api.openai.com/v1", "max_completion_tokens"),
            ("https://api.openai.com.example/v1", "max_tokens"),
            ("http://localhost:8000/v1", "max_tokens"),
        ],
    )
    def test_the_name_of_the_limit(self, url: str, key: str) -> None:
        assert OpenAI(ModelSettings(openai_api_key="k", openai_base_url=url)).limit_key == key

    async def test_headers(self) -> None:
        settings = ModelSettings(openai_api_key=" k\n", openai_organization="org-1")
        async with talking("Hello.", settings) as (model, upstream):
            await ask(model)
        headers = upstream.requests[0].headers
        assert (headers["Authorization"], headers["OpenAI-Organization"]) == ("Bearer k", "org-1")

    async def test_no_key_no_header(self) -> None:
        async with talking("Hello.", ModelSettings()) as (model, upstream):
            await ask(model)
        assert "Authorization" not in upstream.requests[0].headers

    async def test_the_query_of_the_base_url_is_kept(self) -> None:
        seen: list[Any] = []
        async with Upstream("Hello.") as upstream:
            model = OpenAI(ModelSettings(openai_base_url=f"{upstream.url}/?api-version=1")).open("m")
            seen = await ask(model)
            await model.close()
        assert said(seen) == "Hello."


class TestFormatsBesideTools:
    """Servers that refuse `response_format` where there are tools."""

    TOOLS = (ToolSpec("find"),)
    PARAMS = Params(response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": {"title": "Fox"}}})

    @staticmethod
    def picky(body: Any) -> Reply:
        if "tools" in body and "response_format" in body:
            return Reply(status=400, error="json mode cannot be combined with tool calling")
        return Reply("{}")

    async def test_the_format_is_put_in_words_and_from_then_on_at_once(self) -> None:
        async with talking(self.picky) as (model, upstream):
            assert said(await ask(model, self.PARAMS, self.TOOLS)) == "{}"
            assert said(await ask(model, self.PARAMS, self.TOOLS)) == "{}"
            assert said(await ask(model, self.PARAMS)) == "{}"
        sent = [("response_format" in request.body, "tools" in request.body) for request in upstream.requests]
        assert sent == [(True, True), (False, True), (False, True), (True, False)]
        for request in upstream.requests[1:3]:
            assert "Fox" in request.body["messages"][0]["content"]

    async def test_a_refusal_about_something_else_stays_one(self) -> None:
        replies = in_order(
            Reply(status=400, error="too long"), Reply(status=400, error="still too long"), Reply("{}"), Reply("{}")
        )
        async with talking(replies) as (model, upstream):
            with pytest.raises(ModelRefused, match=r"^too long$"):
                await ask(model, self.PARAMS, self.TOOLS)
            await ask(model, self.PARAMS, self.TOOLS)
        assert "response_format" in upstream.requests[-1].body

    async def test_a_schema_that_the_server_finds_wrong_is_for_the_caller_to_mend(self) -> None:
        error = {"message": "Invalid schema for response_format 'x'.", "param": "response_format", "code": None}
        async with talking(Reply(status=400, error=error)) as (model, upstream):
            with pytest.raises(ModelRefused, match="Invalid schema") as raised:
                await ask(model, self.PARAMS, self.TOOLS)
        assert raised.value.param == "response_format"
        assert len(upstream.requests) == 1
