"""The offline model on its own: prompts for each role, its replies, and runs of a small team around it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from agents import SUPERVISOR, TEAM, Agent
from agents.agent import Findings, Reply, work
from agents.briefing import Finding, brief
from agents.models.offline import OfflineModel
from agents.models.port import (
    Message,
    Params,
    Piece,
    ToolSpec,
)
from agents.supervisor import TRANSFER, transfers
from agents.tools import TOOLS
from agents.tools.port import Passage, Source, ToolContext

MODEL = OfflineModel()
TRANSFERS = transfers(TEAM)
WEATHER = ToolSpec(
    "get_weather",
    "The weather in a city.",
    {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
        },
        "required": ["city"],
    },
)
AGENTS_DOCUMENT = (
    "## What agents are\n\nAn AI agent is a program in which a model decides what to do next. "
    "Agents are growing 12 percent a year. Bread is baked in ovens."
)
TRENDS_DOCUMENT = "A trend in AI is that agents work in teams. Another trend is that answers name sources."
AGENTS_MARK, TRENDS_MARK = "【1†Agents】", "【2†Trends】"


class Shelf:
    """A library of two documents, found by any word about AI, agents or trends."""

    async def search(self, tenant: str, query: str, limit: int) -> Sequence[Passage]:
        if not {"ai", "agents", "trends"} & set(query.split()):
            return []
        documents = {"Agents": AGENTS_DOCUMENT, "Trends": TRENDS_DOCUMENT}
        return [Passage(Source(name, text), text, 1.0) for name, text in documents.items()]


def user(text: str) -> Message:
    return Message("user", text)


async def batches(messages: Sequence[Message], tools: Sequence[ToolSpec] = (), **params: Any) -> list[Sequence[Piece]]:
    return [batch async for batch in MODEL.stream(messages, tools, Params(**params))]


async def reply(messages: Sequence[Message], tools: Sequence[ToolSpec] = (), **params: Any) -> Reply:
    whole = Reply()
    for batch in await batches(messages, tools, **params):
        for piece in batch:
            whole.add(piece)
    return whole


async def lead(*messages: Message | str, tools: Sequence[ToolSpec] = TRANSFERS, **params: Any) -> Reply:
    """The supervisor's turn on these messages; texts are the user's."""
    spoken = [user(message) if isinstance(message, str) else message for message in messages]
    return await reply([Message("system", SUPERVISOR.instructions), *spoken], tools, **params)


def called(turn: Reply) -> list[str]:
    return [call.name.removeprefix(TRANSFER) for call in turn.tool_calls]


def answered(turn: Reply, *outputs: str) -> list[Message]:
    """A turn and the outputs of its calls, as the next prompt shows them."""
    tools = [
        Message("tool", output, tool_call_id=call.id) for call, output in zip(turn.tool_calls, outputs, strict=True)
    ]
    return [Message("assistant", turn.text, tool_calls=turn.tool_calls), *tools]


async def delegate(agent: Agent, task: str, request: str = "", findings: Sequence[Finding] = ()) -> str:
    """An agent's whole work on a task, with its real tools."""
    cited: list[Source] = []

    def cite(source: Source, shown: str = "") -> int:
        if source not in cited:
            cited.append(source)
        return cited.index(source) + 1

    tools = {name: TOOLS[name] for name in agent.tools}
    context = ToolContext("default", Shelf(), cite)
    text = ""
    async for piece in work(MODEL, brief(agent, task, request, findings), tools, context, Params()):
        if isinstance(piece, Findings):
            text = piece.text
    return text


async def run(*conversation: str) -> tuple[list[list[str]], str]:
    """A run of the whole team on the last text: who was called in each turn, and the answer."""
    by_name = {agent.name: agent for agent in TEAM}
    messages = [user(text) for text in conversation]
    findings: list[Finding] = []
    turns: list[list[str]] = []
    while len(turns) < 6:
        turn = await lead(*messages)
        if not turn.tool_calls:
            return turns, turn.text
        turns.append(called(turn))
        tasks = [(call.name.removeprefix(TRANSFER), json.loads(call.arguments)) for call in turn.tool_calls]
        outputs = [await delegate(by_name[name], given["task"], conversation[-1], findings) for name, given in tasks]
        if tasks[0][1].get("final"):
            return turns, outputs[0]
        findings += [Finding(name, output) for (name, _), output in zip(tasks, outputs, strict=True)]
        messages += answered(turn, *outputs)
    raise AssertionError(f"the run never ends: {turns}")
