"""What an engine under test stands on: models that play what a test has written, and a small library."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from agents.models.port import (
    CallPart,
    Finish,
    FinishReason,
    Message,
    ModelUnavailable,
    Params,
    Piece,
    Refusal,
    Text,
    ToolSpec,
    Usage,
    Used,
)
from agents.tools.port import Passage, Source, Tool, ToolContext, ToolOutput

SPENT = Usage(10, 5)
ROME = ("weather", {"place": "Rome"})
OSLO = ("weather", {"place": "Oslo"})


class Gate:
    """A place in a reply where the model stops until the test lets it on. `reached` says that it is there."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.open = asyncio.Event()


Step = Sequence[Piece] | Gate | asyncio.Barrier | BaseException
"""A batch of pieces, or what happens between two batches."""
Reply = Sequence[Step]


def say(*pieces: str, finish: FinishReason = "stop", usage: Usage | None = SPENT) -> Reply:
    """A reply in words, one batch for each piece."""
    return [*([Text(piece)] for piece in pieces), _end(finish, usage)]


def refuse(*pieces: str) -> Reply:
    """A reply that says why there is no answer."""
    return [*([Refusal(piece)] for piece in pieces), _end("stop", SPENT)]


def call(*calls: tuple[str, object], words: str = "", usage: Usage | None = SPENT) -> Reply:
    """A reply that calls tools; arguments that are no text are written as JSON. The words come first."""
    parts = [CallPart(i, _json(arguments), f"up_{i}", name) for i, (name, arguments) in enumerate(calls)]
    return [*([[Text(words)]] if words else []), parts, _end("tool_calls", usage)]


def delegate(words: str = "", **tasks: str) -> Reply:
    """A reply that transfers to agents, by name."""
    return call(*((f"transfer_to_{agent}", {"task": task}) for agent, task in tasks.items()), words=words)


def final(task: str = "write it") -> Reply:
    """A reply that makes the writer's text the answer."""
    return call(("transfer_to_writer", {"task": task, "final": True}))


def _json(arguments: object) -> str:
    return arguments if isinstance(arguments, str) else orjson.dumps(arguments).decode()


def _end(finish: FinishReason, usage: Usage | None) -> list[Piece]:
    return [Finish(finish), *([Used(usage, "scripted-1")] if usage else [])]


@dataclass(frozen=True, slots=True)
class Asked:
    """A call of a model: who asked what, with which tools."""

    agent: str
    override: str | None
    prompt: tuple[Message, ...]
    tools: tuple[str, ...]
    params: Params

    @property
    def text(self) -> str:
        """All that the prompt says."""
        return "\n".join(message.text for message in self.prompt)

    @property
    def talk(self) -> list[tuple[str, str]]:
        """The prompt without its system message."""
        return [(message.role, message.text) for message in self.prompt if message.role != "system"]


class Script:
    """Models for every agent, each playing its replies in order. A reply too many is a failure of the model."""

    def __init__(self, **replies: Sequence[Reply]) -> None:
        self._replies = {agent: list(each) for agent, each in replies.items()}
        self.asked: list[Asked] = []
        self.without_logprobs: set[str] = set()
        self.open = 0

    def add(self, **replies: Sequence[Reply]) -> None:
        """More replies, behind those that are left."""
        for agent, each in replies.items():
            self._replies.setdefault(agent, []).extend(each)

    def for_agent(self, agent: str, override: str | None) -> _Seat:
        return _Seat(self, agent, override)

    @property
    def agents(self) -> list[str]:
        """Who was asked, in order."""
        return [each.agent for each in self.asked]

    def asked_of(self, agent: str) -> list[Asked]:
        return [each for each in self.asked if each.agent == agent]

    def left(self) -> dict[str, int]:
        """The replies that nobody has asked for."""
        return {agent: len(each) for agent, each in self._replies.items() if each}

    def next(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        replies = self._replies.get(asked.agent)
        return replies.pop(0) if replies else [ModelUnavailable(f"no reply is left for the {asked.agent}")]


class _Seat:
    """The model of one agent."""

    fingerprint = None

    def __init__(self, script: Script, agent: str, override: str | None) -> None:
        self._script, self._agent, self._override = script, agent, override
        self.name = override or "scripted"
        self.gives_logprobs = agent not in script.without_logprobs

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec], params: Params
    ) -> AsyncGenerator[Sequence[Piece], None]:
        names = tuple(tool.name for tool in tools)
        reply = self._script.next(Asked(self._agent, self._override, tuple(messages), names, params))
        self._script.open += 1
        try:
            for step in reply:
                match step:
                    case Gate():
                        step.reached.set()
                        await step.open.wait()
                    case asyncio.Barrier():
                        await step.wait()
                    case BaseException():
                        raise step
                    case _:
                        yield step
        finally:
            self._script.open -= 1

    async def close(self) -> None:
        """Nothing to give back."""


class Shelf:
    """A library of a few documents, each a source of its own."""

    def __init__(self, **documents: str) -> None:
        self._documents = documents
        self.queries: list[tuple[str, str]] = []

    async def search(self, tenant: str, query: str, limit: int) -> Sequence[Passage]:
        self.queries.append((tenant, query))
        found = [(name, text) for name, text in self._documents.items() if query in text]
        return [Passage(Source(f"{name}.md", text), text, 1.0) for name, text in found[:limit]]


def tool(name: str, answer: str | Exception | Gate) -> Tool:
    """A tool of the server."""

    async def run(arguments: Mapping[str, Any], context: ToolContext) -> ToolOutput:
        if isinstance(answer, Gate):
            await answer.open.wait()
        if isinstance(answer, Exception):
            raise answer
        mark = context.cite(Source("log.txt"))
        return ToolOutput(f"{answer} {sorted(arguments.items())} 【{mark}†log.txt】")

    return Tool(ToolSpec(name, "A tool of the server."), run)
