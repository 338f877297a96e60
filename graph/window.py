"""The window: which messages of a conversation fit the model's context."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from agents.models.port import Message
from graph.errors import ContextTooLong

NOT_ANSWERED = "(not answered)"


@dataclass(frozen=True, slots=True)
class Window:
    """The messages that fit, oldest first, and how many were left out."""

    messages: tuple[Message, ...]
    left_out: int = 0


def fit(messages: Sequence[Message], tokens: Sequence[int], limit: int) -> Window:
    """Leave out the oldest messages until the rest has at most `limit` tokens (`tokens` counts each message).

    System messages and the last turn (from the last user message on) always stay: raises `ContextTooLong` where they
    alone are too much. A call is never parted from its outputs, and calls that nobody answered say so.
    """
    last_turn = _last_turn(messages)
    kept = {index for index, message in enumerate(messages) if index >= last_turn or message.role == "system"}
    spent = sum(tokens[index] for index in kept)
    if spent > limit:
        raise ContextTooLong(spent, limit)
    for index in range(last_turn - 1, -1, -1):
        if index in kept:
            continue
        spent += tokens[index]
        if spent > limit:
            break
        kept.add(index)
    whole = [message for index, message in enumerate(messages) if index in kept]
    return Window(tuple(answer_all(whole)), len(messages) - len(whole))


def answer_all(messages: Sequence[Message]) -> list[Message]:
    """The messages with each call's output directly behind it, as providers demand: outputs without a call are left out,
    calls without an output say so."""
    outputs: dict[str | None, deque[Message]] = {}
    for message in messages:
        if message.role == "tool":
            outputs.setdefault(message.tool_call_id, deque()).append(message)
    result: list[Message] = []
    for message in messages:
        if message.role != "tool":
            result.append(message)
            result += [_output(call.id, outputs) for call in message.tool_calls]
    return result


def _output(call_id: str, outputs: dict[str | None, deque[Message]]) -> Message:
    waiting = outputs.get(call_id)
    return waiting.popleft() if waiting else Message("tool", NOT_ANSWERED, tool_call_id=call_id)


def _last_turn(messages: Sequence[Message]) -> int:
    for index in range(len(messages) - 1, -1, -1):
        if messages[index].role == "user":
            return index
    return max(0, len(messages) - 1)
