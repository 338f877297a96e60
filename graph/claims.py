"""How durable runs find their owner: accepted in writing, then claimed by whoever carries them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace

from agents.models.port import Message
from graph import events as ev
from graph.carrier import Carrier, Leg
from graph.conversations import Head
from graph.durable_recorder import DurableRecorder
from graph.errors import ContextTooLong, ConversationBusy, InvalidRequest, NotFound
from graph.intake import Intake, Reception
from graph.lease import Lease
from graph.messages import StoredMessage
from graph.recorder import Stores, abandoned
from graph.recovery import MAX_ATTEMPTS, Recovery
from graph.request import RunRequest
from graph.run import Run
from graph.runs import kept, put
from graph.said import received
from graph.storage.port import TRIES, Conflict, StorageError
from graph.work import LostRun

log = logging.getLogger(__name__)


class Claims:
    """Accepts durable runs, and makes this process the owner of those it is handed."""

    def __init__(
        self, stores: Stores, reception: Reception, lease: Lease, recovery: Recovery, carrier: Carrier
    ) -> None:
        self._stores = stores
        self._reception = reception
        self._lease = lease
        self._recovery = recovery
        self._carrier = carrier
        self.accepting = 0  # how many runs are just being written

    async def accept(self, request: RunRequest, said: Sequence[StoredMessage] = ()) -> Run:
        """Write a durable run, with what its request says and `said`, before anybody is told of it. Raises
        `InvalidRequest`, `ConversationBusy`."""
        self.accepting += 1
        try:
            return await self._accepted(request, said)
        finally:
            self.accepting -= 1

    async def _accepted(self, request: RunRequest, said: Sequence[StoredMessage]) -> Run:
        for _ in range(TRIES):
            intake = await self._reception.receive(request)
            if await self._written(intake, said):
                self._carrier.expect(intake.run)
                return intake.run
        raise ConversationBusy("The conversation is being changed by too many requests at once. Try again.")

    async def execute(self, tenant: str, run_id: str) -> None:
        """Take a durable run and carry it until this leg is over. Raises nothing."""
        if not self._carrier.take(run_id):
            return
        owner: asyncio.Task[None] | None = None
        try:
            owner = await self._claim_if_free(tenant, run_id)
        except (LostRun, NotFound) as gone:
            log.debug("run %s is not ours to carry: %r", run_id, gone)
        except StorageError as error:
            self._carrier.left.add((tenant, run_id))
            log.warning("run %s could not be taken and is offered again: %s", run_id, error)
        except Exception:
            log.exception("run %s could not be taken", run_id)
        finally:
            if owner is None:
                self._carrier.forget(run_id)
        if owner is not None:
            await asyncio.wait([owner])

    async def resume(
        self, run: Run, journal: Sequence[ev.Durable], version: int, answers: Sequence[ev.Durable]
    ) -> bool:
        """Take a run up that waited for its client; False when somebody else has done so."""
        if not self._carrier.take(run.id):
            return False
        owner: asyncio.Task[None] | None = None
        try:
            owner = await self._claim(run, journal, version, answers)
        except LostRun:
            return False
        finally:
            if owner is None:
                self._carrier.forget(run.id)
        return True

    async def _written(self, intake: Intake, said: Sequence[StoredMessage]) -> bool:
        """Whether the run stands in the store; False when its conversation has changed since it was read."""
        run, head = intake.run, replace(intake.head, anonymous=False)
        brought = [*received(intake, run), *said]
        block, _ = await self._stores.conversations.block(head, intake.match, brought, active=run.id)
        writes = [*block, *await abandoned(self._stores, head, run.id), put(run, 0)]
        try:
            await self._stores.storage.commit(run.tenant, *writes)
        except StorageError as error:  # the answer may be what was lost
            if await self._stores.storage.get(run.tenant, "run", run.id) is not None:
                return True
            if isinstance(error, Conflict):
                return False
            raise
        return True

    async def _claim_if_free(self, tenant: str, run_id: str) -> asyncio.Task[None] | None:
        if fresh := self._just_accepted(tenant, run_id):
            return await self._claim(fresh, [], 1, [])
        run, journal, version = await self._stores.runs.load(tenant, run_id)
        if run.ended or run.status == "requires_action" or await self._recovery.carried_elsewhere(run):
            return None
        return await self._claim(run, journal, version, [])

    def _just_accepted(self, tenant: str, run_id: str) -> Run | None:
        """A run that this process has accepted and not touched since: it is known without being read. Whoever else has
        touched it is met at the first write, which expects the run as it was accepted."""
        work = self._carrier.known(tenant, run_id)
        if work is None or work.carried or work.journal:
            return None
        return replace(work.run, request=kept(work.run))

    async def _claim(
        self, run: Run, journal: Sequence[ev.Durable], version: int, answers: Sequence[ev.Durable]
    ) -> asyncio.Task[None] | None:
        """Become the owner of a run that was taken, and carry it. What fails may have been written all the same."""
        try:
            return await self._owned(run, journal, version, answers)
        except LostRun:
            raise
        except Exception:
            self._carrier.left.add((run.tenant, run.id))
            raise

    async def _owned(
        self, run: Run, journal: Sequence[ev.Durable], version: int, answers: Sequence[ev.Durable]
    ) -> asyncio.Task[None] | None:
        """Everything is read before it is written, so that nothing can fail after."""
        work = self._carrier.expect(run, journal)
        await self._lease.acquire()
        attempt = self._recovery.attempt(run, journal)
        head = await self._stores.conversations.load(run.tenant, run.conversation_id)
        prompt, failure = await self._prepared(run, head, attempt)
        work.run = replace(run, owner=self._lease.owner)
        recorder = DurableRecorder(self._stores, work, version, head)
        await recorder.record(ev.RunStarted(run.fence + 1, attempt), *answers)
        if failure is not None:
            await recorder.record(failure)
            return None
        if run.cancel_requested_at is not None:
            work.request_stop("cancel")
        return self._carrier.carry(Leg(work, recorder, prompt))

    async def _prepared(
        self, run: Run, head: Head, attempt: int
    ) -> tuple[Sequence[Message], ev.RunFailed | ev.RunIncomplete | None]:
        """The run's prompt, or why there is no use in carrying it."""
        if attempt >= MAX_ATTEMPTS:
            return (), ev.RunFailed("server_error", "The run was interrupted too often.")
        try:
            return await self._reception.again(run, head), None
        except ContextTooLong as refused:
            if run.request.max_prompt_tokens is not None:
                return (), ev.RunIncomplete("max_prompt_tokens")
            return (), ev.RunFailed("invalid_prompt", refused.message)
        except InvalidRequest as refused:
            return (), ev.RunFailed("invalid_prompt", refused.message)
