"""The run engine: start, follow, resume, cancel."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from agents.crew import Crew, crew_of
from agents.models.port import ModelError
from agents.tools.file_search import FILE_SEARCH
from agents.tools.port import Library, Made, RunFiles
from agents.tools.python import NAME as PYTHON
from agents.tools.sandbox.monty import MONTY
from agents.tools.sandbox.port import Sandbox
from graph import events as ev
from graph.answer_format import AnswerFormats
from graph.broadcast import Broadcasts
from graph.carrier import Carrier, Leg
from graph.channel import forget_channels
from graph.chat_recorder import ChatRecorder
from graph.citations import Citations
from graph.claims import Claims
from graph.context import Context, Limits, ModelSource
from graph.conversations import Conversations
from graph.errors import InvalidRequest, NotFound, OutputsRefused, Overloaded, RunEnded, ShuttingDown
from graph.files import Files
from graph.incoming import sweep_strays
from graph.intake import Intake, Output, Reception, beside
from graph.interpreter.inputs import inputs_of
from graph.interpreter.links import Links
from graph.interpreter.outputs import Owner
from graph.interpreter.sessions import RunPrograms, Sessions
from graph.items import Answer, Call, Item
from graph.journal import Position
from graph.lease import Lease
from graph.listing import sweep_places
from graph.messages import StoredMessage
from graph.mirror import Mirrors, Surroundings
from graph.prompt import system
from graph.recorder import Stores
from graph.recovery import Forget, Recovery
from graph.repeats import forget_answers
from graph.request import FileSearch, RunRequest
from graph.run import Run, accepted
from graph.runs import Runs, log_of
from graph.runtime import Execute, InProcess, Job, Runtime
from graph.storage.port import Storage
from graph.table import tool_table
from graph.threads import Threads
from graph.tokens import Tokenizer
from graph.uploads import Uploads
from graph.work import Work

_WAIT = 5.0

FileSource = Callable[[str, FileSearch], RunFiles]
"""Gives the files that a tenant's run may search."""


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """Times in seconds, the window in tokens. `anonymous_ttl_hours` 0: conversations that nobody named stay for ever.
    `stream_retention`: how long it is kept what a run has told live to a process that is gone.
    `max_concurrent_runs` and `max_runs_of_tenant` are about this process, `max_queued_runs` is about all that share its
    runtime; 0 = no limit."""

    max_iterations: int = 8
    run_timeout: float = 600
    agent_timeout: float = 120
    max_concurrent_runs: int = 2000
    max_runs_of_tenant: int = 0
    max_queued_runs: int = 0
    max_context_tokens: int = 8000
    stream_progress: bool = False
    anonymous_ttl_hours: float = 24
    stream_retention: float = 300


