"""The way in: a request becomes a run, its prompt, and what will be stored of it. Nothing is written here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from agents.models.port import ImagePart, Message
from graph import events as ev
from graph import history, window
from graph.answer_format import AnswerFormats
from graph.conversations import Conversations, Head, StoredWindow
from graph.enclosures import enclosed
from graph.errors import ConversationBusy, NotFound, OutputsRefused
from graph.files import Files
from graph.history import Match
from graph.ids import new_id, run_of_call
from graph.items import Call
from graph.outputs import Answered, answered_by, first_of, part, said_behind
from graph.request import RunRequest
from graph.run import Run
from graph.runs import Runs
from graph.tokens import Tokenizer

_PER_MESSAGE = 8
_SEEDS_END = 2**63
_PAGE = 128  # messages that are counted at once, of a list that is too long


@dataclass(frozen=True, slots=True)
class Output:
    """What a client answers to a call of the run."""

    call_id: str
    text: str


@dataclass(frozen=True, slots=True)
class Intake:
    """A run that can begin, or go on. `tail` are the request's messages that the conversation does not hold yet; `version`
    is the stored run's, 0 for a new one; `outputs` take up a run that waited. `inserted` is what the user said behind
    outputs, now and in earlier legs, each with the number of the run's items before it."""

    run: Run
    head: Head
    match: Match
    tail: tuple[Message, ...]
    prompt: tuple[Message, ...]
    journal: Sequence[ev.Durable] = ()
    version: int = 0
    outputs: tuple[Output, ...] = ()
    inserted: tuple[tuple[int, Message], ...] = ()


def beside(intake: Intake, number: int) -> Intake:
    """The same request for one more run, beside the first: it goes on from where that stands, but under an id of its own,
    and what earlier legs have spent is not its own. A seed is moved on, or all would say the same."""
    request = intake.run.request
    if request.params.seed is not None:
        request = replace(request, params=replace(request.params, seed=_moved_on(request.params.seed, number)))
    return replace(intake, run=replace(intake.run, id=new_id(), request=request, usage_by_agent={}))


def _moved_on(seed: int, by: int) -> int:
    return seed + by if seed + by < _SEEDS_END else seed - by


