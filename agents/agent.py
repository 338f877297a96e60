"""What an agent is, and how it works: a short loop over its model and its tools.

An agent yields pieces; whoever runs it makes events of them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Literal

import orjson

from agents.models.port import (
    CallPart,
    Finish,
    FinishReason,
    Message,
    Model,
    Params,
    Piece,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    Usage,
    Used,
)
from agents.tools.port import Tool, ToolContext, ToolOutput

MAX_STEPS = 6


@dataclass(frozen=True, slots=True)
class Agent:
    """A member of the team. `description` is what the supervisor knows of it; `tools` are names of what its crew has (`agents.crew`)."""

    name: str
    description: str
    instructions: str
    tools: tuple[str, ...] = ()


@dataclass(slots=True)
class Reply:
    """A model's reply as it is put together from pieces."""

    text: str = ""
    calls: dict[int, ToolCall] | None = None
    finish: FinishReason = "stop"
    usage: Usage | None = None
    model: str | None = None

    def add(self, piece: Piece) -> None:
        match piece:
            case Text(text) | Refusal(text):  # to who gave the task, both are a report
                self.text += text
            case CallPart():
                self._add_call(piece)
            case Finish(reason):
                self.finish = reason
            case Used(usage, model):
                self.usage, self.model = usage, model or self.model
            case Reasoning():
                pass

    def _add_call(self, part: CallPart) -> None:
        calls = self.calls = self.calls or {}
        known = calls.get(part.index)
        if known is None:
            calls[part.index] = ToolCall(part.id or "", part.name or "", part.arguments)
        else:
            calls[part.index] = replace(
                known,
                id=known.id or part.id or "",
                name=known.name or part.name or "",
                arguments=known.arguments + part.arguments,
            )

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The calls in the order of their index, each with an id of its own."""
        calls = self.calls or {}
        return tuple(replace(calls[index], id=calls[index].id or f"call_{index}") for index in sorted(calls))


@dataclass(frozen=True, slots=True)
class Step:
    """A model or tool call that an agent has made. Times are epoch milliseconds."""

    kind: Literal["tool", "model"]
    name: str
    arguments: str
    output: ToolOutput
    started_at: int
    ended_at: int
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Findings:
    """What an agent reports, with why it stopped. The last thing that `work` yields."""

    text: str
    finish: FinishReason


async def work(
    model: Model, messages: Sequence[Message], tools: Mapping[str, Tool], context: ToolContext, params: Params
) -> AsyncGenerator[Text | Reasoning | Step | Findings, None]:
    """Let a model work with tools until it answers in words. Its last step, after `MAX_STEPS`, has no tools.

    Raises `ModelError` where the model fails; a failing tool is told to the model instead.
    """
    prompt = list(messages)
    specs = [tool.spec for tool in tools.values()]
    for number in range(1, MAX_STEPS + 1):
        offered = specs if number < MAX_STEPS else []
        started, reply = _now(), Reply()
        async with aclosing(model.stream(prompt, offered, params)) as batches:
            async for piece in flatten(batches):
                reply.add(piece)
                if isinstance(piece, Text | Reasoning):
                    yield piece
        yield Step("model", reply.model or model.name, "", ToolOutput(reply.text), started, _now(), reply.usage)
        calls = reply.tool_calls if offered else ()
        if not calls:
            yield Findings(reply.text, reply.finish)
            return
        prompt.append(Message("assistant", reply.text, tool_calls=calls))
        steps = await asyncio.gather(*(_use(call, tools, context) for call in calls))
        for call, step in zip(calls, steps, strict=True):
            yield step
            prompt.append(Message("tool", step.output.text, tool_call_id=call.id))


async def use(tool: Tool | None, name: str, arguments: str, context: ToolContext) -> ToolOutput:
    """Run a tool by the arguments a model wrote. Whatever goes wrong is an error output: a sentence for the model."""
    if tool is None:
        return ToolOutput(f"There is no tool called {name!r}.", "error")
    try:
        parsed = orjson.loads(arguments or b"{}")
    except orjson.JSONDecodeError:
        parsed = None
    if not isinstance(parsed, dict):
        return ToolOutput("The arguments are no JSON object. Write them again.", "error")
    try:
        return await tool.run(parsed, context)
    except Exception as error:  # a tool is somebody's code: its failure is the model's to handle
        return ToolOutput(f"The tool failed: {type(error).__name__}: {error}", "error")


async def _use(call: ToolCall, tools: Mapping[str, Tool], context: ToolContext) -> Step:
    started = _now()
    output = await use(tools.get(call.name), call.name, call.arguments, context)
    return Step("tool", call.name, call.arguments, output, started, _now())


def _now() -> int:
    return time.time_ns() // 1_000_000


async def flatten(batches: AsyncIterator[Sequence[Piece]]) -> AsyncIterator[Piece]:
    """The pieces of a model's batches, one by one."""
    async for batch in batches:
        for piece in batch:
            yield piece
