"""Answering a call inside: an agent works on its task, or a tool of the server runs. Whatever goes wrong becomes the
answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from agents import agent as agents
from agents.agent import Agent, Findings, Step
from agents.briefing import brief
from agents.models.port import ModelError, Params, Reasoning, Text, Usage
from agents.tools.port import Made, Tool, ToolOutput
from graph import events as ev
from graph.context import Context
from graph.items import Answer, AnswerStatus, Call, Item
from graph.prompt import findings
from graph.state import agent_name, arguments_of, newest_turn

log = logging.getLogger(__name__)
MAX_OUTPUT = 32 * 1024
MAX_CALLS = 16
"""How many calls of one turn are answered inside; a model that runs wild must not cost without limit."""


class NothingToSay(Exception):
    """An agent whose text is empty."""


class NoTask(Exception):
    """A delegation without a task."""


async def answer(context: Context, call: Call, items: Sequence[Item]) -> Answer:
    """Have a call answered, record it, and return the answer."""
    if _beyond(items, call):
        return await _refused(context, call)
    entry = context.table.get(call.name)
    if entry is not None and entry.agent is not None:
        return await _delegate(context, entry.agent, call, items)
    output = await _use(context, entry.tool if entry else None, call)
    sources = context.citations.cited(output.text)
    answered = ev.CallAnswered(
        call.id, output.text, output.status, "server", sources, found=output.found, made=output.made
    )
    await context.record(answered)
    return Answer(call.id, answered.output, answered.status, "server", answered.sources, answered.made)


def _beyond(items: Sequence[Item], call: Call) -> bool:
    """Whether the turn has made `MAX_CALLS` before this one."""
    turn = newest_turn(items)
    return turn is not None and call.id in turn.call_ids[MAX_CALLS:]


async def _refused(context: Context, call: Call) -> Answer:
    why = f"Not done: a turn may make at most {MAX_CALLS} calls. Go on with what there is."
    answered = ev.CallAnswered(call.id, why, "error", "server")
    if call.kind == "delegation":
        await context.record(ev.AgentFinished(call.id, agent_name(call.name), "error", Usage()), answered)
    else:
        await context.record(answered)
    return Answer(call.id, why, "error", "server")


async def _use(context: Context, tool: Tool | None, call: Call) -> ToolOutput:
    """Run a tool of the server; it has as long as an agent."""
    limit = context.limits.agent_timeout
    try:
        async with asyncio.timeout(limit):
            return await agents.use(tool, call.name, call.arguments, context.tool_context())
    except TimeoutError:
        return ToolOutput(f"The tool took more than {limit:g} seconds.", "error")


def task_of(call: Call) -> str:
    """The task of a delegation; empty where the model wrote none."""
    task = arguments_of(call).get("task")
    return task if isinstance(task, str) and task.strip() else ""


def failure(context: Context, agent: Agent, error: Exception) -> tuple[ev.AgentStatus, str]:
    """What an agent's failure is, and a sentence for the supervisor."""
    match error:
        case TimeoutError():
            return "timeout", f"The {agent.name} took more than {context.limits.agent_timeout:g} seconds."
        case NothingToSay():
            return "empty", f"The {agent.name} had nothing to say."
        case NoTask():
            return "error", f"The {agent.name} got no task: the arguments must be a JSON object with `task`, a text."
        case ModelError():
            return "error", f"The {agent.name} failed: {error.message}"
        case _:
            log.error("the %s failed in run %s", agent.name, context.run_id, exc_info=error)
            return "error", f"The {agent.name} failed by a fault of its own."


@dataclass(slots=True)
class Assignment:
    """An agent's work on one task, as it comes along."""

    agent: Agent
    status: ev.AgentStatus = "ok"
    output: str = ""
    calls: list[ev.AgentCall] = field(default_factory=list)

    @property
    def usage(self) -> Usage:
        return sum((call.usage for call in self.calls if call.usage), Usage())

    @property
    def made(self) -> tuple[Made, ...]:
        """The files that its programs have made."""
        return tuple(made for call in self.calls for made in call.made)


async def _delegate(context: Context, agent: Agent, call: Call, items: Sequence[Item]) -> Answer:
    assignment = Assignment(agent)
    try:
        async with asyncio.timeout(context.limits.agent_timeout):
            await _carry_out(context, assignment, call, items)
    except Exception as error:  # an agent that fails is told to the supervisor, which goes on without it
        assignment.status, assignment.output = failure(context, agent, error)
    status: AnswerStatus = "ok" if assignment.status == "ok" else "error"
    sources = context.citations.cited(assignment.output)
    await context.record(
        ev.AgentFinished(call.id, agent.name, assignment.status, assignment.usage, tuple(assignment.calls)),
        ev.CallAnswered(call.id, assignment.output, status, "agent", sources, made=assignment.made),
    )
    return Answer(call.id, assignment.output, status, "agent", sources, assignment.made)


async def _carry_out(context: Context, assignment: Assignment, call: Call, items: Sequence[Item]) -> None:
    """Let the agent work until it has reported."""
    agent, task = assignment.agent, task_of(call)
    if not task:
        raise NoTask
    prompt = brief(agent, task, context.user_text, findings(items), context.attached)
    params = Params(stream=context.request.progress)
    tools = context.tools_of(agent)
    steps = agents.work(context.model(agent.name), prompt, tools, context.tool_context(), params)
    async with aclosing(steps) as pieces:
        async for piece in pieces:
            match piece:
                case Text(text) | Reasoning(text):
                    if context.request.progress:
                        context.emit(ev.AgentProgress(call.id, agent.name, text))
                case Step():
                    assignment.calls.append(_agent_call(piece))
                case Findings(text):
                    assignment.output = context.citations.checked(text.strip(), context.user_text)
    if not assignment.output:
        raise NothingToSay


def _agent_call(step: Step) -> ev.AgentCall:
    output = step.output.text[:MAX_OUTPUT] if step.kind == "tool" else ""
    return ev.AgentCall(
        step.kind,
        step.name,
        step.arguments,
        output,
        step.output.status,
        step.started_at,
        step.ended_at,
        step.usage,
        step.output.found,
        step.output.made,
    )
