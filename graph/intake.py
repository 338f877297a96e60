"""The way in: a request becomes a run, its prompt, and what will be stored of it. Nothing is written here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from agents.models.port import ImagePart, Message
from graph import events as ev
from graph import history, window
from graph.conversations import Conversations, Head
from graph.errors import ConversationBusy, NotFound, OutputsRefused
from graph.history import Match
from graph.ids import new_id, run_of_call
from graph.request import RunRequest
from graph.run import Run
from graph.runs import Runs
from graph.tokens import Tokenizer

_PER_MESSAGE = 8


@dataclass(frozen=True, slots=True)
class Output:
    """What a client answers to a call of the run."""

    call_id: str
    text: str


@dataclass(frozen=True, slots=True)
class Intake:
    """A run that can begin, or go on. `tail` are the request's messages that the conversation does not hold yet; `version`
    is the stored run's, 0 for a new one; `outputs` and `inserted` take up a run that waited."""

    run: Run
    head: Head
    match: Match
    tail: tuple[Message, ...]
    prompt: tuple[Message, ...]
    journal: Sequence[ev.Durable] = ()
    version: int = 0
    outputs: tuple[Output, ...] = ()
    inserted: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True)
class Answered:
    """The end of a list that answers calls: the tool messages, and what the user says after them."""

    outputs: tuple[Message, ...]
    after: tuple[Message, ...]
    made: frozenset[str] = field(default_factory=frozenset)
    by_list: bool = False


class Reception:
    """Receives requests. `limit` is the window in tokens, `timeout` the seconds until a run expires."""

    def __init__(
        self, conversations: Conversations, runs: Runs, tokenizer: Tokenizer, limit: int, timeout: float
    ) -> None:
        self._conversations = conversations
        self._runs = runs
        self._tokenizer = tokenizer
        self._limit = limit
        self._timeout = timeout

    async def receive(self, request: RunRequest) -> Intake:
        """Raises `InvalidRequest` (and below), `ConversationBusy`."""
        incoming = [message for message in request.messages if message.role != "system"]
        answered = _answered(incoming)
        if answered and (resumed := await self._resume(request, incoming, answered)):
            return resumed
        return await self._begin(request, incoming)

    async def again(self, run: Run) -> tuple[Message, ...]:
        """The prompt of a stored run, from the conversation as it stood before the run."""
        head = await self._conversations.load(run.tenant, run.conversation_id)
        prompt, _ = await self._from_store(head, _system(run.request), (), without_run=run.id)
        return prompt

    async def _begin(self, request: RunRequest, incoming: Sequence[Message]) -> Intake:
        head = await self._conversations.find(request.tenant, request.conversation)
        await self._refuse_if_busy(head)
        if head.version == 0:
            match, tail = Match("extend", 0, 0), tuple(incoming)
        else:
            units = history.units(incoming)
            match = await self._conversations.match(head, units, request.history)
            new = units[len(units) - match.new :]
            tail = tuple(message for unit in new for message in unit.messages)
        if match.prompt_is_stored:
            prompt, left_out = await self._from_store(head, _system(request), tail)
        else:
            prompt, left_out = await self._fit([*_system(request), *incoming])
        return Intake(self._new_run(request, head, left_out), head, match, tail, prompt)

    async def _resume(self, request: RunRequest, incoming: Sequence[Message], answered: Answered) -> Intake | None:
        """The run that waits for these outputs; None where the server has forgotten it and the list says it all."""
        stored = await self._waiting(request.tenant, answered)
        if stored is None:
            if answered.by_list:
                return None
            raise OutputsRefused("No tool call is waiting for these outputs.", param="messages")
        run, journal, version = stored
        ids = [message.tool_call_id for message in answered.outputs]
        if sorted(map(str, ids)) != sorted(run.required):
            raise OutputsRefused(f"The run waits for exactly these calls: {', '.join(run.required)}.", param="messages")
        head = await self._conversations.load(request.tenant, run.conversation_id)
        head = replace(head, name=request.conversation or head.name)
        prompt = await self._prompt_of_resumed(request, run, head, incoming)
        outputs = tuple(Output(str(message.tool_call_id), message.text) for message in answered.outputs)
        leg = replace(run, request=_leg(request, run))
        tail = (*answered.outputs, *answered.after)
        match = Match("append", head.count, 0)
        return Intake(leg, head, match, tail, prompt, journal, version, outputs, answered.after)

    async def _waiting(self, tenant: str, answered: Answered) -> tuple[Run, list[ev.Durable], int] | None:
        run_ids = {run_of_call(str(message.tool_call_id)) for message in answered.outputs}
        if len(run_ids) != 1 or (run_id := run_ids.pop()) is None:
            return None
        try:
            stored = await self._runs.load(tenant, run_id)
        except NotFound:
            return None
        return stored if stored[0].status == "requires_action" else None

    async def _prompt_of_resumed(
        self, request: RunRequest, run: Run, head: Head, incoming: Sequence[Message]
    ) -> tuple[Message, ...]:
        """The conversation before the run: its own turns come from its journal, and must not stand there twice."""
        for index, message in enumerate(incoming):
            if any(run_of_call(call.id) == run.id for call in message.tool_calls):
                prompt, _ = await self._fit([*_system(request), *incoming[:index]])
                return prompt
        system = _system(request) or _system(run.request)
        prompt, _ = await self._from_store(head, system, (), without_run=run.id)
        return prompt

    async def _from_store(
        self, head: Head, system: Sequence[Message], tail: Sequence[Message], without_run: str | None = None
    ) -> tuple[tuple[Message, ...], int]:
        if head.packed:
            kept = [each.message for each in head.packed if without_run is None or each.run_id != without_run]
            return await self._fit([*system, *kept, *tail])
        stored = await self._conversations.window(head, self._limit, without_run=without_run)
        around = await self._tokenizer.counted([*system, *tail])
        tokens = [*around[: len(system)], *stored.tokens, *around[len(system) :]]
        fitted = window.fit([*system, *stored.messages, *tail], tokens, self._limit)
        return fitted.messages, fitted.left_out + stored.older

    async def _fit(self, messages: Sequence[Message]) -> tuple[tuple[Message, ...], int]:
        if sum(map(_at_most, messages)) <= self._limit:
            return tuple(window.answer_all(messages)), 0
        fitted = window.fit(messages, await self._tokenizer.counted(messages), self._limit)
        return fitted.messages, fitted.left_out

    async def _refuse_if_busy(self, head: Head) -> None:
        if head.active is None:
            return
        try:
            run, _ = await self._runs.get(head.tenant, head.active)
        except NotFound:
            return
        if not run.ended:
            raise ConversationBusy(f"Conversation {head.name!r} already has an active run: run_{run.id}.")

    def _new_run(self, request: RunRequest, head: Head, left_out: int) -> Run:
        now = ev.now_ms()
        timeout = self._timeout if request.timeout is None else request.timeout
        return Run(
            new_id(),
            request.tenant,
            head.id,
            request,
            now,
            now + int(timeout * 1000),
            truncated_messages=left_out,
            metadata=request.metadata,
        )