class Engine:
    """Starts runs, lets them be followed, resumes and cancels them. `crew` is who works here and with what, by default the
    team with the tools that need no settings.

    `threads` and `runs` are what it keeps, to be read; `lease` is its process's. `run_files` is where runs search what their clients gave
    them; without it they search nothing. `sandbox` is where their programs are run. `forgetters` remove, now and then, what has
    had its time. `runtime` hands out durable runs, and what else there is to do in the background: `chores` do that. Every
    method may raise `StorageError`; the others are those of `graph.errors`.
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
        crew: Crew | None = None,
        run_files: FileSource | None = None,
        sandbox: Sandbox = MONTY,
        forgetters: Sequence[Forget] = (),
        chores: Mapping[str, Execute] | None = None,
    ) -> None:
        self.settings = settings = settings or EngineSettings()
        self._models = models
        self._tokenizer = tokenizer
        self._library = library
        self._run_files = run_files
        self._crew = crew or crew_of()
        self._runtime = runtime or InProcess(settings.max_concurrent_runs, settings.max_runs_of_tenant)
        self._chores = chores or {}
        self._draining = False
        self._alone = True
        conversations = Conversations(storage, tokenizer, settings.anonymous_ttl_hours)
        self._stores = stores = Stores(storage, conversations, Runs(storage, conversations))
        self.threads = Threads(stores)
        self.runs = stores.runs
        self._formats = AnswerFormats()
        files = Files(storage)
        self._reception = Reception(
            conversations,
            stores.runs,
            files,
            tokenizer,
            self._formats,
            settings.max_context_tokens,
            settings.run_timeout,
        )
        self.lease = Lease(storage)
        self._sessions = Sessions(sandbox, files)
        self._carrier = Carrier(self._context, self._leg_over, self._offer)
        self._recovery = Recovery(
            stores,
            self.lease,
            self._carrier,
            self._offer,
            [*_forgetters(storage, conversations, files), *forgetters],
        )
        self._claims = Claims(stores, self._reception, self.lease, self._recovery, self._carrier)
        self._broadcasts = Broadcasts(storage, self._carrier)
        self._mirrors = Mirrors(
            Surroundings(
                storage,
                stores.runs,
                self.lease,
                self._recovery,
                self._load,
                self._carrier.has_taken,
                settings.stream_retention,
            )
        )

    @property
    def running(self) -> int:
        """How many runs are at work in this process."""
        return self._carrier.taken

    async def open(self, *, alone: bool = True) -> None:
        """Take up what dead owners have left, and begin to sweep. `alone`: the store serves this process only. Raises
        `RuntimeFailed`."""
        self._alone = alone
        if not alone:
            self.lease.listen(self._broadcasts.hear)
        await self._sessions.start()
        await self._runtime.open()
        await self._runtime.start(self._execute)
        await self._recovery.start(alone=alone)

    async def drain(self, seconds: float) -> None:
        """Take no more runs. Chat runs get this long to end; durable ones are handed over at once, without an attempt
        spent."""
        self._draining = True
        await self._recovery.stop()
        await self._runtime.stop()
        await self._mirrors.close()
        await self._carrier.drain(seconds)
        await self._broadcasts.close()

    async def close(self) -> None:
        """End what programs have left behind, and release the lease. Call `drain` before."""
        await self._sessions.close()
        await self._runtime.close()
        await self.lease.release()

    async def start(self, request: RunRequest, said: Sequence[StoredMessage] = ()) -> Run:
        """Accept a run: written where it is durable, at work where it is not. `said` joins a durable run's conversation
        with it, as it is.

        Returns the run as it stands before its work: `journal_length` and the number of items say where this leg begins
        (not 0 where the request's tool outputs took up a run that waited). Raises `InvalidRequest`, `ConversationBusy`,
        `Overloaded`, `ShuttingDown`.
        """
        if not request.durable:
            [run] = await self.start_many(request, 1)
            return run
        self._refuse_if_draining()
        await self._refuse_if_too_many_wait()
        if request.params.logprobs:
            self._refuse_unweighed(request)
        run = await self._claims.accept(request, said)
        if not await self._runtime.submit(Job("run", run.tenant, run.id)):
            self._carrier.leave(run.id)
        return run

    async def start_many(self, request: RunRequest, count: int) -> tuple[Run, ...]:
        """Accept a chat request that is answered so many times, by runs side by side: all of them, or none.

        The first is what `start` would return: it joins the conversation. The others are never written, and the process
        alone knows them. They stand or fall together: the first is not over before the others are, and the first that
        ends without an answer (it fails, it is cancelled) ends all others the same way. Raises what `start` raises.
        """
        self._refuse_if_full(request.tenant, count)
        if request.params.logprobs:
            self._refuse_unweighed(request)
        intake = await self._reception.receive(request)
        self._refuse_if_full(request.tenant, count)
        return self._carried(intake, count)

    async def follow(
        self, tenant: str, run_id: str, after: Position | None = None
    ) -> AsyncGenerator[Sequence[ev.Event], None]:
        """What happened after a position and what happens from now on, in batches of events that are there together.

        Ends behind a terminal event or an `ActionRequired` that waits, and when the process ends. Raises `NotFound`.
        """
        position = after or Position()
        while True:
            work = self._here(tenant, run_id)
            if work is not None:
                async with aclosing(work.follow(position)) as batches:
                    async for batch in batches:
                        yield batch
                over = work.settled
            else:
                async with self._mirrors.reading(tenant, run_id) as mirror:
                    async with aclosing(mirror.follow(position)) as batches:
                        async for batch in batches:
                            yield batch
                    work, over = mirror.work, mirror.over
            if over or self._draining:
                return
            position = max(position, work.position)  # it goes on elsewhere

    async def finished(self, tenant: str, run_id: str) -> Run:
        """Wait until the run has ended, or waits for its client. A failed run is returned, not raised; one that was
        handed over is returned as it stands."""
        while True:
            work = self._here(tenant, run_id)
            if work is not None:
                await work.over.wait()
                if work.settled or self._draining:
                    return work.run
            run, journal, _ = await self._load(tenant, run_id)
            if run.ended or run.status == "requires_action" or self._draining:
                return run
            if self._here(tenant, run_id) is None:
                await self._stores.storage.wait(tenant, log_of(run_id), len(journal), _WAIT)

    def _here(self, tenant: str, run_id: str) -> Work | None:
        """The work on a run that is, or will be, carried by this process, and on a chat run that was."""
        work = self._carrier.known(tenant, run_id)
        if work is None or (work.over.is_set() and not work.settled):
            return None
        return work if work.carried or self._alone or self._carrier.has_taken(run_id) else None

    async def get(self, tenant: str, run_id: str) -> Run:
        """The run as it stands, with its items. Raises `NotFound`."""
        work = self._carrier.known(tenant, run_id)
        if work is not None and work.carried:
            return work.run
        run, _, _ = await self._load(tenant, run_id)
        return run

    async def found(self, tenant: str, run_id: str) -> Run | None:
        """A run that may have been accepted before, as it stood then; None where it was not."""
        try:
            return accepted(await self.get(tenant, run_id))
        except NotFound:
            return None

    async def glance(self, tenant: str, run_id: str, known: Run | None = None) -> Run:
        """The run as it stands, for who asks again and again: with items only where it is at work here, or waits for its
        client. `known` is what its document says, where that has just been read. Raises `NotFound`."""
        work = self._carrier.known(tenant, run_id)
        if work is not None and work.carried:
            return work.run
        run = known or (await self._stores.runs.get(tenant, run_id))[0]
        waits = run.status == "requires_action" or (not run.ended and run.expires_at <= ev.now_ms())
        return await self.get(tenant, run_id) if waits else run

    async def journal(self, tenant: str, run_id: str) -> Sequence[ev.Durable]:
        """Everything durable that has happened in a run so far. Raises `NotFound`."""
        work = self._carrier.known(tenant, run_id)
        if work is not None and work.carried:
            return work.journal
        _, journal, _ = await self._load(tenant, run_id)
        return journal

    async def resume(self, tenant: str, run_id: str, outputs: Sequence[Output]) -> Run:
        """Answer the calls that a durable run waits for. Returns the run as it stood, which says where this leg begins.

        Raises `OutputsRefused` unless the outputs name exactly those calls, `RunEnded`, `NotFound`."""
        work = self._carrier.known(tenant, run_id)
        if work is not None and work.settled:  # the leg that has asked is just ending
            await work.over.wait()
        run, journal, version = await self._load(tenant, run_id)
        if run.ended:
            raise RunEnded(f"Run run_{run_id} has ended: it is {run.status}.")
        if not run.request.durable:
            raise OutputsRefused("A chat completion has asked for these outputs: answer it with tool messages.")
        if run.status != "requires_action" or sorted(each.call_id for each in outputs) != sorted(run.required):
            waiting = ", ".join(run.required) or "none"
            raise OutputsRefused(f"The run waits for outputs of exactly these calls: {waiting}.", param="tool_outputs")
        answers = [ev.CallAnswered(each.call_id, each.text, "ok", "client") for each in outputs]
        if not await self._claims.resume(run, journal, version, answers):
            raise OutputsRefused("These outputs have been submitted already.", param="tool_outputs")
        return run

    async def modify(self, tenant: str, run_id: str, metadata: Mapping[str, Any]) -> None:
        """Replace a run's metadata, whoever carries it. Raises `NotFound`."""
        await self.runs.modify(tenant, run_id, metadata)
        if work := self._carrier.known(tenant, run_id):
            work.run = replace(work.run, metadata=metadata)

    async def cancel(self, tenant: str, run_id: str) -> Run:
        """Stop a run; it ends `cancelled`. Its model calls are closed at once; a durable run ends so even if this process does
        not live to see it. Raises `RunEnded`, `NotFound`."""
        work = self._carrier.known(tenant, run_id)
        if work is not None and work.settled:
            await work.over.wait()
        if work is None or work.over.is_set():
            return await self._recovery.cancel(await self.get(tenant, run_id))
        work.request_stop("cancel")
        if not self._carrier.has_taken(run_id):
            await self._claims.execute(tenant, run_id)
            if not work.carried:  # another process has it
                run = await self.get(tenant, run_id)
                return run if run.status == "cancelled" else await self._recovery.cancel(run)
        if work.run.request.durable:
            stored = await self._stores.runs.request_cancel(tenant, run_id)
            if stored.ended and stored.status != "cancelled":
                raise RunEnded(f"Cannot cancel run with status '{stored.status}'.")
        return work.run if work.run.ended else replace(work.run, status="cancelling")

    def _refuse_if_draining(self) -> None:
        if self._draining:
            raise ShuttingDown("The server is shutting down. Try again in a moment.")

    def _refuse_if_full(self, tenant: str, count: int) -> None:
        self._refuse_if_draining()
        most, of_tenant = self.settings.max_concurrent_runs, self.settings.max_runs_of_tenant
        most = min(most, of_tenant or most)
        if count > most:
            sentence = f"Invalid value for 'n': no more than {most} runs can be at work at once here."
            raise InvalidRequest(sentence, "n", "integer_above_max_value")
        if self.running + count > self.settings.max_concurrent_runs:
            raise Overloaded("Too many runs are at work. Try again in a moment.")
        if 0 < of_tenant < self._carrier.taken_by(tenant) + count:
            raise Overloaded("Too many of your runs are at work. Try again when one of them has ended.")

    async def _refuse_if_too_many_wait(self) -> None:
        if most := self.settings.max_queued_runs:
            waiting, room = await self._runtime.waiting(), max(0, self.settings.max_concurrent_runs - self.running)
            if most <= waiting + max(0, self._claims.accepting - room):
                raise Overloaded("Too many runs are waiting. Try again in a moment.", retry_after=5)

    async def _execute(self, job: Job) -> None:
        if job.kind == "run":
            await self._claims.execute(job.tenant, job.id)
        elif chore := self._chores.get(job.kind):
            await chore(job)

    async def _offer(self, tenant: str, run_id: str) -> None:
        await self._runtime.offer(Job("run", tenant, run_id))

    def _refuse_unweighed(self, request: RunRequest) -> None:
        """Whoever can give the answer has to know the probabilities of its tokens."""
        entry = self._crew.speaker(request.agent)
        speakers = [entry, self._crew.writer] if entry is self._crew.leader else [entry]
        for name in (speaker.name for speaker in speakers):
            with suppress(ModelError):  # one that can't be opened is told of where it is used
                if not self._models.for_agent(name, request.model).gives_logprobs:
                    raise InvalidRequest(
                        f"Unsupported value for 'logprobs'. The model of the {name} does not tell them.",
                        "logprobs",
                        "unsupported_value",
                    )

    def _carried(self, intake: Intake, count: int) -> tuple[Run, ...]:
        """Chat runs, at work from now on."""
        if not self._carrier.take(intake.run.id):
            raise OutputsRefused("These outputs have been submitted already.", param="messages")
        intakes = [intake, *(beside(intake, number) for number in range(1, count))]
        works = [Work(each.run, each.journal, kept=each is intake) for each in intakes]
        for each, work in zip(intakes, works, strict=True):
            self._carrier.take(each.run.id)
            recorder = ChatRecorder(self._stores, work, each)
            siblings = [other for other in works if other is not work]
            self._carrier.carry(Leg(work, recorder, each.prompt, each, siblings))
        return tuple(each.run for each in intakes)

    async def _load(self, tenant: str, run_id: str) -> tuple[Run, Sequence[ev.Durable], int]:
        """A stored run with its journal and its version, expired where its time is over."""
        stored = await self._stores.runs.load(tenant, run_id)
        return await self._stores.runs.load(tenant, run_id) if await self._recovery.expire(stored[0]) else stored

    def _context(self, leg: Leg) -> Context:
        """What the graph's nodes know of a leg that is about to begin."""
        run, request, intake = leg.work.run, leg.work.run.request, leg.intake
        watched = request.watched or request.durable
        progress = watched and (request.progress or self.settings.stream_progress)
        context = Context(
            run_id=run.id,
            fence=run.fence + 1 if intake else run.fence,
            request=replace(request, watched=watched, progress=progress),
            models=self._models,
            tokenizer=self._tokenizer,
            library=self._library,
            crew=self._crew,
            limits=Limits(self.settings.max_iterations, self.settings.agent_timeout),
            citations=Citations(leg.work.journal),
            links=Links(_made(run.items)),
            formats=self._formats,
            emit=leg.work.emit if watched else _nobody_listens,
            record=leg.recorder.record,
            inserted=intake.inserted if intake else (),
            answer_tokens=self._answered(run),
            files=self._run_files(run.tenant, request.files) if request.files and self._run_files else None,
        )
        inputs = inputs_of(request.interpreter, leg.prompt)
        context.code_files = inputs.told
        context.interpreter = RunPrograms(
            self._sessions,
            Owner(run.tenant, run.id, self._files_expire_at(request)),
            context.fence,
            inputs,
            context.links.made,
            _has_run_programs(run.items),
            context.links.know,
        )
        more = [FILE_SEARCH] if context.files else []
        wanted = request.interpreter is not None and PYTHON in self._crew.tools
        if wanted or context.runs_programs(context.entry):
            more.append(context.python())
        context.table = tool_table(context.entry, self._crew, request.tools, more)
        told = [message.text for message in leg.prompt if message.role == "system"]
        context.system_text = "\n\n".join(filter(None, [request.instructions, *told]))
        talk = [message for message in leg.prompt if message.role != "system"]
        context.prompt = (system(context.entry, context.system_text), *talk)
        return context

    async def _leg_over(self, run: Run) -> None:
        await self._sessions.over(run.id, paused=run.status == "requires_action")

    def _files_expire_at(self, request: RunRequest) -> int | None:
        """Files of a conversation that nobody has named go with it."""
        hours = self.settings.anonymous_ttl_hours
        if request.durable or request.conversation is not None or not hours:
            return None
        return ev.now_ms() + int(hours * 3_600_000)

    def _answered(self, run: Run) -> int:
        """The tokens of the answer so far, which count against `max_tokens`: over the run where it is durable; in chat
        each leg is an answer of its own."""
        if not run.request.durable or run.request.params.max_tokens is None:
            return 0
        return sum(self._tokenizer.count(message.text) for message in run.messages)


def _forgetters(storage: Storage, conversations: Conversations, files: Files) -> Sequence[Forget]:
    """What removes the things whose time is over."""
    uploads = Uploads(storage, files)
    return (
        conversations.forget_expired,
        files.forget_expired,
        uploads.forget_expired,
        partial(sweep_strays, storage),
        partial(sweep_places, storage),
        partial(forget_channels, storage),
        partial(forget_answers, storage),
    )


def _made(items: Sequence[Item]) -> tuple[Made, ...]:
    """The files that programs of a run have made."""
    return tuple(made for item in items if isinstance(item, Answer) for made in item.made)


def _has_run_programs(items: Sequence[Item]) -> bool:
    """Whether there may be names that a program of this run has defined."""
    code = {item.id for item in items if isinstance(item, Call) and item.kind == "server" and PYTHON in item.name}
    return any(isinstance(item, Answer) and (item.made or item.call_id in code) for item in items)


def _nobody_listens(event: ev.Live) -> None:
    """Live events of a run that nobody watches."""
