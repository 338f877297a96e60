"""What decoders share: pieces gathered into a batch, tool calls told apart, reasons to stop translated."""

from __future__ import annotations

from collections.abc import Iterable

import orjson

from agents.models.port import (
    CallPart,
    Finish,
    FinishReason,
    Logprobs,
    Piece,
    Reasoning,
    Refusal,
    Text,
    TokenLogprob,
)

_REASONS: dict[str, FinishReason] = {
    "length": "length",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "model_length": "length",
    "model_context_window_exceeded": "length",
    "tool_calls": "tool_calls",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "content_filtered": "content_filter",
    "refusal": "content_filter",
    "safety": "content_filter",
    "blocklist": "content_filter",
    "prohibited_content": "content_filter",
}


Words = type[Text] | type[Refusal] | type[Reasoning]


class Batch:
    """The pieces of one network read: neighbouring fragments of a text, or of one call's arguments, become one piece.

    One answer has one of these; `take` hands over what came since the last time.
    """

    __slots__ = ("_calls", "_kind", "_logprobs", "_pieces", "_words")

    def __init__(self) -> None:
        self._calls = _Calls()
        self._pieces: list[Piece] = []
        self._kind: Words = Text
        self._words: list[str] = []
        self._logprobs: list[TokenLogprob] = []

    def say(self, kind: Words, text: str) -> None:
        """Adds a fragment of the answer, of a refusal, or of the reasoning."""
        if kind is not self._kind:
            self._close_words()
            self._kind = kind
        self._words.append(text)

    def weigh(self, tokens: Iterable[TokenLogprob]) -> None:
        """Adds the probabilities of tokens of the answer."""
        self._logprobs.extend(tokens)

    def call(self, index: int | str | None, call_id: str | None, name: str | None, arguments: str) -> None:
        """Adds a fragment of a tool call, with whatever the provider tells of it."""
        part = self._calls.part(index, call_id or None, name or None, arguments)
        if part.arguments or part.id or part.name:
            self._close_words()
            self._add_call(part)

    def finish(self, reason: str | None) -> None:
        """Adds the reason to stop, given in the provider's word; an unknown one is `stop`."""
        known = _REASONS.get((reason or "stop").lower(), "stop")
        # Some servers say "stop" although they call; OpenAI too, when a tool was forced.
        self.add(Finish("tool_calls" if known == "stop" and self._calls.any else known))

    def add(self, piece: Piece) -> None:
        self._close_words()
        self._pieces.append(piece)

    def take(self) -> list[Piece]:
        """What has been gathered since the last time."""
        self._close_words()
        pieces, self._pieces = self._pieces, []
        if self._logprobs:
            pieces.insert(0, Logprobs(tuple(self._logprobs)))
            self._logprobs = []
        return pieces

    def _close_words(self) -> None:
        if self._words:
            self._pieces.append(self._kind(self._words[0] if len(self._words) == 1 else "".join(self._words)))
            self._words = []

    def _add_call(self, part: CallPart) -> None:
        last = self._pieces[-1] if self._pieces else None
        if isinstance(last, CallPart) and last.index == part.index:
            arguments = last.arguments + part.arguments
            self._pieces[-1] = CallPart(part.index, arguments, last.id or part.id, last.name or part.name)
        else:
            self._pieces.append(part)


class _Call:
    """What is known of a call so far."""

    __slots__ = ("arguments", "id", "index", "name")

    def __init__(self, index: int) -> None:
        self.index = index
        self.id: str | None = None
        self.name: str | None = None
        self.arguments: list[str] = []

    @property
    def complete(self) -> bool:
        """Whether the arguments are whole: a further fragment with a name is then another call."""
        try:
            orjson.loads("".join(self.arguments))
        except orjson.JSONDecodeError:
            return False
        return True


class _Calls:
    """Tells the calls of one answer apart, and numbers them in the order in which they begin.

    Providers disagree: the index may be missing or always 0, the id empty, missing, or repeated in every fragment,
    and so may the name.
    """

    __slots__ = ("_all", "_by_key")

    def __init__(self) -> None:
        self._all: list[_Call] = []
        self._by_key: dict[int | str, _Call] = {}

    @property
    def any(self) -> bool:
        return bool(self._all)

    def part(self, index: int | str | None, call_id: str | None, name: str | None, arguments: str) -> CallPart:
        """The fragment under our own index; id and name are said where they are new."""
        call = self._known(index, call_id, name) or self._begin(index)
        new_id = call_id if call.id is None else None
        new_name = name if call.name is None else None
        call.id, call.name = call.id or call_id, call.name or name
        call.arguments.append(arguments)
        return CallPart(call.index, arguments, new_id, new_name)

    def _known(self, index: int | str | None, call_id: str | None, name: str | None) -> _Call | None:
        """The call that a fragment goes on with; None: it begins another one."""
        if index is not None:
            call = self._by_key.get(index)
        elif call_id is not None:
            call = next((known for known in self._all if known.id == call_id), None)
        else:
            call = self._all[-1] if self._all else None
        return call if call is not None and _goes_on(call, call_id, name) else None

    def _begin(self, index: int | str | None) -> _Call:
        call = _Call(len(self._all))
        self._all.append(call)
        if index is not None:
            self._by_key[index] = call
        return call


def _goes_on(call: _Call, call_id: str | None, name: str | None) -> bool:
    if call_id is not None and call.id is not None:
        return call_id == call.id
    if name is None or call.name is None:
        return True
    return name == call.name and not call.complete
