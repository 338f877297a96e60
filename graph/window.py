"""The window: which messages of a conversation fit the model's context."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress

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
    if not has_calls(messages):
        fitting = tuple(compress(messages, _kept(messages, tokens, range(len(messages)), limit)))
        return Window(fitting, len(messages) - len(fitting))
    blocks = _blocks(messages, tokens)
    firsts, sizes = [block.messages[0] for block in blocks], [block.tokens for block in blocks]
    whole = list(compress(blocks, _kept(firsts, sizes, [block.last for block in blocks], limit)))
    return Window(tuple(_joined(whole)), len(messages) - sum(block.received for block in whole))


def newest(messages: Sequence[Message], count: int | None) -> int:
    """Where the newest `count` messages begin; calls and their outputs do not count. None is all of them."""
    if count is None:
        return 0
    spoken = [index for index, message in enumerate(messages) if message.role != "tool" and not message.tool_calls]
    return spoken[-count] if count <= len(spoken) else 0


def answer_all(messages: Sequence[Message]) -> list[Message]:
    """The messages with each call's output directly behind it, as providers demand: outputs without a call are left out,
    calls without an output say so."""
    return _joined(_blocks(messages, [0] * len(messages))) if has_calls(messages) else list(messages)


def has_calls(messages: Sequence[Message]) -> bool:
    """Whether there are calls or outputs among the messages."""
    return any(message.tool_calls or message.role == "tool" for message in messages)


def _kept(firsts: Sequence[Message], sizes: Sequence[int], lasts: Sequence[int], limit: int) -> list[bool]:
    """Which blocks stay, each told by its first message, its tokens, and the place of its last message."""
    last_turn = _last_turn(firsts, lasts)
    kept = [index >= last_turn or first.role == "system" for index, first in enumerate(firsts)]
    spent = sum(compress(sizes, kept))
    if spent > limit:
        raise ContextTooLong(spent, limit)
    for index in range(last_turn - 1, -1, -1):
        if kept[index]:
            continue
        spent += sizes[index]
        if spent > limit:
            break
        kept[index] = True
    return kept


def _joined(blocks: Sequence[Block]) -> list[Message]:
    return [message for block in blocks for message in block.messages]


def _blocks(messages: Sequence[Message], tokens: Sequence[int]) -> list[Block]:
    """An output belongs to the newest call before it that has its id: ids may come back in later turns."""
    blocks: list[Block] = []
    waiting: dict[str | None, deque[tuple[Block, int]]] = {}
    for index, message in enumerate(messages):
        if message.role != "tool":
            blocks.append(block := Block([message], tokens[index], index))
            if message.tool_calls:
                block.messages += _not_answered(message)
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


def _last_turn(firsts: Sequence[Message], lasts: Sequence[int]) -> int:
    """The first block of the last turn, which may hold outputs of calls that were made before the user spoke."""
    said = next((lasts[index] for index in range(len(firsts) - 1, -1, -1) if firsts[index].role == "user"), None)
    if said is None:
        return max(0, len(firsts) - 1)
    return next(index for index, last in enumerate(lasts) if last >= said)
