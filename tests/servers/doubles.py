"""An engine that tells stories, and the backend around it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

from agents.crew import crew_of
from agents.models import Models
from graph.assistants import Assistants
from graph.completions import Completions
from graph.events import Event
from graph.files import Files
from graph.journal import Position
from graph.lease import Lease
from graph.repeats import Repeats
from graph.request import RunRequest
from graph.run import Run
from graph.storage import Storage, open_storage
from graph.tokens import open_tokenizer
from graph.uploads import Uploads
from graph.vector_stores.knowledge import Knowledge
from servers.backend import Backend
from servers.mcp.host import Host
from servers.routing import routing
from servers.service import Service
from servers.settings import Settings
from tests.stories import CANCELLED, PLAIN, Story

if TYPE_CHECKING:
    from agents.models.port import Model

WEATHER: Final = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
"""A tool of the client's."""


class ScriptedEngine:
    """Tells one story to whoever starts a run. `error` is raised instead; `hold`, once given, is waited for before the
    event of that number."""

    def __init__(
        self,
        story: Story = PLAIN,
        *,
        error: Exception | None = None,
        hold_at: int | None = None,
        hold: asyncio.Event | None = None,
    ) -> None:
        self.story = story
        self.error = error
        self.hold_at, self.hold = hold_at, hold
        self.requests: list[RunRequest] = []
        self.asked, self.cancelled = asyncio.Event(), asyncio.Event()
        self.drained: list[float] = []

    async def start_many(self, request: RunRequest, count: int) -> tuple[Run, ...]:
        if self.error:
            raise self.error
        self.requests.append(request)
        self.asked.set()
        return (self.story.run,) * count

    async def follow(self, tenant: str, run_id: str, after: Position) -> AsyncGenerator[Sequence[Event], None]:
        assert (tenant, run_id, after) == (self.story.run.tenant, self.story.run.id, (self.story.run.journal_length, 0))
        cancelled = self.cancelled
        for number, event in enumerate(self.story.events):
            await self._held(number, cancelled)
            if cancelled.is_set():
                yield [CANCELLED.events[-1]]
                return
            yield [event]

    async def finished(self, tenant: str, run_id: str) -> Run:
        cancelled = self.cancelled
        for number in range(len(self.story.events)):
            await self._held(number, cancelled)
        return CANCELLED.end if cancelled.is_set() else self.story.end

    async def cancel(self, tenant: str, run_id: str) -> Run:
        self.cancelled.set()
        return self.story.run

    async def drain(self, seconds: float) -> None:
        self.drained.append(seconds)

    async def _held(self, number: int, cancelled: asyncio.Event) -> None:
        if number == self.hold_at and self.hold is not None:
            waits = [asyncio.create_task(self.hold.wait()), asyncio.create_task(cancelled.wait())]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()


class ScriptedBackend(Backend):
    """Opens a scripted engine, or fails as it is told."""

    def __init__(
        self,
        settings: Settings,
        engine: ScriptedEngine,
        *,
        claims: Exception | None = None,
        opens: Exception | None = None,
    ) -> None:
        super().__init__(settings)
        self.engine = engine
        self.claims, self.opens = claims, opens
        self.storage = open_storage("memory://")
        self.may_claim, self.may_open = asyncio.Event(), asyncio.Event()
        self.may_claim.set()
        self.may_open.set()
        self.closed = False

    async def claim(self) -> Storage:
        await self.may_claim.wait()
        if self.claims:
            raise self.claims
        return self.storage

    async def open(self, storage: Storage) -> Service:
        await self.may_open.wait()
        if self.opens:
            raise self.opens
        return Service(
            self._settings,
            cast(Any, self.engine),
            cast(Models, Fingerprints()),
            open_tokenizer("gpt-4"),
            routing(self._settings, Models().find),
            Completions(storage),
            Assistants(storage),
            files := Files(storage),
            Uploads(storage, files),
            Knowledge(storage, "gpt-4"),
            Host(cast(Any, self.engine), crew_of(), self._settings),
            Repeats(storage, self._lease(storage)),
        )

    def _lease(self, storage: Storage) -> Lease:
        lease = Lease(storage)
        self._closers.push_async_callback(lease.release)
        return lease

    async def drain(self, seconds: float) -> None:
        await self.engine.drain(seconds)

    async def close(self) -> None:
        await super().close()
        self.closed = True


class Fingerprints:
    """Models that only say what they are."""

    fingerprint = "offline"
    gives_logprobs = True

    def for_agent(self, agent: str, override: str | None = None) -> Model:
        return cast("Model", self)
