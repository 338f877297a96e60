"""A log under test, and stores that count or that let something happen in between."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

import orjson

from agents.models.port import ImagePart, Message, TextPart, ToolCall
from graph import history, messages
from graph.attachments import THRESHOLD, blob_key
from graph.conversations import Conversations, Head
from graph.ids import new_id
from graph.messages import StoredMessage
from graph.request import History
from graph.storage import Append, Conflict, Document, Put, Storage, Write
from graph.tokens import Tokenizer
from graph.vocabularies import FourCharacters

TOKENIZER = Tokenizer(FourCharacters)
KINDS = ("conversation", "message", "branch", "alias", "run")
BIG = "data:image/png;base64," + "A" * THRESHOLD
BIGGER = BIG + "B"


def user(text: str) -> Message:
    return Message("user", text)


def said(text: str) -> Message:
    return Message("assistant", text)


def image(url: str) -> Message:
    return Message("user", (TextPart("see"), ImagePart(url)))


def asks(id: str, text: str = "") -> Message:
    return Message("assistant", text, tool_calls=(ToolCall(id, "look", "{}"),))


def output(id: str) -> Message:
    return Message("tool", "out", tool_call_id=id)


def talk(turns: int, mark: str = "") -> list[Message]:
    return [each for n in range(turns) for each in (user(f"u{mark}{n}"), said(f"a{mark}{n}"))]


class Log:
    """Turns on a store, as the engine makes them."""

    def __init__(self, storage: Storage, ttl_hours: float = 24) -> None:
        self.storage = storage
        self.conversations = Conversations(storage, TOKENIZER, ttl_hours)

    async def turn(
        self,
        name: str | None,
        incoming: Sequence[Message],
        *answer: Message,
        tenant: str = "t",
        mode: History = "auto",
        head: Head | None = None,
        run_id: str | None = None,
        paused: str | None = None,
    ) -> Head:
        """Find, match, and add what is new with its answer; where another turn came first, behind it."""
        head = head or await self.conversations.find(tenant, name)
        units = history.units(incoming)
        found = await self.conversations.match(head, units, mode)
        tail = [message for unit in units[len(units) - found.new :] for message in unit.messages]
        block = [*map(stored, tail), *(replace(stored(each), run_id=run_id) for each in answer)]
        while True:
            writes, after = await self.conversations.block(head, found, block, paused=paused)
            try:
                await self.storage.commit(tenant, *writes)
            except Conflict:
                head = await self.conversations.find(tenant, name or head.name)
                found = history.Match("append", head.count, 0)
            else:
                return after

    async def active(self, id: str, tenant: str = "t") -> list[StoredMessage]:
        """The active branch, oldest first, as it is stored."""
        return [messages.decode(document) for document in await everything(self.storage, tenant, "message", id)]

    async def texts(self, id: str, tenant: str = "t") -> list[str]:
        return [each.message.text for each in await self.active(id, tenant)]

    async def branches(self, id: str) -> list[tuple[dict[str, Any], list[str]]]:
        """What is known of each side branch, and its texts."""
        found = []
        for document in await everything(self.storage, "t", "branch", id):
            moved = await everything(self.storage, "t", "message", f"{id}/{document.id}")
            texts = [messages.decode(each).message.text for each in moved]
            found.append((orjson.loads(document.body), texts))
        return found

    async def sound(self, head: Head) -> None:
        """What a head says is what stands there, and the digests are those of the whole list."""
        stored_head = await self.conversations.load(head.tenant, head.id)
        assert stored_head == replace(head, name=stored_head.name)
        active = await self.active(head.id, head.tenant)
        units = history.units(each.message for each in active)
        assert (head.count, head.size) == (len(units), len(active))
        closing = [(each.digest, each.chain) for each in active if each.chain]
        assert closing == history.chains(units)
        assert head.chain == (closing[-1][1] if closing else history.START)


def stored(message: Message) -> StoredMessage:
    return StoredMessage(new_id(), message, at=1_700_000_000_000)


async def everything(storage: Storage, tenant: str, kind: str, parent: str | None = None) -> list[Document]:
    return await storage.query(tenant, kind, parent=parent, order="asc", limit=100_000)


async def blob(storage: Storage, key: str, tenant: str = "t") -> bytes | None:
    try:
        return b"".join([chunk async for chunk in storage.get_blob(tenant, key)])
    except KeyError:
        return None


class Clock:
    """The time, as conversations see it."""

    hours = 0.0

    def __call__(self) -> int:
        return 1_700_000_000_000 + int(self.hours * 3_600_000)


def run_writes(run_id: str, conversation_id: str) -> list[Write]:
    return [Put("run", run_id, b"{}", parent=conversation_id), Append(f"run/{run_id}", (b"{}",))]


async def blob_keys(log: Log, id: str, packed: Sequence[StoredMessage] = ()) -> list[str]:
    """The keys of the blobs that a conversation's messages, side branches too, point to."""
    parents = [id, *(f"{id}/{each.id}" for each in await everything(log.storage, "t", "branch", id))]
    found = [*packed]
    for parent in parents:
        found += [messages.decode(each) for each in await everything(log.storage, "t", "message", parent)]
    urls = [part.url for each in found for part in each.message.content if isinstance(part, ImagePart)]
    keys = [blob_key(id, url.removeprefix("blob:")) for url in dict.fromkeys(urls)]
    assert all([await blob(log.storage, key) for key in keys])
    return keys


class Counting:
    """A store that counts calls, and the message documents that are read."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.calls: Counter[str] = Counter()
        self.messages_read = 0

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.storage, name)
        if name not in ("get", "get_many", "query"):
            self.calls[name] += 1
            return method

        async def counted(tenant: str, kind: str, *args: Any, **kwargs: Any) -> Any:
            self.calls[name] += 1
            found = await method(tenant, kind, *args, **kwargs)
            if kind == "message":
                self.messages_read += len(found) if isinstance(found, list) else 1
            return found

        return counted


class Late:
    """A store in which something else happens before the next commit, or behind the next look at what is due."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.before_commit: Hook | None = None
        self.after_due: Hook | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.storage, name)

    async def commit(self, tenant: str, *writes: Any) -> None:
        happens, self.before_commit = self.before_commit, None
        if happens is not None:
            await happens()
        await self.storage.commit(tenant, *writes)

    async def due(self, kind: str, until: int, limit: int = 100) -> list[tuple[str, str]]:
        found = await self.storage.due(kind, until, limit)
        happens, self.after_due = self.after_due, None
        if happens is not None:
            await happens()
        return found


Hook = Callable[[], Awaitable[object]]
