"""What the scripted upstream says, and the bytes it says it in."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

import orjson

Call = tuple[str, Mapping[str, Any] | str]


@dataclass
class Reply:
    """What the upstream says to one request.

    - `text`, `reasoning`: in `chunks` pieces (a number, or the pieces themselves; by default one per word).
    - `logprobs`: for each piece of the text its tokens, as the wire has them (`tests.replies.weighed`).
    - `refuses`: why it won't answer, in the place of a text.
    - `calls`: (name, arguments); arguments that are a string are sent as they are, in two fragments.
    - `finish`: default `stop`, or `tool_calls` where there are some. `usage`: default counts the pieces.
    - `delay`: seconds before every piece but the first, `first_delay`: before the answer begins.
    - `hold`: is waited for before the last piece (before the answer, when it is not streamed).
    - `status`, `error`, `headers`: a refusal; `error` with status 200 comes at the end of the stream.
    - `cut_after`: the connection breaks after so many pieces.
    - `raw`: bytes sent as they are, piece by piece, as the body.
    """

    text: str = ""
    calls: Sequence[Call] = ()
    finish: str | None = None
    usage: Mapping[str, Any] | None = None
    chunks: int | Sequence[str] | None = None
    delay: float = 0.0
    first_delay: float = 0.0
    status: int = 200
    error: str | Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    cut_after: int | None = None
    raw: bytes | Sequence[bytes] | None = None
    reasoning: str = ""
    refuses: str = ""
    hold: asyncio.Event | None = None
    logprobs: Sequence[Sequence[Mapping[str, Any]]] = ()
    _built: dict[Any, Any] = field(init=False, default_factory=dict, repr=False, compare=False)

    @property
    def refusal(self) -> bytes:
        """The body of a refusal."""
        return orjson.dumps({"error": _error(self)})

    @property
    def reason(self) -> str:
        return self.finish or ("tool_calls" if self.calls else "stop")

    def pieces(self) -> list[str]:
        """The text as it is split."""
        if self.chunks is None or isinstance(self.chunks, int):
            return _split(self.text, self.chunks)
        return list(self.chunks)

    def frames(self, model: str, usage: bool) -> tuple[bytes, list[bytes], bytes]:
        """The event stream: its opening, its pieces, its end. Built once."""
        key = (model, usage)
        if key not in self._built:
            self._built[key] = _stream(self, model, usage)
        built: tuple[bytes, list[bytes], bytes] = self._built[key]
        return built

    def whole(self, model: str) -> bytes:
        """The answer in one piece. Built once."""
        if model not in self._built:
            self._built[model] = _completion(self, model)
        built: bytes = self._built[model]
        return built


def transfer(agent: str, task: str = "Do your part.", **arguments: Any) -> Call:
    """A supervisor's call that hands a task to an agent."""
    return f"transfer_to_{agent}", {"task": task, **arguments}


def tokens(count: int) -> list[str]:
    """So many tokens of text."""
    return [f" word{number % 10}" for number in range(count)]


def weighed(*tokens: str | bytes) -> list[dict[str, Any]]:
    """Tokens with their probabilities; bytes are a token that is a part of a character."""
    return [_weighed(token if isinstance(token, bytes) else token.encode(), -0.5) for token in tokens]


def _weighed(token: bytes, logprob: float) -> dict[str, Any]:
    entry = {"token": token.decode(errors="backslashreplace"), "logprob": logprob, "bytes": list(token)}
    return {**entry, "top_logprobs": [entry, {"token": "x", "logprob": -2.0, "bytes": None}]}


def _error(reply: Reply) -> Mapping[str, Any]:
    if isinstance(reply.error, Mapping):
        return reply.error
    return {"message": reply.error or "Refused.", "type": "invalid_request_error", "param": None, "code": None}


def _split(text: str, count: int | None) -> list[str]:
    """A text in so many even pieces; by words when no number is given."""
    if count is None:
        words = text.split(" ")
        return [word if number == 0 else f" {word}" for number, word in enumerate(words)] if text else []
    size = max(1, -(-len(text) // count))
    return [text[at : at + size] for at in range(0, len(text), size)]


def _usage(reply: Reply) -> Mapping[str, Any]:
    if reply.usage is not None:
        return reply.usage
    completion = len(reply.pieces()) + len(reply.calls)
    return {"prompt_tokens": 10, "completion_tokens": completion, "total_tokens": 10 + completion}


def _arguments(call: Call) -> str:
    return call[1] if isinstance(call[1], str) else orjson.dumps(call[1]).decode()


def _completion(reply: Reply, model: str) -> bytes:
    message: dict[str, Any] = {"role": "assistant", "content": "".join(reply.pieces()) or None}
    if reply.refuses:
        message["refusal"] = reply.refuses
    if reply.reasoning:
        message["reasoning_content"] = reply.reasoning
    if reply.calls:
        message["tool_calls"] = [
            {"id": f"call_{n}", "type": "function", "function": {"name": call[0], "arguments": _arguments(call)}}
            for n, call in enumerate(reply.calls)
        ]
    tokens = {"content": [token for piece in reply.logprobs for token in piece]} if reply.logprobs else None
    choice = {"index": 0, "message": message, "logprobs": tokens, "finish_reason": reply.reason}
    head = {"id": "chatcmpl-upstream", "object": "chat.completion", "created": 1700000000, "model": model}
    return orjson.dumps({**head, "choices": [choice], "usage": _usage(reply)})


def _stream(reply: Reply, model: str, usage: bool) -> tuple[bytes, list[bytes], bytes]:
    head = {"id": "chatcmpl-upstream", "object": "chat.completion.chunk", "created": 1700000000, "model": model}

    def frame(delta: Mapping[str, Any], finish: str | None = None, tokens: Sequence[Any] = ()) -> bytes:
        logprobs = {"content": tokens, "refusal": None} if tokens else None
        choice = {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
        return _event({**head, "choices": [choice]})

    pieces = [frame({"reasoning_content": word}) for word in _split(reply.reasoning, None)]
    pieces += [
        frame({"content": piece}, tokens=tokens)
        for piece, tokens in zip_longest(reply.pieces(), reply.logprobs, fillvalue=())
    ]
    pieces += [frame({"refusal": word}) for word in _split(reply.refuses, None)]
    pieces += [frame({"tool_calls": [part]}) for part in _call_parts(reply)]
    if reply.error is not None:
        return frame({"role": "assistant"}), pieces, _event({"error": _error(reply)})
    end = frame({}, reply.reason)
    if usage:
        end += _event({**head, "choices": [], "usage": _usage(reply)})
    return frame({"role": "assistant", "content": ""}), pieces, end + b"data: [DONE]\n\n"


def _call_parts(reply: Reply) -> Iterator[dict[str, Any]]:
    for index, call in enumerate(reply.calls):
        function = {"name": call[0], "arguments": ""}
        yield {"index": index, "id": f"call_{index}", "type": "function", "function": function}
        for fragment in _split(_arguments(call), 2):
            yield {"index": index, "function": {"arguments": fragment}}


def _event(chunk: Mapping[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(chunk) + b"\n\n"
