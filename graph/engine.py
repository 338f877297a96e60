"""The run engine: start, follow, resume, cancel."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, replace

from agents.models.port import Message
from agents.tools.port import Library, Tool
from graph import events as ev
from graph.carrier import Carrier
from graph.citations import Citations
from graph.context import Context, Limits, ModelSource
from graph.conversations import Conversations
from graph.errors import ConversationBusy, NotFound, OutputsRefused, Overloaded, RunEnded
from graph.intake import Intake, Output, Reception
from graph.items import Answer
from graph.journal import Position, replay
from graph.lease import Lease
from graph.prompt import system
from graph.recorder import ChatRecorder, DurableRecorder, Recorder, Stores, received
from graph.recovery import MAX_ATTEMPTS, Recovery
from graph.request import RunRequest
from graph.run import Run
from graph.runs import Runs, log_of, put
from graph.runtime import InProcess, Runtime
from graph.storage.port import Conflict, Storage
from graph.table import tool_table
from graph.tokens import Tokenizer
from graph.work import LostRun, Work

log = logging.getLogger(__name__)
_WAIT = 5.0


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """Times in seconds, the window in tokens. `anonymous_ttl_hours` 0: conversations that nobody named stay for ever."""

    max_iterations: int = 8
    run_timeout: float = 600
    agent_timeout: float = 120
    max_concurrent_runs: int = 2000
    max_context_tokens: int = 8000
    stream_progress: bool = False
    anonymous_ttl_hours: float = 24


class Engine:
    """Starts runs, lets them be followed, resumes and cancels them. `server_tools` are offered to every run's entry agent.

    Every method may raise `StorageError`; the others are those of `graph.errors`.
    """

    def __init__(
        self,
        *,
        storage: Storage,
        models: ModelSource,
        tokenizer: Tokenizer,
        library: Library,
        settings: EngineSettings | None = None,
        runtime: Runtime | None = None,
        server_tools: Mapping[str, Tool] | None = None,
    ) -> None:
        self.settings = settings = settings or EngineSettings()
        conversations = Conversations(storage, tokenizer, settings.anonymous_ttl_hours)
        self._stores = Stores(storage, conversations, Runs(storage, conversations))
        self._reception = Reception(
            conversations, self._stores.runs, tokenizer, settings.max_context_tokens, settings.run_timeout
        )
        self._models = models
        self._tokenizer = tokenizer
        self._library = library
        self._server_tools = server_tools or {}
        self._runtime = runtime or InProcess(settings.max_concurrent_runs)
        self._lease = Lease(storage)
        self._recovery = Recovery(self._stores, self._lease)
        self._carrier = Carrier(self._context)

    @property
    def running(self) -> int:
        """How many runs are at work in this process, or about to be."""
        return len(self._carrier)

    async def open(self, *, alone: bool = True) -> None:
        """Take up what dead owners have left, and begin to sweep. `alone`: the store serves this process only."""
        await self._runtime.start(self._execute)
        await self._recovery.start(self._runtime.submit, alone=alone)

    async def drain(self, seconds: float) -> None:
        """Give chat runs this long to end; durable ones are handed over at once, without an attempt spent."""
        await self._recovery.stop()
        await self._runtime.stop()
        await self._carrier.drain(seconds)

    async def close(self) -> None:
        """Release the lease. Call `drain` before."""
        await self._lease.release()

    async def start(self, request: RunRequest) -> Run:
        """Accept a run: written where it is durable, at work where it is not.

        Returns the run as it stands before its work: `journal_length` and the number of items say where this leg begins
        (not 0 where the request's tool outputs took up a run that waited). Raises `InvalidRequest`, `ConversationBusy`,
        `Overloaded`.
        """
        if not request.durable and self.running >= self.settings.max_concurrent_runs:
            raise Overloaded("Too many runs are at work. Try again in a moment.")
        intake = await self._reception.receive(request)
        if intake.run.id in self._carrier:
            raise OutputsRefused("These outputs have been submitted already.", param="messages")
        if request.durable:
            await self._accept(intake)
        else:
            work = Work(intake.run, intake.journal)
            self._carrier.carry(work, ChatRecorder(self._stores, work, intake), intake.prompt, intake)
        return intake.run

    async def follow(
        self, tenant: str, run_id: str, after: Position | None = None
    ) -> AsyncGenerator[Sequence[ev.Event], None]:
        """What happened after a position and what happens from now on, in batches of events that are there together.

        Ends behind a terminal event or an `ActionRequired` that waits. Raises `NotFound`.
        """
        work = self._carrier.known(tenant, run_id)
        batches = self._follow_stored(tenant, run_id, after or Position())
        if work is not None:
            batches = work.follow(after or Position())
        try:
            async for batch in batches:
                yield batch
        finally:
            await batches.aclose()

    async def finished(self, tenant: str, run_id: str) -> Run:
        """Wait until the run has ended, or waits for its client. A failed run is returned, not raised."""
        work = self._carrier.known(tenant, run_id)
        if work is not None:
            await work.over.wait()
            return work.run
        async for _ in self._follow_stored(tenant, run_id, Position()):
            pass
        return await self.get(tenant, run_id)

    async def get(self, tenant: str, run_id: str) -> Run:
        """The run as it stands, with its items. Raises `NotFound`."""
        work = self._carrier.known(tenant, run_id)
        if work is not None:
            return work.run
        run, _, _ = await self._stores.runs.load(tenant, run_id)
        if await self._recovery.expire(run):
            run, _, _ = await self._stores.runs.load(tenant, run_id)
        return run

    async def resume(self, tenant: str, run_id: str, outputs: Sequence[Output]) -> Run:
        """Answer the calls that a durable run waits for. Raises `OutputsRefused` unless the outputs name exactly those,
        `RunEnded`, `NotFound`."""
        run, journal, version = await self._stores.runs.load(tenant, run_id)
        if run.ended:
            raise RunEnded(f"Run run_{run_id} has ended: it is {run.status}.")
        if run.status != "requires_action" or sorted(each.call_id for each in outputs) != sorted(run.required):
            waiting = ", ".join(run.required) or "none"
            raise OutputsRefused(f"The run waits for outputs of exactly these calls: {waiting}.", param="tool_outputs")
        answers = [ev.CallAnswered(each.call_id, each.text, "ok", "client") for each in outputs]
        try:
            await self._take(run, journal, version, answers)
        except LostRun as lost:
            raise OutputsRefused("These outputs have been submitted already.", param="tool_outputs") from lost
        return run

    async def cancel(self, tenant: str, run_id: str) -> Run:
        """Stop a run; it ends `cancelled`. Its model calls are closed at once. Raises `RunEnded`, `NotFound`."""
        work = self._carrier.known(tenant, run_id)
        if work is None or work.over.is_set():
            return await self._recovery.cancel(work.run if work else await self.get(tenant, run_id))
        work.request_stop("cancel")
        if not work.taken:
            await self._execute(tenant, run_id)
        return replace(work.run, status="cancelling")

    async def _accept(self, intake: Intake) -> None:
        """Write a durable run, with what its request says, before anybody is told of it."""
        run = intake.run
        head = replace(intake.head, anonymous=False)
        block, _ = await self._stores.conversations.block(head, intake.match, received(intake, run), active=run.id)
        try:
            await self._stores.storage.commit(run.tenant, *block, put(run, 0))
        except Conflict as conflict:
            raise ConversationBusy(f"Conversation {head.name!r} is being changed by another request.") from conflict
        self._carrier.expect(Work(run))
        await self._runtime.submit(run.tenant, run.id)

    async def _execute(self, tenant: str, run_id: str) -> None:
        """Take a durable run and carry it until this leg is over."""
        work = self._carrier.at_work(run_id)
        if work is not None and work.taken:
            return
        try:
            run, journal, version = await self._stores.runs.load(tenant, run_id)
            free = not (run.ended or run.status == "requires_action" or await self._recovery.carried_elsewhere(run))
            owner = await self._take(run, journal, version, []) if free else None
        except (LostRun, NotFound):
            owner = None
        except Exception:
            log.exception("run %s could not be taken", run_id)
            owner = None
        if owner is None:
            self._carrier.forget(run_id)
        else:
            await owner

    async def _take(
        self, run: Run, journal: Sequence[ev.Durable], version: int, answers: Sequence[ev.Durable]
    ) -> asyncio.Task[None] | None:
        """Become a durable run's owner: everything is read before the claim, so that nothing can fail after it."""
        work = self._carrier.expect(Work(run, journal))
        work.taken = True
        try:
            return await self._claim(work, run, journal, version, answers)
        except BaseException:
            self._carrier.forget(run.id)
            raise

    async def _claim(
        self,
        work: Work,
        run: Run,
        journal: Sequence[ev.Durable],
        version: int,
        answers: Sequence[ev.Durable],
    ) -> asyncio.Task[None] | None:
        await self._lease.acquire()
        prompt = await self._reception.again(run)
        head = await self._stores.conversations.load(run.tenant, run.conversation_id)
        work.run = replace(run, owner=self._lease.owner)
        recorder = DurableRecorder(self._stores, work, version, head)
        attempt = self._recovery.attempt(run, journal)
        await recorder.record(ev.RunStarted(run.fence + 1, attempt), *answers)
        if attempt >= MAX_ATTEMPTS:
            await recorder.close(ev.RunFailed("server_error", "The run was interrupted too often."))
            return None
        return self._carrier.carry(work, recorder, prompt)

    def _context(self, work: Work, recorder: Recorder, prompt: Sequence[Message], intake: Intake | None) -> Context:
        run, request = work.run, work.run.request
        watched = request.watched or request.durable
        progress = watched and (request.progress or self.settings.stream_progress)
        context = Context(
            run_id=run.id,
            fence=run.fence + 1 if intake else run.fence,
            request=replace(request, watched=watched, progress=progress),
            models=self._models,
            tokenizer=self._tokenizer,
            library=self._library,
            limits=Limits(self.settings.max_iterations, self.settings.agent_timeout),
            citations=Citations(item for item in run.items if isinstance(item, Answer)),
            emit=work.emit if watched else _nobody_listens,
            record=recorder.record,
            inserted=_inserted(work, intake),
        )
        context.table = tool_table(context.entry, request.tools, self._server_tools)
        talk = [message for message in prompt if message.role != "system"]
        context.prompt = (system(context.entry, context.system_text), *talk)
        return context

    async def _follow_stored(
        self, tenant: str, run_id: str, after: Position
    ) -> AsyncGenerator[Sequence[ev.Event], None]:
        """Follow a run that is not at work here, by its journal."""
        position = after
        while True:
            run, journal, _ = await self._stores.runs.load(tenant, run_id)
            if events := list(replay(journal, position)):
                yield events
            if run.ended or run.status == "requires_action":
                return
            position = Position(max(len(journal), position.entries), 0)
            await self._stores.storage.wait(tenant, log_of(run_id), len(journal), _WAIT)


def _inserted(work: Work, intake: Intake | None) -> list[tuple[int, Message]]:
    """What the user said together with outputs stands behind them."""
    if intake is None:
        return []
    place = len(work.run.items) + len(intake.outputs)
    return [(place, message) for message in intake.inserted]


def _nobody_listens(event: ev.Live) -> None:
    """Live events of a run that nobody watches."""
