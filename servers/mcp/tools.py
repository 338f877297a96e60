"""What can be asked over MCP, the team or one of its agents, and how a call becomes a run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Annotated, Any, Final

import anyio
from pydantic import BaseModel, Field, StringConstraints, ValidationError

from agents.crew import Crew
from agents.models.port import Message
from graph import events as ev
from graph.engine import Engine
from graph.errors import NotFound, RunEnded, RunError
from graph.journal import Position
from graph.request import RunRequest
from graph.run import Run
from graph.storage.port import StorageError
from servers.chat_completions.conversation import valid_name
from servers.context import RequestContext
from servers.errors import ApiError, of_exception, of_run
from servers.settings import Settings

ASK: Final = "ask_"
_TEAM: Final = "Answers a question or carries out a task with a team of agents, and says where it knows things from."

Progress = Callable[[float, float | None, str | None], Awaitable[None]]
"""Tells a caller how far its call is, if it has asked for that."""


class UnknownTool(Exception):
    """There is no tool of that name."""


class Arguments(BaseModel):
    """What a tool is called with."""

    task: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)] = Field(
        description="What to do or to answer, with everything that has to be known for it."
    )
    conversation_id: str | None = Field(
        None,
        description="A name of your choice for a conversation: calls with the same name know what was said before. "
        "Without it, a call knows nothing of others.",
    )


@dataclass(frozen=True, slots=True)
class Told:
    """What a caller hears: the answer and then its sources, or an error in words."""

    texts: tuple[str, ...]
    is_error: bool = False


class TeamTools:
    """One tool for the team, and one for each agent. A call is a run, which ends with the call."""

    def __init__(self, engine: Engine, crew: Crew, settings: Settings) -> None:
        self._engine, self._settings = engine, settings
        leader, *members = crew.names
        team = f"{ASK}team" if "team" not in members else f"{ASK}{leader}"
        self._agents = {team: leader, **{f"{ASK}{name}": name for name in members}}
        self._descriptions = {agent.name: agent.description for agent in crew.members} | {leader: _TEAM}

    def described(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Each tool's name, description and JSON schema."""
        schema = Arguments.model_json_schema()
        for name, agent in self._agents.items():
            yield name, self._descriptions[agent], schema

    async def call(self, request: RequestContext, name: str, arguments: Mapping[str, Any], progress: Progress) -> Told:
        """Have the task done. A call that is cancelled cancels its run. Raises `UnknownTool`."""
        if name not in self._agents:
            raise UnknownTool
        try:
            asked = self._request(request.tenant, self._agents[name], Arguments.model_validate(arguments))
            run = await self._engine.start(asked)
            request.run_id = run.id
            return _told(await self._finished(run, progress))
        except ValidationError as error:
            return Told((_complaint(error),), is_error=True)
        except (ApiError, RunError, StorageError) as error:
            return Told((of_exception(error).message,), is_error=True)

    def _request(self, tenant: str, agent: str, asked: Arguments) -> RunRequest:
        conversation = valid_name(asked.conversation_id) if asked.conversation_id else None
        return RunRequest(
            tenant,
            (Message("user", asked.task),),
            conversation=conversation,
            history="append",
            agent=agent,
            label=self._settings.model_name,
        )

    async def _finished(self, run: Run, progress: Progress) -> Run:
        """The run when it has ended; what happens in it is told on the way."""
        try:
            await self._tell(run, progress)
            return await self._engine.finished(run.tenant, run.id)
        except BaseException:
            with anyio.CancelScope(shield=True), suppress(NotFound, RunEnded):
                await self._engine.cancel(run.tenant, run.id)
            raise

    async def _tell(self, run: Run, progress: Progress) -> None:
        told = 0
        following = self._engine.follow(run.tenant, run.id, Position(run.journal_length, 0))
        async with aclosing(following) as batches:
            async for batch in batches:
                for sentence in filter(None, map(_sentence, batch)):
                    told += 1
                    await progress(told, None, sentence)


def _sentence(event: ev.Event) -> str | None:
    """What there is to say of an event while the answer is not there yet."""
    match event:
        case ev.AgentStarted(agent=agent, task=task):
            return f"The {agent} is at work: {task}"
        case ev.AgentFinished(agent=agent, status="ok"):
            return f"The {agent} has finished."
        case ev.AgentFinished(agent=agent):
            return f"The {agent} has failed."
        case _:
            return None


def _told(run: Run) -> Told:
    if error := of_run(run):
        return Told((error.message,), is_error=True)
    answer = "\n\n".join(message.text for message in run.messages if message.text)
    sources = [mark.source for message in run.messages for mark in message.annotations]
    named = dict.fromkeys(f"- {source.name}: {source.url}" for source in sources if source.url)
    return Told((answer, "\n".join(["Sources:", *named])) if named else (answer,))


def _complaint(error: ValidationError) -> str:
    told = error.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in told)
