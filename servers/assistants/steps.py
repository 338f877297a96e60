"""Run steps: what a run's events look like as steps. Pure and synchronous.

A turn's text is a `message_creation` step. Every delegation and every call of a server tool is a `tool_calls` step of its
own; the calls that the client has to answer in one turn are one step together, as at OpenAI. What an agent has called by
itself stands in its delegation's step, behind the delegation.

Ids are made from what a step is about, so that whoever folds the same events finds the same steps. A step begins at the
time of the durable event before it: a turn begins where the last thing ended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, get_args

import orjson

from agents.models.port import Usage
from agents.tools.port import Found, Made
from graph import events as ev
from graph.items import CallKind

End = Literal["completed", "failed", "cancelled", "expired"]
Word = Literal["created", "in_progress", "delta", "completed", "failed", "cancelled", "expired"]

CODE_TOOLS: Final = ("python", "team_python", "code_interpreter")
FILE_TOOLS: Final = ("file_search", "team_file_search")
ToolType = Literal["function", "code_interpreter", "file_search"]
_RANKING: Final = {"ranker": "default_2024_08_21", "score_threshold": 0.0}
_DURABLE: Final = get_args(ev.Durable)


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call in a step. `output` is None until it is known, `found` are the passages of files in it, `made` the files that it
    has made."""

    id: str
    name: str
    arguments: str = ""
    output: str | None = None
    found: tuple[Found, ...] = ()
    own: bool = True
    made: tuple[Made, ...] = ()

    @property
    def type(self) -> ToolType:
        """What OpenAI calls it: the client's calls are functions, whatever their names."""
        if self.own and self.name in FILE_TOOLS:
            return "file_search"
        return "code_interpreter" if self.own and self.name in CODE_TOOLS else "function"


@dataclass(frozen=True, slots=True)
class StepError:
    """Why a step failed; `code` is `server_error` or `rate_limit_exceeded`."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Step:
    """A step as it stands: about a message (`message_id`), or `calls`. `end` is None while it is in progress. Times are
    epoch milliseconds."""

    id: str
    created_at: int
    message_id: str | None = None
    calls: tuple[ToolCall, ...] = ()
    end: End | None = None
    ended_at: int | None = None
    usage: Usage = field(default_factory=Usage)
    error: StepError | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to a step. `delta` holds tool calls as OpenAI's deltas write them, for that word alone."""

    word: Word
    step: Step
    delta: Sequence[Mapping[str, Any]] = ()