def _system(request: RunRequest) -> list[Message]:
    return [message for message in request.messages if message.role == "system"]


def _leg(request: RunRequest, run: Run) -> RunRequest:
    """The request of a run's next leg: what the client sent now, in the terms of the run."""
    system = tuple(_system(request) or _system(run.request))
    return replace(request, messages=system, agent=run.request.agent, tools=request.tools or run.request.tools)


def _answered(incoming: Sequence[Message]) -> Answered | None:
    """The outputs at the end of a list; None where it ends in something else. Raises `OutputsRefused`."""
    start = next((i + 1 for i in range(len(incoming) - 1, -1, -1) if incoming[i].role == "assistant"), 0)
    outputs = [message for message in incoming[start:] if message.role == "tool"]
    made = frozenset(call.id for message in incoming for call in message.tool_calls)
    _refuse_strangers(incoming, made)
    if not outputs:
        return None
    if start:
        _refuse_partial(incoming[start - 1], outputs)
    after = tuple(message for message in incoming[start:] if message.role != "tool")
    return Answered(tuple(outputs), after, made, by_list=start > 0)


def _refuse_strangers(incoming: Sequence[Message], made: frozenset[str]) -> None:
    if not any(message.role == "assistant" for message in incoming):
        return
    for index, message in enumerate(incoming):
        if message.role == "tool" and message.tool_call_id not in made:
            raise OutputsRefused(
                f"messages[{index}] answers the tool call {message.tool_call_id!r}, which no assistant message has made.",
                param=f"messages[{index}].tool_call_id",
            )


def _refuse_partial(asking: Message, outputs: Sequence[Message]) -> None:
    given = [message.tool_call_id for message in outputs]
    missing = [call.id for call in asking.tool_calls if call.id not in given]
    if missing:
        raise OutputsRefused(
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. "
            f"These had no response: {', '.join(missing)}.",
            param="messages",
        )
    if len(set(given)) < len(given):
        raise OutputsRefused("A tool call was answered more than once.", param="messages")


def _at_most(message: Message) -> int:
    """No fewer tokens than the message has: a token has at least one byte, a character at most four."""
    text = message.text
    images = 0 if isinstance(message.content, str) else 100 * sum(isinstance(p, ImagePart) for p in message.content)
    calls = sum(4 * (len(call.name) + len(call.arguments)) for call in message.tool_calls)
    return (
        _PER_MESSAGE + (len(text) if text.isascii() else 4 * len(text)) + calls + images + len(message.name or "") * 4
    )
