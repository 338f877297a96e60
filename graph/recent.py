"""The newest messages of the conversations that are going on in this process, so that a turn need not read them again.

What is remembered is never believed by itself: it was said up to a head's `mark`, and holds for a head with that mark.
Every head that is written has a mark of its own, whoever writes it. So another process, a branch or an edit can't make
it wrong, and a commit that failed leaves what no head will ever ask for.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, replace
from sys import getsizeof
from typing import NamedTuple, Protocol

from agents.models.port import Message
from graph.messages import StoredMessage

MEMORY = 32 * 1024 * 1024  # bytes: some 250 conversations of 8000 tokens, or thousands of short ones
NAMES = 4096
_EACH = 512  # what a message takes beside its text, measured
_EACH_CALL = 64


class Said(NamedTuple):
    """What a window needs of a stored message."""

    message: Message
    tokens: int
    run_id: str | None


@dataclass(frozen=True, slots=True)
class Tail:
    """The newest messages of a conversation, oldest first: all of them, or more than `limit` tokens."""

    said: tuple[Said, ...]
    limit: int
    tokens: int
    bytes: int

    @classmethod
    def of(cls, stored: Iterable[StoredMessage], limit: int) -> Tail:
        said = _said(stored)
        return cls(said, limit, _tokens(said), _bytes(said))

    def fills(self, limit: int, size: int, without_run: str | None) -> bool:
        """Whether a window of `limit` tokens over a conversation of `size` messages needs no older ones."""
        tokens = self.tokens
        if without_run is not None:
            tokens -= sum(each.tokens for each in self.said if each.run_id == without_run)
        return tokens > limit or len(self.said) >= size

    def newest(self, limit: int, without_run: str | None) -> Sequence[Said]:
        """The newest messages up to the one that goes beyond `limit` tokens; those of `without_run` count for nothing."""
        left = limit
        for place in range(len(self.said) - 1, -1, -1):
            each = self.said[place]
            left -= each.tokens if without_run is None or each.run_id != without_run else 0
            if left < 0:
                return self.said[place:]
        return self.said

    def grown(self, stored: Iterable[StoredMessage]) -> Tail:
        """With messages behind it, and without those that the limit no longer needs."""
        new = _said(stored)
        said, tokens, first = (*self.said, *new), self.tokens + _tokens(new), 0
        while first < len(said) and tokens - said[first].tokens > self.limit:
            tokens -= said[first].tokens
            first += 1
        size = self.bytes + _bytes(new) - _bytes(said[:first])
        return replace(self, said=said[first:], tokens=tokens, bytes=size)


class Marked(Protocol):
    """A conversation's head."""

    @property
    def tenant(self) -> str: ...
    @property
    def id(self) -> str: ...
    @property
    def mark(self) -> str: ...


class Recent:
    """Remembers the tails that were used last, `memory` bytes of them."""

    def __init__(self, memory: int = MEMORY) -> None:
        self._memory = memory
        self._bytes = 0
        self._tails: OrderedDict[tuple[str, str], tuple[str, Tail]] = OrderedDict()

    def get(self, head: Marked) -> Tail | None:
        """The tail of the conversation as this head has it, if it is remembered."""
        mark, tail = self._tails.get((head.tenant, head.id), ("", None))
        if tail is None or mark != head.mark:
            return None
        self._tails.move_to_end((head.tenant, head.id))
        return tail

    def keep(self, head: Marked, tail: Tail) -> None:
        """Remember what was read at this head."""
        self.forget(head.tenant, head.id)
        if not head.mark or tail.bytes > self._memory:
            return
        self._tails[head.tenant, head.id] = head.mark, tail
        self._bytes += tail.bytes
        while self._bytes > self._memory:
            _, (_, oldest) = self._tails.popitem(last=False)
            self._bytes -= oldest.bytes

    def grow(self, head: Marked, after: Marked, stored: Sequence[StoredMessage] | None) -> None:
        """Messages are about to be written behind `head`, which `after` will follow; None: it loses some of its own.
        Where they never are, nobody will come with that mark."""
        tail = self.get(head)
        if tail is None or stored is None:
            self.forget(head.tenant, head.id)
        else:
            self.keep(after, tail.grown(stored))

    def forget(self, tenant: str, id: str) -> None:
        """Remember nothing of a conversation."""
        _, tail = self._tails.pop((tenant, id), ("", None))
        if tail is not None:
            self._bytes -= tail.bytes


class Names:
    """Which conversation clients mean by names of their own, for the `most` that were used last. A name stays with its
    conversation as long as that is there: who finds it gone looks the name up again."""

    def __init__(self, most: int = NAMES) -> None:
        self._most = most
        self._ids: OrderedDict[tuple[str, str], str] = OrderedDict()

    def get(self, tenant: str, name: str) -> str | None:
        """The bare id, if it is remembered."""
        id = self._ids.get((tenant, name))
        if id is not None:
            self._ids.move_to_end((tenant, name))
        return id

    def keep(self, tenant: str, name: str, id: str) -> None:
        self._ids[tenant, name] = id
        self._ids.move_to_end((tenant, name))
        if len(self._ids) > self._most:
            self._ids.popitem(last=False)


def _said(stored: Iterable[StoredMessage]) -> tuple[Said, ...]:
    return tuple(Said(each.message, each.tokens, each.run_id) for each in stored)


def _tokens(said: Iterable[Said]) -> int:
    return sum(each.tokens for each in said)


def _bytes(said: Iterable[Said]) -> int:
    return sum(_EACH + _text_bytes(each.message) for each in said)


def _text_bytes(message: Message) -> int:
    """The bytes of what a message says; big data is not in it, but in blobs."""
    said = [message.name, message.tool_call_id, *(value for call in message.tool_calls for value in astuple(call))]
    if isinstance(message.content, str):
        said.append(message.content)
    else:
        said += [value for part in message.content for value in astuple(part)]
    return sum(map(getsizeof, said)) + _EACH_CALL * len(message.tool_calls)