class Steps:
    """The steps of a run: `apply` its events in order. Live events may be among them."""

    def __init__(self) -> None:
        self._steps: dict[str, Step] = {}
        self._of: dict[str, str] = {}  # the id of a message or call -> its step's
        self._half: list[str] = []  # steps of the turn that is not whole yet
        self._asking: str | None = None  # the step of this turn's client calls
        self.at = 0  # of the newest durable event, in epoch milliseconds

    @property
    def all(self) -> Sequence[Step]:
        """Oldest first."""
        return tuple(self._steps.values())

    def apply(self, event: ev.Event) -> list[Change]:
        """Take an event in. Returns what it changed."""
        changes = self._changes(event)
        if isinstance(event, _DURABLE):
            self.at = event.at
        return changes

    def _changes(self, event: ev.Event) -> list[Change]:
        match event:
            case ev.RunStarted():
                return self._taken_over()
            case ev.MessageStarted(id) | ev.MessageCompleted(id):
                return self._open(id, Step(f"step_{id}", self.at, message_id=id))
            case ev.CallStarted(id, name, kind):
                return self._call(id, name, kind)
            case ev.CallDelta(id, arguments):
                return self._arguments(id, arguments)
            case ev.CallCompleted(id, name, arguments, kind):
                return [*self._call(id, name, kind), *self._whole_call(id, arguments)]
            case ev.TurnCompleted(message_id=message, call_ids=calls, usage=usage, at=at):
                return self._turn(message, calls, usage, at)
            case ev.AgentFinished(id, agent, status, usage, calls):
                return self._agent(id, agent, status, usage, calls)
            case ev.CallAnswered():
                return self._answered(event)
            case ev.RunCompleted(at=at):
                return self._close_all("completed", at)
            case ev.RunCancelled(at=at) | ev.RunIncomplete(at=at):
                return self._close_all("cancelled", at)
            case ev.RunExpired(at=at):
                return self._close_all("expired", at)
            case ev.RunFailed(code, message, at=at):
                return self._close_all("failed", at, _error(code, message))
            case _:
                return []

    def _open(self, about: str, step: Step) -> list[Change]:
        if about in self._of:
            return []
        self._steps[step.id] = step
        self._of[about] = step.id
        self._half.append(step.id)
        return [Change("created", step), Change("in_progress", step)]

    def _call(self, id: str, name: str, kind: CallKind) -> list[Change]:
        """A call begins: a step of its own, or one more call of those that the client has to answer."""
        if id in self._of:
            return []
        changes: list[Change] = []
        if kind == "client" and self._asking is not None:
            self._of[id] = self._asking
        else:
            changes = self._open(id, Step(f"step_{id.removeprefix('call_')}", self.at))
        if kind == "client":
            self._asking = self._of[id]
        return [
            *changes,
            self._put(ToolCall(id, name, own=kind != "client"), {"name": name, "arguments": "", "output": None}),
        ]

    def _arguments(self, id: str, more: str) -> list[Change]:
        known = self._known(id)
        grown = replace(known, arguments=known.arguments + more)
        change = self._put(grown, {"arguments": more})
        return [change] if more and grown.type == "function" else []

    def _whole_call(self, id: str, arguments: str) -> list[Change]:
        known = self._known(id)
        if known.type == "code_interpreter":  # its code can be read now that the JSON around it is whole
            whole = replace(known, arguments=arguments)
            return [self._put(whole, {"input": code_of(whole), "outputs": []})]
        return self._arguments(id, arguments[len(known.arguments) :])

    def _turn(self, message: str | None, calls: Sequence[str], usage: Usage, at: int) -> list[Change]:
        """A turn is whole: its usage belongs to its first step, and its text's step is complete."""
        self._asking, self._half = None, []
        first = self._of.get(message or (calls[0] if calls else ""))
        if first is None:
            return []
        self._steps[first] = replace(self._steps[first], usage=self._steps[first].usage + usage)
        return [] if message is None else [self._end(first, "completed", at)]

    def _agent(
        self, id: str, agent: str, status: ev.AgentStatus, usage: Usage, calls: Sequence[ev.AgentCall]
    ) -> list[Change]:
        """An agent has ended: what it has called by itself joins its delegation."""
        step = self._steps[self._of[id]]
        tools = [call for call in calls if call.kind == "tool"]
        used = [
            ToolCall(f"{id}_{n}", call.name, call.arguments, call.output, call.found, made=call.made)
            for n, call in enumerate(tools, 1)
        ]
        error = None if status == "ok" else StepError("server_error", f"The {agent} ended with {status}.")
        known = len(step.calls)
        step = replace(step, calls=(*step.calls, *used), usage=step.usage + usage, error=error)
        self._steps[step.id] = step
        delta = [{"index": index, **_delta(call)} for index, call in enumerate(used, known)]
        return [Change("delta", step, delta)] if used else []

    def _answered(self, event: ev.CallAnswered) -> list[Change]:
        """A call is answered. Who has submitted the output hears of the whole step alone: its stream began behind the step's
        beginning, and the SDKs' handlers would stumble over a delta."""
        output = event.output
        if output in self._of:  # the writer's text is the answer
            output = f"msg_{output}"
        answered = replace(self._known(event.call_id), output=output, found=event.found, made=event.made)
        shown = _shown_output(answered, output)
        change = self._put(answered, shown)
        told = [] if event.by == "client" else [change]
        if any(call.output is None for call in change.step.calls):
            return told
        return [*told, self._end(change.step.id, "failed" if change.step.error else "completed", event.at)]

    def _taken_over(self) -> list[Change]:
        """Another owner: what the last one has told half is void."""
        half, self._half, self._asking = self._half, [], None
        return [self._end(id, "cancelled", self.at) for id in half]

    def _close_all(self, end: End, at: int, error: StepError | None = None) -> list[Change]:
        left = [step.id for step in self._steps.values() if step.end is None]
        return [self._end(id, end, at, error) for id in left]

    def _end(self, id: str, end: End, at: int, error: StepError | None = None) -> Change:
        step = self._steps[id]
        self._steps[id] = step = replace(step, end=end, ended_at=at, error=error or step.error)
        return Change(end, step)

    def _known(self, id: str) -> ToolCall:
        return next(call for call in self._steps[self._of[id]].calls if call.id == id)

    def _put(self, call: ToolCall, shown: Mapping[str, Any]) -> Change:
        """The call as it is now, and the change that shows what is new of it."""
        step = self._steps[self._of[call.id]]
        calls = {each.id: each for each in step.calls}
        fresh = call.id not in calls
        calls[call.id] = call
        step = self._steps[step.id] = replace(step, calls=tuple(calls.values()))
        kind = call.type
        if fresh and kind != "function":
            shown = {"input": "", "outputs": []} if kind == "code_interpreter" else {}
        delta = {"index": list(calls).index(call.id), "id": call.id, "type": kind, kind: shown}
        if not fresh:
            del delta["id"]
        return Change("delta", step, [delta])


