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


@dataclass(slots=True)
class Block:
    """What is never parted: a message, and where it makes calls an output for each. `received` of them were given; the
    newest of these stands at `last`."""

    messages: list[Message]
    tokens: int
    last: int
    received: int = 1

    def answer(self, place: int, output: Message, tokens: int, index: int) -> None:
        self.messages[place] = output
        self.tokens += tokens
        self.last = index
        self.received += 1


def fit(messages: Sequence[Message], tokens: Sequence[int], limit: int) -> Window:
    """Leave out the oldest messages until the rest has at most `limit` tokens (`tokens` counts each message).

    System messages and the last turn (from the last user message on) always stay: raises `ContextTooLong` where they
    alone are too much. A call is never parted from its outputs, and calls that nobody answered say so.
    """
    blocks = _blocks(messages, tokens)
    last_turn = _last_turn(blocks)
    kept = {index for index, block in enumerate(blocks) if index >= last_turn or block.messages[0].role == "system"}
    spent = sum(blocks[index].tokens for index in kept)
    if spent > limit:
        raise ContextTooLong(spent, limit)
    for index in range(last_turn - 1, -1, -1):
        if index in kept:
            continue
        spent += blocks[index].tokens
        if spent > limit:
            break
        kept.add(index)
    whole = [block for index, block in enumerate(blocks) if index in kept]
    return Window(tuple(_joined(whole)), len(messages) - sum(block.received for block in whole))


def answer_all(messages: Sequence[Message]) -> list[Message]:
    """The messages with each call's output directly behind it, as providers demand: outputs without a call are left out,
    calls without an output say so."""
    if not any(message.tool_calls or message.role == "tool" for message in messages):
        return list(messages)
    return _joined(_blocks(messages, [0] * len(messages)))


def _joined(blocks: Sequence[Block]) -> list[Message]:
    return [message for block in blocks for message in block.messages]


def _blocks(messages: Sequence[Message], tokens: Sequence[int]) -> list[Block]:
    """An output belongs to the newest call before it that has its id: ids may come back in later turns."""
    blocks: list[Block] = []
    waiting: dict[str | None, deque[tuple[Block, int]]] = {}
    for index, message in enumerate(messages):
        if message.role != "tool":
            blocks.append(block := Block([message, *_not_answered(message)], tokens[index], index))
            if message.tool_calls:
                waiting |= _calls(block)
        elif calls := waiting.get(message.tool_call_id):
            block, place = calls.popleft()
            block.answer(place, message, tokens[index], index)
    return blocks


def _not_answered(message: Message) -> list[Message]:
    return [Message("tool", NOT_ANSWERED, tool_call_id=call.id) for call in message.tool_calls]


def _calls(block: Block) -> dict[str | None, deque[tuple[Block, int]]]:
    """A block's calls by id, each with the place of its output."""
    calls: dict[str | None, deque[tuple[Block, int]]] = {}
    for place, call in enumerate(block.messages[0].tool_calls, 1):
        calls.setdefault(call.id, deque()).append((block, place))
    return calls


def _last_turn(blocks: Sequence[Block]) -> int:
    """The first block of the last turn, which may hold outputs of calls that were made before the user spoke."""
    said = next((block.last for block in reversed(blocks) if block.messages[0].role == "user"), None)
    if said is None:
        return max(0, len(blocks) - 1)
    return next(index for index, block in enumerate(blocks) if block.last >= said)
