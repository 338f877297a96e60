"""A turn as it is told: pieces of a model come in, live events go out, the turn's durable events stand at the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from agents.models.port import CallPart, Finish, FinishReason, Piece, Reasoning, Text, Usage, Used
from graph import events as ev
from graph.ids import new_id
from graph.items import Annotation, Call, CallKind, MessageStatus, Phase
from graph.limits import AnswerGate


@dataclass(slots=True)
class PartialCall:
    """A call as it is put together. Told live from its start; `held` while an earlier call is still being told."""

    id: str
    name: str
    kind: CallKind
    arguments: str = ""
    held: bool = False


@dataclass(slots=True)
class Telling:
    """Tells one turn of `agent`. Without `live`, nothing is told before the turn is whole; `answer_only` drops words
    that turn out to be commentary.

    Parts are told one after the other: the text, then the calls. Text that says nothing opens no message, and text
    behind a call is kept for the record alone.
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
    message_id: str = field(default_factory=new_id)
    finish: FinishReason = "stop"
    usage: Usage | None = None
    model: str | None = None
    text: str = ""
    spoke: bool = False
    _blank: str = ""
    _late: str = ""
    _calls: dict[int, PartialCall] = field(default_factory=dict)

    def tell(self, batch: Sequence[Piece]) -> bool:
        """Tell a batch; False once a limit has cut the text and no more is wanted."""
        for piece in batch:
            match piece:
                case Text(text):
                    self._tell_text(text)
                case CallPart():
                    self._tell_call(piece)
                case Finish(reason):
                    self.finish = reason
                case Used(usage, model):
                    self.usage, self.model = usage, model
                case Reasoning(text):
                    if self.progress:
                        self.emit(ev.AgentProgress("", self.agent, text))
        return self.gate.cut is None

    def end_text(self) -> None:
        """The model has said all: show what a stop sequence might have begun with."""
        if self.gate.cut is None:
            self._show(self.gate.flush())
        if self.gate.cut is not None:
            self.finish = "length" if self.gate.cut == "length" else "stop"
            self._calls.clear()
        self.text += self._late

    @property
    def calls(self) -> tuple[Call, ...]:
        """The calls made, in order. None where a limit has cut the turn."""
        return tuple(Call(call.id, call.name, call.arguments, call.kind) for _, call in sorted(self._calls.items()))

    def drop_calls(self) -> None:
        """The turn had no tools on offer: what it calls all the same is ignored."""
        self._calls.clear()

    def durable(self, annotations: tuple[Annotation, ...], usage: Usage, model: str) -> list[ev.Durable]:
        """The events of the whole turn; what was not told live is told first."""
        calls = self.calls
        events: list[ev.Durable] = []
        spoken = bool(self.text.strip()) and not (calls and self.answer_only)
        if spoken:
            events.append(self._message(annotations, "commentary" if calls else "answer"))
        for call in calls:
            self._catch_up(call)
            events.append(ev.CallCompleted(call.id, call.name, call.arguments, call.kind))
        message_id = self.message_id if spoken else None
        ids = tuple(call.id for call in calls)
        return [*events, ev.TurnCompleted(self.agent, message_id, ids, self.finish, model, usage)]

    def _message(self, annotations: tuple[Annotation, ...], phase: Phase) -> ev.MessageCompleted:
        if not self.spoke:
            self._start()
            self.emit(ev.TextDelta(self.message_id, self.text))
        elif self._late:
            self.emit(ev.TextDelta(self.message_id, self._late))
        status: MessageStatus = "incomplete" if self.finish in ("length", "content_filter") else "completed"
        return ev.MessageCompleted(self.message_id, self.agent, self.text, status, phase, annotations)

    def _tell_text(self, text: str) -> None:
        if self._calls:
            self._late += text
            return
        if not self.text and not self._blank.strip():
            self._blank += text
            if not self._blank.strip():
                return
            text = self._blank
        self._show(self.gate.feed(text))

    def _show(self, text: str) -> None:
        if not text:
            return
        self.text += text
        if self.live:
            if not self.spoke:
                self._start()
            self.emit(ev.TextDelta(self.message_id, text))

    def _start(self) -> None:
        self.spoke = True
        self.emit(ev.MessageStarted(self.message_id, self.agent))

    def _tell_call(self, part: CallPart) -> None:
        call = self._calls.get(part.index)
        if call is None:
            call = self._calls[part.index] = self._new_call(part)
        else:
            call.arguments += part.arguments
        if part.arguments and self.live and not call.held:
            self.emit(ev.CallDelta(call.id, part.arguments))

    def _new_call(self, part: CallPart) -> PartialCall:
        name = part.name or ""
        held = bool(self._calls) or not self.live
        call = PartialCall(self.mint(), name, self.kinds.get(name, "server"), part.arguments, held)
        if not held:
            self.emit(ev.CallStarted(call.id, call.name, call.kind))
        return call

    def _catch_up(self, call: Call) -> None:
        partial = next(each for each in self._calls.values() if each.id == call.id)
        if partial.held:
            self.emit(ev.CallStarted(call.id, call.name, call.kind))
            if call.arguments:
                self.emit(ev.CallDelta(call.id, call.arguments))
