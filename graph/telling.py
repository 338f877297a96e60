"""A turn as it is told: pieces of a model come in, live events go out, the turn's durable events stand at the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

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
    Usage,
    Used,
)
from graph import events as ev
from graph.ids import new_id
from graph.items import Annotation, Call, CallKind, MessageStatus, Phase
from graph.limits import AnswerGate
from graph.logprobs import LogprobQueue


@dataclass(slots=True)
class PartialCall:
    """A call as it is put together. Told live from its start, unless it is `held` back until those before it are whole."""

    id: str
    name: str
    kind: CallKind
    arguments: str = ""
    held: bool = False


@dataclass(slots=True)
class Telling:
    """Tells one turn of `agent`. Without `live`, nothing is told before the turn is whole; `answer_only` drops words
    that turn out to be commentary, `one_call` all calls of the client's tools behind the first. `logprobs` are told with
    the text where they were asked for.

    Parts are told one after the other, the text and then the calls, and recorded as they were told: a blank text opens
    no message, a text ends where the first call begins, and a turn that a limit has cut makes no calls. A turn whose first
    words refuse is a refusal; where a model refuses in the middle of its answer, the words go on as text.
    """

    agent: str
    gate: AnswerGate
    emit: Callable[[ev.Live], None]
    mint: Callable[[], str]
    kinds: Mapping[str, CallKind]
    live: bool
    max_tokens: int | None = None
    progress: bool = False
    answer_only: bool = False
    one_call: bool = False
    logprobs: LogprobQueue | None = None
    message_id: str = field(default_factory=new_id)
    finish: FinishReason = "stop"
    usage: Usage | None = None
    model: str | None = None
    text: str = ""
    refusal: bool = False
    spoke: bool = False
    _weighed: list[TokenLogprob] = field(default_factory=list)
    _toolless: bool = False
    _calls: dict[int, PartialCall] = field(default_factory=dict)
    _passed_over: set[int] = field(default_factory=set)

    def tell(self, batch: Sequence[Piece]) -> bool:
        """Tell a batch; False once a limit has cut the text and no more is wanted."""
        for piece in batch:
            match piece:
                case Text(text):
                    self._tell_text(_writable(text))
                case Refusal(text):
                    self._refuse()
                    self._tell_text(_writable(text))
                case CallPart():
                    self._tell_call(piece)
                case Finish(reason):
                    self.finish = reason
                case Used(usage, model):
                    self.usage, self.model = usage, model
                case Logprobs(tokens):
                    if self.logprobs:
                        self.logprobs.add(tokens)
                case Reasoning(text):
                    if self.progress:
                        self.emit(ev.AgentProgress("", self.agent, _writable(text)))
        return self.gate.cut is None

    def end_text(self) -> None:
        """The model has said all: show what was held back for a limit."""
        if self.gate.cut is None and not self._calls:
            self._show(self.gate.flush())
        self.finish = self.gate.cut or self.finish

    def reword(self, text: str, *, refusal: bool = False) -> None:
        """Say this in the place of what was heard, before anything is told. Probabilities go with what is left of that."""
        start = self.text.find(text)
        if start < 0:
            self.logprobs = None
        elif self.logprobs:
            self.logprobs.take(self.text[:start])
        self.text, self.refusal = text, refusal

    @property
    def calls(self) -> tuple[Call, ...]:
        """The calls made, in the order in which they began. None where a limit has cut the turn."""
        return tuple(Call(call.id, call.name, call.arguments, call.kind) for call in self._calls.values())

    def drop_calls(self) -> None:
        """The turn has no tools on offer: what it calls all the same is ignored. To be said before the first batch,
        because a call that is being told can't be unsaid."""
        self._toolless = True
        self._calls.clear()

    def durable(
        self, annotations: tuple[Annotation, ...], usage: Usage, model: str, images: tuple[str, ...] = ()
    ) -> list[ev.Durable]:
        """The events of the whole turn; what was not told live is told first. `images` are shown with an answer."""
        calls = self.calls
        events: list[ev.Durable] = []
        spoken = bool(self.text.strip()) and not (calls and self.answer_only)
        if spoken:
            shown = self._message(annotations, "commentary" if calls else "answer")
            events.append(shown if calls or self.refusal else replace(shown, images=images))
        for call in self._calls.values():
            self._catch_up(call)
            events.append(ev.CallCompleted(call.id, call.name, call.arguments, call.kind))
        message_id = self.message_id if spoken else None
        ids = tuple(call.id for call in calls)
        return [*events, ev.TurnCompleted(self.agent, message_id, ids, self._reason(), model, usage)]

    def _reason(self) -> FinishReason:
        """Why the turn ended, in agreement with what is in it: providers say `stop` behind calls, and the reverse."""
        if self.finish in ("stop", "tool_calls"):
            return "tool_calls" if self._calls else "stop"
        return self.finish

    def _message(self, annotations: tuple[Annotation, ...], phase: Phase) -> ev.MessageCompleted:
        if not self.spoke:
            self._speak(self.text)
        elif self.logprobs and (late := self._weigh("")):
            self.emit(ev.TextDelta(self.message_id, "", late))
        cut = phase == "answer" and self.finish in ("length", "content_filter")
        status: MessageStatus = "incomplete" if cut else "completed"
        return ev.MessageCompleted(
            self.message_id,
            self.agent,
            self.text,
            status,
            phase,
            annotations,
            refusal=self.refusal,
            logprobs=tuple(self._weighed),
        )

    def _refuse(self) -> None:
        if not self.gate.text.strip():
            self.refusal, self.logprobs = True, None

    def _tell_text(self, text: str) -> None:
        if not self._calls:
            self._show(self.gate.feed(text))

    def _show(self, text: str) -> None:
        self.text += text
        if not (text and self.live):
            return
        if self.spoke:
            self._more(text)
        elif self.text.strip():
            self._speak(self.text)

    def _speak(self, text: str) -> None:
        self.spoke = True
        self.emit(ev.MessageStarted(self.message_id, self.agent, self.refusal))
        self._more(text)

    def _more(self, text: str) -> None:
        self.emit(ev.TextDelta(self.message_id, text, self._weigh(text) if self.logprobs else ()))

    def _weigh(self, text: str) -> tuple[TokenLogprob, ...]:
        """The tokens that are told with this text."""
        tokens = self.logprobs.take(text) if self.logprobs else ()
        self._weighed += tokens
        return tokens

    def _tell_call(self, part: CallPart) -> None:
        if self._toolless:
            return
        if not self._calls and self.gate.cut is None:
            self._show(self.gate.flush())
        if self.gate.cut is None:
            self._add_to_call(part)

    def _add_to_call(self, part: CallPart) -> None:
        if part.index in self._passed_over:
            return
        call = self._calls.get(part.index) or self._new_call(part)
        if call is None:
            self._passed_over.add(part.index)
            return
        arguments = _writable(part.arguments)
        call.arguments += arguments
        if arguments and not call.held:
            self.emit(ev.CallDelta(call.id, arguments))

    def _new_call(self, part: CallPart) -> PartialCall | None:
        """The call that a fragment begins; None where the client is not to get it."""
        name = _writable(part.name or "")
        kind = self.kinds.get(name, "server")
        if self.one_call and kind == "client" and any(call.kind == kind for call in self._calls.values()):
            return None
        held = bool(self._calls) or not self.live
        call = PartialCall(self.mint(), name, kind, held=held)
        self._calls[part.index] = call
        if not held:
            self.emit(ev.CallStarted(call.id, call.name, call.kind))
        return call

    def _catch_up(self, call: PartialCall) -> None:
        if call.held:
            self.emit(ev.CallStarted(call.id, call.name, call.kind))
            if call.arguments:
                self.emit(ev.CallDelta(call.id, call.arguments))


def _writable(text: str) -> str:
    """The text with lone surrogates replaced: UTF-8, and so the wire and the store, can't carry them."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
