"""From a run's events to the frames of a streamed answer. Pure and synchronous."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, assert_never

import orjson

from agents.models.port import TokenLogprob
from graph import events as ev
from graph.logprobs import behind
from graph.run import Run, fold
from servers import errors
from servers.chat_completions.conversation import named
from servers.chat_completions.encode import PARAGRAPH, citations, finish_reason, identity
from servers.chat_completions.logprobs import logprobs
from servers.chat_completions.progress import Progress
from servers.chat_completions.usage import Tokens, metadata, together, usage

DONE: Final = b"data: [DONE]\n\n"


class Chunks:
    """The frames of one choice, mostly the only one: `encode` for each thing that happens, then `close`.

    `run` is as it was accepted, and as it stands now afterwards; `over` once there is nothing more to encode: the answer is
    there, the client is asked, or the run has failed. With `include_usage`, `close` adds the usage frame,
    which then carries the metadata; else the last chunk does. The agents' work is shown where the request asks for it.

    Further choices have an `index` and tell no metadata. The first, whose run gives the answer its id (`answer_id`), speaks
    for its `siblings` too, which are over before it is.
    """

    def __init__(
        self,
        run: Run,
        *,
        include_usage: bool = False,
        fingerprint: str | None = None,
        index: int = 0,
        answer_id: str | None = None,
        siblings: Sequence[Chunks] = (),
    ) -> None:
        self.run = run
        self._index = index
        self._answer_id = answer_id or run.id
        self._siblings = siblings
        self._first_item = len(run.items)
        self._fingerprint = fingerprint
        self._include_usage = include_usage
        self._progress = Progress() if run.request.progress else None
        self.over = False
        self._frames: _Frames  # as soon as the run has begun
        self._begun = self._spoken = False
        self._told: dict[str, int] = {}
        self._refusals: set[str] = set()
        self._calls: dict[str, int] = {}
        self._ended_at: int | None = None

    @property
    def answered(self) -> bool:
        """Whether the answer came to its end."""
        return self._ended_at is not None

    @property
    def runs(self) -> tuple[Run, ...]:
        """The runs of the whole answer, as they stand now."""
        return (self.run, *(sibling.run for sibling in self._siblings))

    @property
    def error(self) -> errors.ApiError | None:
        """Why there is no answer; None as long as there may be one."""
        return errors.of_run(self.run)

    def is_sign_of_life(self, event: ev.Event) -> bool:
        """Whether a model has answered: how a leg begins says nothing about that."""
        return not isinstance(event, ev.RunStarted | ev.CallAnswered)

    def encode(self, event: ev.Event) -> bytes:
        """The frames of an event, which may be none."""
        match event:
            case ev.TextDelta(id, text, tokens):
                return self._text(id, text, tokens)
            case ev.MessageStarted(id, refusal=refusal):
                if refusal:
                    self._refusals.add(id)
                return b""
            case ev.CallStarted(id, name, kind):
                return self._call(id, name) if kind == "client" else b""
            case ev.CallDelta(id, arguments):
                return self._arguments(id, arguments) if id in self._calls else b""
            case ev.AgentProgress(speaker, agent, text):
                return self._thought(self._progress.said(speaker, agent, text)) if self._progress else b""
            case _:
                self.run = fold(self.run, event)
                return self._durable(event)

    def close(self, tokens: Tokens | None = None) -> bytes:
        """The end of the stream: the usage frame where it was asked for and there is an answer, and `[DONE]`."""
        if self._ended_at is None:
            return DONE if self.run.ended else self.fail(errors.internal())
        if tokens is None or not self._include_usage:
            return DONE
        whole = together(self.runs)
        counted = {"usage": usage(tokens, whole), "metadata": metadata(whole, self._ended_at)}
        return self._frames.closing(counted) + DONE

    def fail(self, error: errors.ApiError) -> bytes:
        """The end of a stream whose answer can't be given."""
        return _data(error.body) + DONE

    def _durable(self, event: ev.Durable) -> bytes:
        match event:
            case ev.RunStarted():
                return self._begin()
            case ev.MessageCompleted(id, _, text):
                told = text[: self._told.get(id, 0)]
                return self._text(id, text[len(told) :], behind(told, event.logprobs))
            case ev.CallCompleted(id, name, arguments, kind):
                return self._whole_call(id, name, arguments) if kind == "client" else b""
            case ev.AgentStarted(id, agent, task):
                return self._thought(self._progress.started(id, agent, task)) if self._progress else b""
            case ev.AgentFinished(id):
                return self._thought(self._progress.finished(id)) if self._progress else b""
            case ev.TurnCompleted():
                return self._thought(self._progress.finished("")) if self._progress else b""
            case ev.CallAnswered() | ev.CancelRequested():
                return b""
            case ev.ActionRequired(at=at) | ev.RunCompleted(at) | ev.RunIncomplete(at=at):
                return self._finish(at)
            case ev.RunFailed() | ev.RunCancelled() | ev.RunExpired():
                self.over = True
                return _data((self.error or errors.internal()).body)
            case _:
                assert_never(event)

    def _begin(self) -> bytes:
        if self._begun:  # another owner goes on; what was said can't be unsaid
            return b""
        self._begun = True
        shown = self.run if self.run.id == self._answer_id else replace(self.run, id=self._answer_id)
        self._frames = _Frames(shown, self._index, self._fingerprint, self._include_usage)
        return self._frames.delta({"role": "assistant"})

    def _text(self, id: str, text: str, tokens: Sequence[TokenLogprob] = ()) -> bytes:
        if not (text or tokens):
            return b""
        told = self._told.get(id, 0)
        self._told[id] = told + len(text)
        if id in self._refusals:
            return self._frames.delta({"refusal": text}) if text else b""
        if not told and self._spoken:
            text = PARAGRAPH + text
        self._spoken = True
        return self._frames.text(text, tokens)

    def _thought(self, text: str) -> bytes:
        return self._frames.delta({"reasoning_content": text}) if text else b""

    def _call(self, id: str, name: str) -> bytes:
        index = self._calls[id] = len(self._calls)
        self._told[id] = 0
        if self.run.request.calls_by_name:
            return self._frames.delta({"function_call": {"name": name, "arguments": ""}})
        start = {"index": index, "id": id, "type": "function", "function": {"name": name, "arguments": ""}}
        return self._frames.delta({"tool_calls": [start]})

    def _arguments(self, id: str, arguments: str) -> bytes:
        if not arguments:
            return b""
        self._told[id] += len(arguments)
        if self.run.request.calls_by_name:
            return self._frames.delta({"function_call": {"arguments": arguments}})
        more = {"index": self._calls[id], "function": {"arguments": arguments}}
        return self._frames.delta({"tool_calls": [more]})

    def _whole_call(self, id: str, name: str, arguments: str) -> bytes:
        start = b"" if id in self._calls else self._call(id, name)
        return start + self._arguments(id, arguments[self._told[id] :])

    def _finish(self, at: int) -> bytes:
        self.over, self._ended_at = True, at
        found = citations(self.run, self._first_item)
        cited = self._frames.delta({"annotations": found}) if found else b""
        quiet = self._include_usage or self._index
        extra = {} if quiet else {"metadata": metadata(together(self.runs), at)}
        return cited + self._frames.delta({}, finish_reason(self.run), extra)