def told(call: ToolCall, *, content: bool = False) -> dict[str, Any]:
    """A tool call of a step as OpenAI writes it: a program that was run is a `code_interpreter` call, a search of files a
    `file_search` call, with the `content` that was found where it is asked for."""
    if call.type == "file_search":
        return {"id": call.id, "type": "file_search", "file_search": _search(call, content=content)}
    if call.type == "code_interpreter":
        code = {"input": code_of(call), "outputs": _outputs(call)}
        return {"id": call.id, "type": "code_interpreter", "code_interpreter": code}
    function = {"name": call.name, "arguments": call.arguments, "output": call.output}
    return {"id": call.id, "type": "function", "function": function}


def code_of(call: ToolCall) -> str:
    """The program of a call, or its arguments where they hold none."""
    code = _arguments(call).get("code")
    return code if isinstance(code, str) else call.arguments


def _arguments(call: ToolCall) -> Mapping[str, Any]:
    """A call's arguments; none where they are no JSON object."""
    try:
        arguments = orjson.loads(call.arguments or b"{}")
    except orjson.JSONDecodeError:
        return {}
    return arguments if isinstance(arguments, dict) else {}


def _delta(call: ToolCall) -> dict[str, Any]:
    """A whole call as a delta, which numbers what stands in lists."""
    shown = told(call)
    if call.type == "code_interpreter":
        shown["code_interpreter"].update(_numbered(call))
    return shown


def _shown_output(call: ToolCall, output: str) -> dict[str, Any]:
    """What a delta tells of a call's output."""
    match call.type:
        case "code_interpreter":
            return _numbered(call)
        case "file_search":
            return _search(call)
        case "function":
            return {"output": output}


def _search(call: ToolCall, *, content: bool = False) -> dict[str, Any]:
    """A search of files: what was looked for, and what was found."""
    results = [_result(call, found, content=content) for found in call.found]
    return {"ranking_options": dict(_RANKING), "queries": _queries(call), "results": results}


def _result(call: ToolCall, found: Found, *, content: bool) -> dict[str, Any]:
    told = {"file_id": found.file_id, "file_name": found.name, "score": found.score}
    if not content:
        return told
    return {**told, "content": [{"type": "text", "text": (call.output or "")[found.start : found.end]}]}


def _queries(call: ToolCall) -> list[str]:
    query = _arguments(call).get("query")
    return [query] if isinstance(query, str) else []


def _outputs(call: ToolCall) -> list[dict[str, Any]]:
    """What a program has told, and the images that it has made."""
    logs = [{"type": "logs", "logs": call.output}] if call.output else []
    return [*logs, *({"type": "image", "image": {"file_id": made.file_id}} for made in call.made if made.image)]


def _numbered(call: ToolCall) -> dict[str, Any]:
    return {"outputs": [{"index": index, **output} for index, output in enumerate(_outputs(call))]}


def _error(code: str, message: str) -> StepError:
    return StepError("rate_limit_exceeded" if code == "rate_limit_exceeded" else "server_error", message)
