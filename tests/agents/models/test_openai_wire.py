"""OpenAI's wire as bytes: what is sent, and what may come back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import orjson
import pytest

from agents.models.openai_wire import Answer, encode_message, encode_request, encode_tool
from agents.models.port import (
    CallPart,
    FilePart,
    Finish,
    ImagePart,
    Logprobs,
    Message,
    ModelError,
    ModelRateLimited,
    ModelRefused,
    ModelUnavailable,
    Params,
    Piece,
    Reasoning,
    Refusal,
    Text,
    TextPart,
    TokenLogprob,
    ToolCall,
    ToolSpec,
    TopLogprob,
    Usage,
    Used,
)


def event(chunk: dict[str, Any], end: bytes = b"\n\n") -> bytes:
    return b"data: " + orjson.dumps(chunk) + end


def delta(finish: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"model": "m-1", "choices": [{"index": 0, "delta": fields, "finish_reason": finish}]}


def call(**fields: Any) -> dict[str, Any]:
    return delta(tool_calls=[fields])


def with_logprobs(entries: list[Any], **fields: Any) -> dict[str, Any]:
    chunk = delta(**fields)
    chunk["choices"][0]["logprobs"] = {"content": entries}
    return chunk


DONE = b"data: [DONE]\n\n"


def decode(*reads: bytes) -> list[Piece]:
    answer = Answer()
    pieces = [piece for read in reads for piece in answer.feed(read)]
    return pieces + answer.end()


def calls_of(pieces: Iterable[Piece]) -> list[tuple[str | None, str | None, str]]:
    """(id, name, arguments) of each call, put together by index."""
    calls: dict[int, tuple[str | None, str | None, str]] = {}
    for piece in pieces:
        if isinstance(piece, CallPart):
            known = calls.get(piece.index, (None, None, ""))
            calls[piece.index] = (known[0] or piece.id, known[1] or piece.name, known[2] + piece.arguments)
    return [calls[index] for index in sorted(calls)]


def joined(pieces: Iterable[Piece], kind: type[Text] | type[Reasoning] = Text) -> str:
    return "".join(piece.text for piece in pieces if isinstance(piece, kind))


def request(params: Params, *messages: Message, tools: Sequence[ToolSpec] = ()) -> dict[str, Any]:
    body: dict[str, Any] = orjson.loads(encode_request("m", messages, tools, params, "max_tokens"))
    return body


class TestRequest:
    def test_a_streamed_request_always_asks_for_usage(self) -> None:
        assert request(Params(), Message("user", "Hi")) == {
            "model": "m",
            "messages": [{"role": "user", "content": "Hi"}],
            "stream": True,
            "stream_options": {"include_usage": True},
        }

    def test_a_plain_request_asks_for_neither(self) -> None:
        body = request(Params(stream=False), Message("user", "Hi"))
        assert body["stream"] is False
        assert "stream_options" not in body

    def test_only_what_is_set_is_sent(self) -> None:
        params = Params(temperature=0.0, stop=("END",), max_tokens=5, seed=7, extra={"user": "u", "model": "other"})
        body = request(params)
        sent = {key: body[key] for key in body.keys() - {"messages", "stream", "stream_options"}}
        assert sent == {"model": "m", "temperature": 0.0, "stop": ["END"], "max_tokens": 5, "seed": 7, "user": "u"}

    def test_a_limit_goes_by_the_name_the_server_knows(self) -> None:
        body = orjson.loads(encode_request("m", [], [], Params(max_tokens=5), "max_completion_tokens"))
        assert body["max_completion_tokens"] == 5
        assert "max_tokens" not in body

    def test_a_choice_is_sent_with_tools_only(self) -> None:
        params = Params(tool_choice="required", parallel_tool_calls=False)
        assert not {"tools", "tool_choice", "parallel_tool_calls"} & request(params).keys()
        body = request(params, tools=[ToolSpec("look")])
        assert (body["tool_choice"], body["parallel_tool_calls"]) == ("required", False)

    def test_what_json_cannot_hold_is_refused(self) -> None:
        with pytest.raises(ModelRefused, match="JSON"):
            encode_request("m", [Message("user", "\ud800")], [], Params(), "max_tokens")

    def test_tools(self) -> None:
        empty = {"type": "object", "properties": {}}
        assert encode_tool(ToolSpec("now")) == {"type": "function", "function": {"name": "now", "parameters": empty}}
        schema = {"type": "object", "properties": {"q": {"type": "string"}}}
        tool = encode_tool(ToolSpec("find", "Finds.", schema, strict=True))
        assert tool["function"] == {"name": "find", "description": "Finds.", "parameters": schema, "strict": True}


class TestMessages:
    def test_an_assistant_that_only_calls_has_null_content(self) -> None:
        wire = encode_message(Message("assistant", "", tool_calls=(ToolCall("c1", "find", '{"q":1}'),)))
        function = {"name": "find", "arguments": '{"q":1}'}
        assert wire == {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c1", "type": "function", "function": function}],
        }

    def test_words_beside_a_call_stay_and_empty_arguments_are_an_object(self) -> None:
        wire = encode_message(Message("assistant", "I look.", tool_calls=(ToolCall("c1", "now", ""),)))
        assert wire["content"] == "I look."
        assert wire["tool_calls"][0]["function"]["arguments"] == "{}"

    def test_an_empty_assistant_is_an_empty_string(self) -> None:
        assert encode_message(Message("assistant")) == {"role": "assistant", "content": ""}

    def test_tool_outputs_and_names(self) -> None:
        tool = encode_message(Message("tool", "12", tool_call_id="c1"))
        assert tool == {"role": "tool", "content": "12", "tool_call_id": "c1"}
        assert encode_message(Message("user", "Hi", name="ann"))["name"] == "ann"

    def test_parts(self) -> None:
        parts = (
            TextPart("See"),
            ImagePart("https://x/y.png"),
            ImagePart("data:image/png;base64,AA", detail="low"),
            FilePart("a.pdf", data="data:application/pdf;base64,AA"),
            FilePart(file_id="file-1"),
        )
        assert encode_message(Message("user", parts))["content"] == [
            {"type": "text", "text": "See"},
            {"type": "image_url", "image_url": {"url": "https://x/y.png"}},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA", "detail": "low"}},
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AA"}},
            {"type": "file", "file": {"file_id": "file-1"}},
        ]


STORY = b"".join(
    [
        b": ping\n\n",
        event(delta(role="assistant", content="")),
        event(delta(reasoning_content="Hm, so…")),
        event(delta(content="Grüße, ")),
        event(delta(content="世界 🌍")),
        event(call(index=0, id="c1", function={"name": "find", "arguments": ""})),
        event(call(index=0, function={"arguments": '{"q":"ä"}'})),
        event(delta("tool_calls")),
        event({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4}}),
        DONE,
    ]
)
TOLD = [
    Reasoning("Hm, so…"),
    Text("Grüße, 世界 🌍"),
    CallPart(0, '{"q":"ä"}', "c1", "find"),
    Finish("tool_calls"),
    Used(Usage(3, 4), "m-1"),
]


class TestStream:
    def test_the_pieces_of_one_read_are_merged(self) -> None:
        assert decode(STORY) == TOLD

    @pytest.mark.parametrize("story", [STORY, STORY.replace(b"\n", b"\r\n"), STORY.replace(b"data: ", b"data:")])
    def test_a_stream_may_be_cut_anywhere(self, story: bytes) -> None:
        for cut in range(len(story) + 1):
            self._same(decode(story[:cut], story[cut:]))
        self._same(decode(*(bytes([byte]) for byte in story)))

    def _same(self, pieces: list[Piece]) -> None:
        assert joined(pieces, Reasoning) == "Hm, so…"
        assert joined(pieces) == "Grüße, 世界 🌍"
        assert calls_of(pieces) == [("c1", "find", '{"q":"ä"}')]
        assert pieces[-2:] == TOLD[-2:]

    def test_lines_need_no_blank_between_them_and_none_at_the_end(self) -> None:
        story = event(delta(content="a"), b"\n") + event(delta("stop", content="b"), b"")
        assert decode(story) == [Text("a"), Text("b"), Finish("stop")]

    def test_done_alone_is_an_end(self) -> None:
        assert decode(event(delta(content="a")), DONE) == [Text("a"), Finish("stop")]

    def test_nothing_counts_after_done(self) -> None:
        assert decode(event(delta(content="a")) + DONE + b"data: <html>\n\n") == [Text("a"), Finish("stop")]

    def test_a_stream_without_an_end_was_cut_off(self) -> None:
        answer = Answer()
        assert answer.feed(event(delta(content="a"))) == [Text("a")]
        with pytest.raises(ModelUnavailable, match="cut off"):
            answer.end()

    def test_the_last_usage_counts(self) -> None:
        told = [delta(content="a") | {"usage": {"prompt_tokens": 1, "completion_tokens": n}} for n in (1, 2)]
        pieces = decode(*map(event, told), DONE)
        assert [piece for piece in pieces if isinstance(piece, Used)] == [Used(Usage(1, 2), "m-1")]

    def test_details_of_usage(self) -> None:
        usage = {
            "prompt_tokens": 9,
            "completion_tokens": 5,
            "completion_tokens_details": {"reasoning_tokens": 2},
            "prompt_tokens_details": {"cached_tokens": 8},
        }
        assert decode(event({"choices": [], "usage": usage}), DONE)[-1] == Used(Usage(9, 5, 2, 8))

    def test_odd_usage_counts_as_nothing(self) -> None:
        usage = {"prompt_tokens": None, "completion_tokens": "many", "completion_tokens_details": None}
        assert decode(event({"choices": [], "usage": usage}), DONE)[-1] == Used(Usage())

    def test_probabilities_of_tokens(self) -> None:
        hi = {"token": "Hi", "logprob": -1, "bytes": [72, 105], "top_logprobs": [{"token": "x", "logprob": -2}]}
        pieces = decode(event(with_logprobs([hi, {"token": "!", "logprob": -0.5}], content="Hi!")), DONE)
        entries = (TokenLogprob("Hi", -1, b"Hi", (TopLogprob("x", -2),)), TokenLogprob("!", -0.5))
        assert pieces[:2] == [Logprobs(entries), Text("Hi!")]

    @pytest.mark.parametrize("old", [{"tokens": ["Hi"], "token_logprobs": [-1]}, {"content": None}, {"content": []}])
    def test_probabilities_in_another_shape_are_none(self, old: dict[str, Any]) -> None:
        chunk = delta(content="Hi")
        chunk["choices"][0]["logprobs"] = old
        assert decode(event(chunk), DONE)[0] == Text("Hi")

    @pytest.mark.parametrize(
        ("fields", "told"),
        [
            ({"reasoning_content": "Hm"}, []),
            ({"reasoning": "Hm", "content": "Hi!"}, ["Hi", "!"]),
            ({"reasoning": "Hm", "content": "Hm"}, ["Hm"]),
            ({"reasoning": "Hm", "content": "Ho"}, []),
        ],
    )
    def test_probabilities_of_reasoning_are_left_out(self, fields: dict[str, Any], told: list[str]) -> None:
        entries = [{"token": token, "logprob": -1} for token in ("Hm", "</think>", "Hi", "!", "")]
        pieces = decode(event(with_logprobs(entries, **fields)), DONE)
        tokens = [token.token for piece in pieces if isinstance(piece, Logprobs) for token in piece.tokens]
        assert [token for token in tokens if token] == told

    @pytest.mark.parametrize(
        "entry",
        [
            5,
            {},
            {"token": "x"},
            {"token": "x", "logprob": "y"},
            {"token": "x", "logprob": 1, "bytes": [999]},
            {"token": "x", "logprob": 1, "bytes": 10},
            {"token": "x", "logprob": 1, "bytes": "x"},
        ],
    )
    def test_probabilities_that_are_none(self, entry: Any) -> None:
        with pytest.raises(ModelUnavailable):
            decode(event(with_logprobs([entry], content="Hi")), DONE)

    @pytest.mark.parametrize("key", ["reasoning_content", "reasoning"])
    def test_reasoning_by_either_name(self, key: str) -> None:
        assert decode(event(delta(**{key: "Hm."})), DONE)[0] == Reasoning("Hm.")

    def test_content_as_a_list_of_parts(self) -> None:
        thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}
        story = event(delta(content=[thinking, {"type": "text", "text": "So."}]))
        assert decode(story, DONE)[:2] == [Reasoning("Hm."), Text("So.")]

    def test_a_refusal_is_no_text(self) -> None:
        said = decode(event(delta(refusal="I ", content=None)), event(delta(refusal="won't.")), DONE)
        assert "".join(piece.text for piece in said if isinstance(piece, Refusal)) == "I won't."
        assert not any(isinstance(piece, Text) for piece in said)

    @pytest.mark.parametrize(
        ("told", "meant"),
        [
            ("stop", "stop"),
            ("length", "length"),
            ("max_tokens", "length"),
            ("MAX_TOKENS", "length"),
            ("tool_calls", "tool_calls"),
            ("function_call", "tool_calls"),
            ("content_filter", "content_filter"),
            ("eos", "stop"),
        ],
    )
    def test_reasons_to_stop(self, told: str, meant: str) -> None:
        (finish,) = [piece for piece in decode(event(delta(told, content="a"))) if isinstance(piece, Finish)]
        assert finish.reason == meant

    def test_one_finish_however_often_it_is_told(self) -> None:
        pieces = decode(event(delta("stop", content="a")), event(delta("stop", content="b")), DONE)
        assert pieces == [Text("a"), Text("b"), Finish("stop")]

    def test_a_server_that_stops_with_a_call_called(self) -> None:
        pieces = decode(event(call(index=0, id="c", function={"name": "f", "arguments": "{}"})), event(delta("stop")))
        assert pieces[-1] == Finish("tool_calls")


def fragment(index: int | None, call_id: str | None, name: str | None, arguments: Any) -> dict[str, Any]:
    """A fragment of a call that tells only what is not None."""
    function = {"name": name, "arguments": arguments}
    fields = {"index": index, "id": call_id, "function": {k: v for k, v in function.items() if v is not None}}
    return {key: value for key, value in fields.items() if value is not None}


class TestCalls:
    @pytest.mark.parametrize(
        "fragments",
        [
            pytest.param(
                [(0, "a", "f", ""), (0, None, None, '{"x":'), (0, None, None, "1}"), (1, "b", "g", '{"y":2}')],
                id="openai",
            ),
            pytest.param(
                [(0, "a", "f", ""), (1, "b", "g", ""), (0, None, None, '{"x":1}'), (1, None, None, '{"y":2}')],
                id="interleaved",
            ),
            pytest.param(
                [(0, "a", "f", '{"x":'), (0, "a", "f", "1}"), (1, "b", "g", '{"y"'), (1, "b", "g", ":2}")],
                id="id and name repeated",
            ),
            pytest.param([(0, "a", "f", '{"x":1}'), (0, "b", "g", '{"y":2}')], id="index always 0"),
            pytest.param([(None, "a", "f", '{"x":1}'), (None, "b", "g", '{"y":2}')], id="no index"),
            pytest.param(
                [
                    (None, "a", "f", '{"x":'),
                    (None, "a", None, "1}"),
                    (None, "b", "g", ""),
                    (None, None, None, '{"y":2}'),
                ],
                id="no index, fragments",
            ),
            pytest.param([(0, "a", "f", {"x": 1}), (1, "b", "g", {"y": 2})], id="arguments as objects"),
        ],
    )
    @pytest.mark.parametrize("together", [True, False])
    def test_parallel_calls_are_told_apart(self, fragments: list[tuple[Any, ...]], together: bool) -> None:
        reads = [event(delta(tool_calls=[fragment(*told)])) for told in fragments]
        pieces = decode(b"".join(reads) + DONE) if together else decode(*reads, DONE)
        assert [(c[0], c[1], orjson.loads(c[2])) for c in calls_of(pieces)] == [
            ("a", "f", {"x": 1}),
            ("b", "g", {"y": 2}),
        ]

    @pytest.mark.parametrize(
        "fragments",
        [
            pytest.param([(0, "", "f", '{"x":1}'), (0, "", "f", '{"x":2}')], id="index 0"),
            pytest.param([(None, "", "f", '{"x":1}'), (None, "", "f", '{"x":2}')], id="no index"),
            pytest.param(
                [(None, None, "f", '{"x":'), (None, None, "f", "1}"), (None, None, "f", '{"x":2}')], id="names"
            ),
            pytest.param([(0, "", "f", '{"x":1}'), (1, "", "f", '{"x":2}')], id="indexes"),
        ],
    )
    def test_calls_of_one_tool_without_ids(self, fragments: list[tuple[Any, ...]]) -> None:
        pieces = decode(*(event(delta(tool_calls=[fragment(*told)])) for told in fragments), DONE)
        assert calls_of(pieces) == [(None, "f", '{"x":1}'), (None, "f", '{"x":2}')]

    def test_id_and_name_are_said_once(self) -> None:
        answer = Answer()
        first = answer.feed(event(call(index=0, id="a", function={"name": "f", "arguments": "{"})))
        second = answer.feed(event(call(index=0, id="a", function={"name": "f", "arguments": "}"})))
        assert (first, second) == ([CallPart(0, "{", "a", "f")], [CallPart(0, "}")])

    def test_the_old_function_call(self) -> None:
        reads = [
            event(delta(function_call={"name": "f", "arguments": ""})),
            event(delta(function_call={"arguments": '{"x":1}'})),
            event(delta("function_call")),
        ]
        pieces = decode(*reads)
        assert calls_of(pieces) == [(None, "f", '{"x":1}')]
        assert pieces[-1] == Finish("tool_calls")

    def test_nonsense_arguments_are_passed_on(self) -> None:
        pieces = decode(event(call(index=0, id="a", function={"name": "f", "arguments": "{oops"})), DONE)
        assert calls_of(pieces) == [("a", "f", "{oops")]


class TestFaults:
    @pytest.mark.parametrize(
        ("error", "kind"),
        [
            ({"message": "slow down", "code": "rate_limit_exceeded"}, ModelRateLimited),
            ({"message": "slow down", "code": 429}, ModelRateLimited),
            ({"message": "slow down", "code": "429"}, ModelRateLimited),
            ({"message": "too long", "code": "context_length_exceeded"}, ModelRefused),
            ({"message": "bad", "type": "invalid_request_error", "code": None}, ModelRefused),
            ({"message": "oops", "type": "server_error"}, ModelUnavailable),
            ({"message": "who?", "code": "invalid_api_key"}, ModelUnavailable),
            ("overloaded", ModelUnavailable),
            ([1], ModelUnavailable),
        ],
    )
    def test_an_error_in_the_stream(self, error: Any, kind: type[ModelError]) -> None:
        with pytest.raises(ModelError) as raised:
            Answer().feed(event({"error": error}))
        assert type(raised.value) is kind

    def test_the_words_of_a_refusal_are_passed_on(self) -> None:
        with pytest.raises(ModelRefused, match="too long"):
            Answer().feed(event({"error": {"message": "too long", "code": "context_length_exceeded"}}))

    @pytest.mark.parametrize(
        "payload",
        [
            b"data: {oops\n\n",
            b"data: [1]\n\n",
            b'data: {"choices": 5}\n\n',
            b'data: {"choices": [5]}\n\n',
            b'data: {"choices": [{"delta": [1]}]}\n\n',
            b'data: {"choices": [{"delta": {"tool_calls": ["x"]}}]}\n\n',
            b'data: {"choices": [{"delta": {"tool_calls": [{"index": {}}]}}]}\n\n',
            b'data: {"choices": [{"delta": {"content": [1]}}]}\n\n',
            b'data: {"choices": [{"delta": {"content": 7}}]}\n\n',
        ],
    )
    def test_nonsense_in_the_stream(self, payload: bytes) -> None:
        with pytest.raises(ModelUnavailable, match="no chat completion"):
            Answer().feed(payload)

    @pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b"[]", b'{"choices": []}', b'{"choices": [1]}'])
    def test_nonsense_in_one_piece(self, body: bytes) -> None:
        with pytest.raises(ModelUnavailable, match="no chat completion"):
            Answer().whole(body)


class TestWhole:
    def test_text_reasoning_calls_and_usage(self) -> None:
        function = {"name": "f", "arguments": "{}"}
        message = {"content": "Hi", "reasoning": "Hm", "tool_calls": [{"id": "a", "function": function}]}
        usage = {"prompt_tokens": 3, "completion_tokens": 4}
        body = {"model": "m-1", "choices": [{"message": message, "finish_reason": "tool_calls"}], "usage": usage}
        assert Answer().whole(orjson.dumps(body)) == [
            Reasoning("Hm"),
            Text("Hi"),
            CallPart(0, "{}", "a", "f"),
            Finish("tool_calls"),
            Used(Usage(3, 4), "m-1"),
        ]

    def test_an_error_with_status_200(self) -> None:
        with pytest.raises(ModelRateLimited):
            Answer().whole(b'{"error": {"message": "slow", "code": 429}}')
