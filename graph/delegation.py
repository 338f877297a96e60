"""Answering a call inside: an agent works on its task, or a server tool runs. Whatever goes wrong becomes the answer."""

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
from agents.tools.port import Tool
from graph import events as ev
from graph.context import Context
from graph.items import Answer, AnswerStatus, Call, Item
from graph.prompt import findings
from graph.state import arguments_of
from graph.work import LostRun

log = logging.getLogger(__name__)
MAX_OUTPUT = 32 * 1024


async def answer(context: Context, call: Call, items: Sequence[Item]) -> Answer:
    """Have a call answered, record it, and return the answer."""
    entry = context.table.get(call.name)
    if entry is not None and entry.agent is not None:
        return await _delegate(context, entry.agent, call, items)
    output = await agents.use(entry.tool if entry else None, call.name, call.arguments, context.tool_context())
    answered = ev.CallAnswered(call.id, output.text, output.status, "server", context.citations.cited(output.text))
    await context.record(answered)
    return Answer(call.id, answered.output, answered.status, "server", answered.sources)


@dataclass(slots=True)
class Assignment:
    """An agent's work on one task, as it comes along."""

    agent: Agent
    status: ev.AgentStatus = "ok"
    output: str = ""
    calls: list[ev.AgentCall] = field(default_factory=list)

    def fail(self, status: ev.AgentStatus, why: str) -> None:
        self.status = status
        self.output = f"The {self.agent.name} {why}"

    @property
    def usage(self) -> Usage:
        return sum((call.usage for call in self.calls if call.usage), Usage())


async def _delegate(context: Context, agent: Agent, call: Call, items: Sequence[Item]) -> Answer:
    assignment = Assignment(agent)
    task = arguments_of(call).get("task")
    if not isinstance(task, str) or not task.strip():
        assignment.fail("error", "got no task: the arguments must be a JSON object with `task`, a text.")
    else:
        await _carry_out(context, assignment, call, task, items)
    status: AnswerStatus = "ok" if assignment.status == "ok" else "error"
    sources = context.citations.cited(assignment.output)
    await context.record(
        ev.AgentFinished(call.id, agent.name, assignment.status, assignment.usage, tuple(assignment.calls)),
        ev.CallAnswered(call.id, assignment.output, status, "agent", sources),
    )
    return Answer(call.id, assignment.output, status, "agent", sources)


async def _carry_out(context: Context, assignment: Assignment, call: Call, task: str, items: Sequence[Item]) -> None:
    """Let the agent work. An agent that fails, takes too long or says nothing is told to the supervisor."""
    try:
        async with asyncio.timeout(context.limits.agent_timeout):
            await _follow(context, assignment, call, task, items)
    except TimeoutError:
        assignment.fail("timeout", f"took more than {context.limits.agent_timeout:g} seconds.")
    except ModelError as error:
        assignment.fail("error", f"failed: {error.message}")
    except LostRun:
        raise
    except Exception:
        log.exception("the %s failed in run %s", assignment.agent.name, context.run_id)
        assignment.fail("error", "failed by a fault of its own.")


async def _follow(context: Context, assignment: Assignment, call: Call, task: str, items: Sequence[Item]) -> None:
    agent = assignment.agent
    prompt = brief(agent, task, context.user_text, findings(items))
    params = Params(stream=context.request.progress)
    steps = agents.work(context.model(agent.name), prompt, tools_of(agent), context.tool_context(), params)
    async with aclosing(steps) as pieces:
        async for piece in pieces:
            match piece:
                case Text(text) | Reasoning(text):
                    if context.request.progress:
                        context.emit(ev.AgentProgress(call.id, agent.name, text))
                case Step():
                    assignment.calls.append(_agent_call(piece))
                case Findings(text):
                    assignment.output = text.strip()
    if not assignment.output:
        assignment.fail("empty", "had nothing to say.")


def tools_of(agent: Agent) -> dict[str, Tool]:
    """The agent's own tools by name."""
    from agents.tools import TOOLS

    return {name: TOOLS[name] for name in agent.tools}


def _agent_call(step: Step) -> ev.AgentCall:
    output = step.output.text[:MAX_OUTPUT] if step.kind == "tool" else ""
    return ev.AgentCall(
        step.kind, step.name, step.arguments, output, step.output.status, step.started_at, step.ended_at, step.usage
    )
