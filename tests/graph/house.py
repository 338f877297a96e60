"""An engine with its surroundings, as the tests of its verbs use it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import ExitStack, aclosing, asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agents.crew import crew_of
from agents.models.port import Message, Params, ToolCall, ToolSpec
from agents.tools.port import Tool
from graph import events as ev
from graph.conversations import Conversations
from graph.engine import Engine, EngineSettings
from graph.journal import Position
from graph.request import RunRequest
from graph.run import Run
from graph.storage import Storage, open_storage
from graph.tokens import Tokenizer
from graph.vocabularies import FourCharacters
from tests import backends
from tests.graph.doubles import Script, Shelf

TENANT = "acme"
TOKENIZER = Tokenizer(FourCharacters)
TOKENIZER.count("")  # loaded, so that counting never leaves the event loop
_OPEN: ContextVar[int] = ContextVar("houses that are open", default=0)
WEATHER = ToolSpec(
    "weather", "The weather of a place.", {"type": "object", "properties": {"place": {"type": "string"}}}
)
CLOCK = ToolSpec("clock", "What time it is.")


@pytest.fixture(params=backends.USUAL)
def every_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty store of each kind. A module takes it by giving it a name."""
    with backends.empty(request.param, tmp_path) as url:
        yield url


@dataclass(frozen=True, slots=True)
class House:
    """An open engine, what its models are asked, and what it stores."""

    engine: Engine
    script: Script
    storage: Storage
    library: Shelf

    async def start(self, said: str | Sequence[Message], **fields: Any) -> Run:
        return await self.engine.start(request(said, **fields))

    async def ask(self, said: str | Sequence[Message], **fields: Any) -> Run:
        """The run when it has ended, or waits for its client."""
        run = await self.start(said, **fields)
        return await self.engine.finished(TENANT, run.id)

    async def pause(self, conversation: str | None = "talk", **fields: Any) -> Run:
        """A run that waits for its client: to be asked of a script that calls `weather` or `clock`."""
        run = await self.ask("What is the weather?", conversation=conversation, tools=(WEATHER, CLOCK), **fields)
        assert run.status == "requires_action"
        return run

    async def hear(self, said: str | Sequence[Message], **fields: Any) -> list[ev.Event]:
        """What one hears who watches the run from its start."""
        run = await self.start(said, **{"watched": True, **fields})
        return await self.follow(run.id, Position(run.journal_length))

    async def follow(self, run_id: str, after: Position | None = None) -> list[ev.Event]:
        """Everything behind a position until the run has ended, or waits."""
        heard: list[ev.Event] = []
        async with aclosing(self.engine.follow(TENANT, run_id, after)) as batches:
            async for batch in batches:
                heard += batch
        return heard

    async def log(self, conversation: str) -> list[tuple[str, str]]:
        """A conversation as it is stored, calls and outputs too; the calls of a message follow its text."""
        head = await self.conversations.find(TENANT, conversation)
        stored = await self.conversations.window(head, 2**30)
        return [(message.role, message.text + calls_of(message)) for message in stored.messages]

    @property
    def conversations(self) -> Conversations:
        return Conversations(self.storage, TOKENIZER, 0)

    async def get(self, run_id: str) -> Run:
        return await self.engine.get(TENANT, run_id)


@asynccontextmanager
async def house(
    script: Script | None = None,
    *,
    store: str | Storage | None = None,
    library: Shelf | None = None,
    server_tools: Mapping[str, Tool] | None = None,
    alone: bool = True,
    **settings: Any,
) -> AsyncIterator[House]:
    """An open engine; drained and closed at the end, when no model may be left speaking and no task at work. A store that
    is handed over open stays open; without one it is in memory, or in the backend that `CORTEX_TEST_STORAGE` names."""
    surroundings = ExitStack()
    outermost = _OPEN.get() == 0
    _OPEN.set(_OPEN.get() + 1)
    before = asyncio.all_tasks()
    script, library = script or Script(), library or Shelf()
    url = surroundings.enter_context(backends.chosen("memory://")) if store is None else store
    storage = open_storage(url) if isinstance(url, str) else url
    if isinstance(url, str):
        await storage.open()
    engine = Engine(
        storage=storage,
        models=script,
        tokenizer=TOKENIZER,
        library=library,
        settings=EngineSettings(**settings),
        crew=crew_of(registered=server_tools or {}),
    )
    await engine.open(alone=alone)
    try:
        yield House(engine, script, storage, library)
    finally:
        await engine.drain(0)
        await engine.close()
        if isinstance(url, str):
            await storage.close()
        surroundings.close()
        _OPEN.set(_OPEN.get() - 1)
    assert script.open == 0, "a model was left speaking"
    if outermost and (isinstance(url, str) or backends.CHOSEN == backends.DEFAULT):  # drivers have tasks of their own
        if (
            left := asyncio.all_tasks() - before
        ) and backends.CHOSEN != backends.DEFAULT:  # a driver that is just closing
            await asyncio.wait(left, timeout=5)
        assert asyncio.all_tasks() == before, "a task was left at work"


def request(said: str | Sequence[Message], **fields: Any) -> RunRequest:
    """A chat request; a text is the user's. Sampling parameters may stand among the fields."""
    messages = (Message("user", said),) if isinstance(said, str) else tuple(said)
    sampling = {name: fields.pop(name) for name in list(fields) if name in Params.__dataclass_fields__}
    return RunRequest(TENANT, messages, **{"params": Params(**sampling), **fields})


def outputs(run: Run, *texts: str) -> list[Message]:
    """The tool messages that answer the calls a run waits for, in order."""
    return [Message("tool", text, tool_call_id=id) for id, text in zip(run.required, texts, strict=True)]


def asking(run: Run) -> Message:
    """The assistant message with the calls a run waits for, as a client keeps it."""
    calls = tuple(ToolCall(each.id, each.name, each.arguments) for each in run.open_calls)
    return Message("assistant", "", tool_calls=calls)


def calls_of(message: Message) -> str:
    return "".join(f" {call.name}({call.arguments})" for call in message.tool_calls)


def text_of(heard: Sequence[ev.Event]) -> str:
    """What a client has read that shows deltas only."""
    return "".join(event.text for event in heard if isinstance(event, ev.TextDelta))


def names(heard: Sequence[ev.Event]) -> list[str]:
    """The kinds of events in order, neighbours of one kind once."""
    kinds = [type(event).__name__ for event in heard]
    return [kind for i, kind in enumerate(kinds) if i == 0 or kinds[i - 1] != kind]
