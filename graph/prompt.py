"""What the entry agent reads: who it is, the conversation, and what has happened in this run so far."""

from __future__ import annotations

from collections.abc import Sequence

from agents.agent import Agent
from agents.briefing import Finding
from agents.models.port import Message, ToolCall
from graph.items import Answer, Call, Item, Turn
from graph.items import Message as MessageItem
from graph.state import agent_name
from graph.window import NOT_ANSWERED

_APPLICATION = "# Instructions of the application you answer in"


def system(agent: Agent, application: str) -> Message:
    """One system message: providers differ in whether they take several."""
    if not application:
        return Message("system", agent.instructions)
    return Message("system", f"{agent.instructions}\n\n{_APPLICATION}\n\n{application}")


def render(items: Sequence[Item], inserted: Sequence[tuple[int, Message]] = ()) -> list[Message]:
    """The run's own turns as messages: each turn's calls with their outputs in the order of the calls. `inserted` are
    messages of the user that came with outputs, each with the number of items before it."""
    texts = {item.id: item.text for item in items if isinstance(item, MessageItem)}
    calls = {item.id: item for item in items if isinstance(item, Call)}
    answers = {item.call_id: item.output for item in items if isinstance(item, Answer)}
    waiting = list(inserted)
    result: list[Message] = []
    for index, item in enumerate(items):
        if isinstance(item, Turn) and (item.call_ids or item.message_id):
            while waiting and waiting[0][0] <= index:
                result.append(waiting.pop(0)[1])
            result += _turn(item, texts.get(item.message_id or "", ""), calls, answers)
    return [*result, *(message for _, message in waiting)]


def _turn(turn: Turn, text: str, calls: dict[str, Call], answers: dict[str, str]) -> list[Message]:
    made = tuple(ToolCall(id, calls[id].name, calls[id].arguments) for id in turn.call_ids)
    outputs = [Message("tool", answers.get(id, NOT_ANSWERED), tool_call_id=id) for id in turn.call_ids]
    return [Message("assistant", text, tool_calls=made), *outputs]


def findings(items: Sequence[Item]) -> list[Finding]:
    """What agents and tools of this run have found, in the order of the calls."""
    answers = {item.call_id: item for item in items if isinstance(item, Answer) and item.status == "ok"}
    return [
        Finding(agent_name(call.name), answers[call.id].output)
        for call in items
        if isinstance(call, Call) and call.id in answers
    ]


def put_together(items: Sequence[Item]) -> str:
    """An answer made of the findings alone, for when the model has none. Empty when there are none."""
    return "\n\n".join(finding.text for finding in findings(items))