class _Frames:
    """Frames of one choice, put together from what they have in common: a delta of text costs one `dumps` of it."""

    def __init__(self, run: Run, index: int, fingerprint: str | None, include_usage: bool) -> None:
        self._head = b"data: " + orjson.dumps(identity(run, "chat.completion.chunk", fingerprint))[:-1]
        self._tail = b',"conversation_id":' + orjson.dumps(named(run)) + b"}\n\n"
        self._usage = b',"usage":null' if include_usage else b""
        self._choice = self._head + b',"choices":[{"index":%d,"delta":' % index
        self._text_head = self._choice + b'{"content":'
        self._text_tail = b'},"logprobs":null,"finish_reason":null}]' + self._usage + self._tail

    def text(self, text: str, tokens: Sequence[TokenLogprob] = ()) -> bytes:
        if tokens:
            return self.delta({"content": text}, logprobs=logprobs(tokens))
        return self._text_head + orjson.dumps(text) + self._text_tail

    def delta(
        self,
        delta: Mapping[str, Any],
        finish: str | None = None,
        extra: Mapping[str, Any] | None = None,
        logprobs: Mapping[str, Any] | None = None,
    ) -> bytes:
        reason = b',"logprobs":' + orjson.dumps(logprobs) + b',"finish_reason":' + orjson.dumps(finish) + b"}]"
        return self._choice + orjson.dumps(delta) + reason + self._usage + _more(extra or {}) + self._tail

    def closing(self, counted: Mapping[str, Any]) -> bytes:
        return self._head + b',"choices":[]' + _more(counted) + self._tail


def _more(fields: Mapping[str, Any]) -> bytes:
    """Further fields of an object that has some already."""
    return b"," + orjson.dumps(fields)[1:-1] if fields else b""


def _data(body: Mapping[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(body) + b"\n\n"