class Reception:
    """Receives requests. `limit` is the window in tokens, `timeout` the seconds until a run expires."""

    def __init__(
        self,
        conversations: Conversations,
        runs: Runs,
        files: Files,
        tokenizer: Tokenizer,
        formats: AnswerFormats,
        limit: int,
        timeout: float,
    ) -> None:
        self._conversations = conversations
        self._runs = runs
        self._files = files
        self._tokenizer = tokenizer
        self._formats = formats
        self._limit = limit
        self._timeout = timeout

    async def receive(self, request: RunRequest) -> Intake:
        """Raises `InvalidRequest` (and below), `ConversationBusy`."""
        await self._formats.check(request.params.response_format)
        incoming = [message for message in request.messages if message.role != "system"]
        answered = answered_by(request.messages)
        if answered and answered.by_name:
            answered = answered.addressed(await self._paused_calls(request))
        if answered and (resumed := await self._resume(request, incoming, answered)) is not None:
            return resumed
        return await self._begin(request, incoming)

    async def again(self, run: Run, head: Head) -> tuple[Message, ...]:
        """The prompt of a stored run, from its conversation as it stood before the run. Raises `ContextTooLong`."""
        before, _ = await self._before(head, run)
        limit = min(self._limit, run.request.max_prompt_tokens or self._limit)
        newest = window.newest(before.messages, run.request.last_messages)
        stored = replace(before, messages=before.messages[newest:], tokens=before.tokens[newest:])
        prompt, _ = await self._fit_stored(stored, _system(run.request), limit=limit)
        return await enclosed(self._files, run.tenant, prompt)

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
            stored = await self._conversations.window(head, self._limit)
            prompt, left_out = await self._fit_stored(stored, _system(request), tail)
        else:
            prompt, left_out = await self._fit([*_system(request), *incoming])
        if not request.durable:  # a durable run reads it again when it is claimed
            prompt = await enclosed(self._files, request.tenant, prompt)
        return Intake(self._new_run(request, head, left_out), head, match, tail, prompt)

    async def _resume(self, request: RunRequest, incoming: Sequence[Message], answered: Answered) -> Intake | None:
        """The run that waits for these outputs; None where the server has forgotten it and the list says it all."""
        stored = None if request.durable else await self._waiting(request.tenant, answered)
        if stored is None:
            if answered.asking:
                return None
            raise OutputsRefused("No tool call is waiting for these outputs.", param="messages")
        run, journal, version = stored
        ids = [str(message.tool_call_id) for message in answered.outputs]
        if sorted(ids) != sorted(run.required):
            raise OutputsRefused(f"The run waits for exactly these calls: {', '.join(run.required)}.", param="messages")
        head = await self._head_of(request, run)
        prompt, inserted = await self._prompt_of_resumed(request, run, head, incoming, answered)
        prompt = await enclosed(self._files, request.tenant, prompt)
        said = await enclosed(self._files, request.tenant, [message for _, message in inserted])
        inserted = tuple(zip((place for place, _ in inserted), said, strict=True))
        outputs = tuple(Output(id, message.text) for id, message in zip(ids, answered.outputs, strict=True))
        leg = replace(run, request=_leg(request, run), expires_at=self._expiry(request))
        tail = (*answered.outputs, *answered.after)
        match = Match("append", head.count, 0)
        return Intake(leg, head, match, tail, prompt, journal, version, outputs, inserted)

    async def _head_of(self, request: RunRequest, run: Run) -> Head:
        """The run's conversation, by its client's name where that is said: a conversation that is named stays."""
        if request.conversation is not None:
            head = await self._conversations.find(request.tenant, request.conversation)
            if head.id == run.conversation_id:
                return head
        return await self._conversations.load(request.tenant, run.conversation_id)

    async def _paused_calls(self, request: RunRequest) -> Sequence[Call]:
        """The open calls of the run that waits in the request's conversation."""
        if request.conversation is None:
            return ()
        head = await self._conversations.find(request.tenant, request.conversation)
        if head.paused is None:
            return ()
        try:
            run, _, _ = await self._runs.load(request.tenant, head.paused)
        except NotFound:
            return ()
        return run.open_calls

    async def _waiting(self, tenant: str, answered: Answered) -> tuple[Run, list[ev.Durable], int] | None:
        """The chat run that made these calls, if it still waits. A durable one is resumed by `Engine.resume` alone."""
        run_ids = {run_of_call(str(message.tool_call_id)) for message in answered.outputs}
        if len(run_ids) != 1 or (run_id := run_ids.pop()) is None:
            return None
        try:
            stored = await self._runs.load(tenant, run_id)
        except NotFound:
            return None
        run = stored[0]
        return stored if run.status == "requires_action" and not run.request.durable else None

    async def _prompt_of_resumed(
        self, request: RunRequest, run: Run, head: Head, incoming: Sequence[Message], answered: Answered
    ) -> tuple[tuple[Message, ...], tuple[tuple[int, Message], ...]]:
        """The conversation before the run, and what the user has said in it since: the run's own turns come from its
        journal, and must not stand there twice."""
        earlier = incoming[: len(incoming) - len(answered.outputs) - len(answered.after)]
        at = first_of(earlier, run.id)
        if at < len(earlier):
            prompt, _ = await self._fit([*_system(request), *earlier[:at]])
            own = earlier[at:]
        else:
            before, own = await self._before(head, run)
            prompt, _ = await self._fit_stored(before, _system(request) or _system(run.request))
        place = len(run.items) + len(answered.outputs)
        return prompt, (*said_behind(run, own), *((place, message) for message in answered.after))

    async def _before(self, head: Head, run: Run) -> tuple[StoredWindow, Sequence[Message]]:
        """The conversation before a run, and the run's own messages but for what it has said itself."""
        return part(await self._conversations.window(head, self._limit, without_run=run.id), run.id)

    async def _fit_stored(
        self,
        stored: StoredWindow,
        system: Sequence[Message],
        tail: Sequence[Message] = (),
        *,
        limit: int | None = None,
    ) -> tuple[tuple[Message, ...], int]:
        around = await self._tokenizer.counted([*system, *tail])
        tokens = [*around[: len(system)], *stored.tokens, *around[len(system) :]]
        fitted = window.fit([*system, *stored.messages, *tail], tokens, limit or self._limit)
        return fitted.messages, fitted.left_out + stored.older

    async def _fit(self, messages: Sequence[Message]) -> tuple[tuple[Message, ...], int]:
        if sum(map(_at_most, messages)) <= self._limit:
            return tuple(window.answer_all(messages)), 0
        fitted = window.fit(messages, await self._counted(messages), self._limit)
        return fitted.messages, fitted.left_out

    async def _counted(self, messages: Sequence[Message]) -> list[int]:
        """Each message's tokens; of those that are too old to fit, whatever they are, just too many."""
        if window.has_calls(messages):
            return await self._tokenizer.counted(messages)
        last_turn = max((place for place, each in enumerate(messages) if each.role == "user"), default=0)
        counts, spent, place = [self._limit + 1] * len(messages), 0, len(messages)
        while place > 0 and (spent <= self._limit or place > last_turn):
            first = max(0, place - _PAGE)
            counts[first:place] = page = await self._tokenizer.counted(messages[first:place])
            spent, place = spent + sum(page), first
        for older, message in enumerate(messages[:place]):
            if message.role == "system":
                [counts[older]] = await self._tokenizer.counted([message])
        return counts

    async def _refuse_if_busy(self, head: Head) -> None:
        if head.active is None:
            return
        try:
            run, _ = await self._runs.get(head.tenant, head.active)
        except NotFound:
            return
        if not run.ended:
            raise ConversationBusy(f"Conversation {head.name!r} already has an active run: run_{run.id}.", run.id)

    def _new_run(self, request: RunRequest, head: Head, left_out: int) -> Run:
        return Run(
            request.run_id or new_id(),
            request.tenant,
            head.id,
            request if request.run_id is None else replace(request, run_id=None),
            ev.now_ms(),
            self._expiry(request),
            truncated_messages=left_out,
            metadata=request.metadata,
        )

    def _expiry(self, request: RunRequest) -> int:
        """When a leg that begins now is over its time."""
        timeout = self._timeout if request.timeout is None else request.timeout
        return ev.now_ms() + int(timeout * 1000)


def _system(request: RunRequest) -> list[Message]:
    return [message for message in request.messages if message.role == "system"]


def _leg(request: RunRequest, run: Run) -> RunRequest:
    """The request of a run's next leg: what the client sent now, in the terms of the run."""
    system = tuple(_system(request) or _system(run.request))
    return replace(request, messages=system, agent=run.request.agent, tools=request.tools or run.request.tools)


def _at_most(message: Message) -> int:
    """No fewer tokens than the message has: a token has at least one byte, a character at most four."""
    text = message.text
    images = 0 if isinstance(message.content, str) else 100 * sum(isinstance(p, ImagePart) for p in message.content)
    calls = sum(4 * (len(call.name) + len(call.arguments)) for call in message.tool_calls)
    return (
        _PER_MESSAGE + (len(text) if text.isascii() else 4 * len(text)) + calls + images + len(message.name or "") * 4
    )
