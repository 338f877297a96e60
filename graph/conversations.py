"""The conversation log: one append-only list of messages per conversation, whatever dialect speaks of it.

A conversation has a head (how many units it holds, their chain, the run that is paused or at work in it) and messages.
It changes by blocks: what a turn said and what it answered, in one commit, at the head's version. One that nobody named
is kept as a single document until its id comes back.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field, replace

import orjson

from agents.models.port import Message
from graph import attachments, history, messages
from graph.events import now_ms
from graph.history import Match, Unit
from graph.ids import is_bare, new_id
from graph.messages import StoredMessage
from graph.storage.port import Conflict, Delete, Document, Drop, Put, Storage, Write
from graph.tokens import Tokenizer

_PREFIXES = ("thread_", "conv_")
_PAGE = 64


@dataclass(frozen=True, slots=True)
class Head:
    """A conversation as it stood when it was read. `version` 0: not stored yet.

    `name` is what its client calls it; `alias` says that this name has still to be written down. `packed` holds the
    messages of a conversation that nobody has named.
    """

    tenant: str
    id: str
    name: str
    version: int = 0
    count: int = 0
    size: int = 0
    chain: str = history.START
    paused: str | None = None
    active: str | None = None
    alias: bool = False
    anonymous: bool = False
    packed: tuple[StoredMessage, ...] = ()
    created_at: int = field(default_factory=now_ms)

    def body(self) -> bytes:
        fields = {
            "n": self.count,
            "size": self.size,
            "chain": self.chain,
            "paused": self.paused,
            "active": self.active,
            "anonymous": self.anonymous,
            "packed": [messages.to_dict(each) for each in self.packed],
            "created_at": self.created_at,
        }
        return orjson.dumps({key: value for key, value in fields.items() if value})


@dataclass(frozen=True, slots=True)
class StoredWindow:
    """The newest stored messages with their token counts, oldest first; `older` more were not read."""

    messages: tuple[Message, ...]
    tokens: tuple[int, ...]
    older: int


class Conversations:
    """Reads and writes conversations. `ttl_hours`: how long one that nobody named is kept; 0 = for ever."""

    def __init__(self, storage: Storage, tokenizer: Tokenizer, ttl_hours: float) -> None:
        self._storage = storage
        self._tokenizer = tokenizer
        self._ttl = int(ttl_hours * 3_600_000)

    async def find(self, tenant: str, name: str | None) -> Head:
        """The conversation of that name, new where there is none. Naming one that was anonymous makes it stay."""
        if name is None:
            id = new_id()
            return Head(tenant, id, f"conv_{id}", anonymous=True)
        bare = _bare(name)
        document = await self._storage.get(tenant, "conversation", bare)
        if document is None and not is_bare(bare):
            return await self._find_alias(tenant, name)
        head = _head(tenant, bare, name, document)
        return await self._unpack(head) if head.anonymous else head

    async def load(self, tenant: str, id: str) -> Head:
        """The conversation with that bare id, as it is."""
        return _head(tenant, id, f"conv_{id}", await self._storage.get(tenant, "conversation", id))

    async def match(self, head: Head, incoming: Sequence[Unit], mode: str) -> Match:
        """How a request's messages continue the conversation (`graph.history`)."""
        if mode == "append":
            return Match("append", head.count, len(incoming))
        if found := history.match(incoming, head.count, head.chain):
            if mode == "full" and found.kind == "append":
                return history.compare(incoming, head.count, await self._digests(head, head.count))
            return found
        newest = await self._digests(head, len(incoming) + 8)
        found = history.compare(incoming, head.count, newest)
        if found.kind == "window" or len(newest) == head.count:
            return found
        return history.compare(incoming, head.count, await self._digests(head, head.count))

    async def window(self, head: Head, limit: int, *, without_run: str | None = None) -> StoredWindow:
        """The newest messages, enough to fill `limit` tokens. `without_run` leaves out what that run has said itself."""
        found: list[StoredMessage] = []
        tokens, left = 0, head.size
        async for stored in self._newest_first(head):
            left -= 1
            if without_run is None or stored.run_id != without_run:
                found.append(stored)
                tokens += stored.tokens
            if tokens > limit:
                break
        found.reverse()
        contents = [await attachments.fetch(self._storage, head.tenant, head.id, each.message) for each in found]
        return StoredWindow(tuple(contents), tuple(each.tokens for each in found), max(0, left))

    async def block(
        self,
        head: Head,
        match: Match,
        said: Sequence[StoredMessage],
        *,
        paused: str | None = None,
        active: str | None = None,
    ) -> tuple[list[Write], Head]:
        """The writes that add a block after what `match` keeps, and the head after them."""
        ready = [await self._ready(head, each) for each in said]
        if head.anonymous:
            after = replace(head, packed=(*head.packed, *ready), paused=paused, active=active)
            return [self._put(after, head.version)], replace(after, version=head.version + 1)
        dropped, last = await self._beyond(head, match.keep) if match.keep < head.count else ([], None)
        chain = head.chain if not dropped else (last.chain if last and last.chain else history.START)
        closed, added, chain = _close(ready, chain)
        after = replace(
            head,
            count=match.keep + added,
            size=head.size - len(dropped) + len(closed),
            chain=chain,
            paused=paused,
            active=active,
            alias=False,
        )
        writes = [*_branch(head, dropped, last), *(_message(head.id, each) for each in closed)]
        writes.append(self._put(after, head.version))
        if head.alias:
            writes.append(Put("alias", head.name, head.id.encode(), expect=0))
        return writes, replace(after, version=head.version + 1)

    async def stored(self, tenant: str, conversation_id: str, ids: Sequence[str]) -> dict[str, StoredMessage]:
        """Messages by id, wherever they stand."""
        documents = await self._storage.get_many(tenant, "message", ids)
        found = {document.id: messages.decode(document.body) for document in documents}
        if len(found) < len(ids):
            head = await self.load(tenant, conversation_id)
            found.update({each.id: each for each in head.packed})
        return found

    async def forget(self, tenant: str, id: str) -> None:
        """Remove a conversation with its messages, runs and data."""
        head = await self.load(tenant, id)
        held = [stored async for stored in self._newest_first(head)]
        for each in (*held, *head.packed):
            for digest in attachments.digests(each.message):
                await self._storage.delete_blob(tenant, attachments.blob_key(id, digest))
        writes: list[Write] = [Delete("message", each.id) for each in held]
        while runs := await self._storage.query(tenant, "run", parent=id, limit=_PAGE):
            gone = [write for run in runs for write in (Delete("run", run.id), Drop(f"run/{run.id}"))]
            await self._storage.commit(tenant, *gone)
        await self._storage.commit(tenant, *writes, Delete("conversation", id))

    async def forget_expired(self) -> int:
        """Remove anonymous conversations whose time is over; returns how many."""
        due = await self._storage.due("conversation", now_ms())
        for tenant, id in due:
            await self.forget(tenant, id)
        return len(due)

    async def _find_alias(self, tenant: str, name: str) -> Head:
        alias = await self._storage.get(tenant, "alias", name)
        if alias is None:
            return Head(tenant, new_id(), name, alias=True)
        return replace(await self.load(tenant, alias.body.decode()), name=name)

    async def _unpack(self, head: Head) -> Head:
        """Turn a packed conversation into messages of their own."""
        named = replace(head, anonymous=False, packed=())
        writes, after = await self.block(
            named, Match("extend", 0, 0), head.packed, paused=head.paused, active=head.active
        )
        try:
            await self._storage.commit(head.tenant, *writes)
        except Conflict:  # somebody else has just done it, or added a turn
            return await self.find(head.tenant, head.name)
        return after

    async def _ready(self, head: Head, stored: StoredMessage) -> StoredMessage:
        if stored.tokens:
            return stored
        [tokens] = await self._tokenizer.counted([stored.message])
        message = await attachments.stow(self._storage, head.tenant, head.id, stored.message)
        return replace(stored, message=message, tokens=tokens)

    async def _digests(self, head: Head, units: int) -> list[tuple[str, str]]:
        """(digest, chain) of the newest units, oldest first."""
        closing = [each async for each in _first(self._newest_first(head), units)]
        return [(each.digest or "", each.chain or "") for each in reversed(closing)]

    async def _beyond(self, head: Head, keep: int) -> tuple[list[Document], StoredMessage | None]:
        """The documents after the first `keep` units, oldest first, and the last message before them."""
        dropped: list[Document] = []
        units = head.count
        async for document in self._documents(head):
            stored = messages.decode(document.body)
            if stored.chain is not None:
                if units == keep:
                    return dropped[::-1], stored
                units -= 1
            dropped.append(document)
        return dropped[::-1], None

    async def _newest_first(self, head: Head) -> AsyncIterator[StoredMessage]:
        async for document in self._documents(head):
            yield messages.decode(document.body)

    async def _documents(self, head: Head) -> AsyncIterator[Document]:
        """The active branch's documents, newest first, read in pages that grow."""
        after, page = None, _PAGE
        while documents := await self._storage.query(head.tenant, "message", parent=head.id, after=after, limit=page):
            for document in documents:
                yield document
            if len(documents) < page:
                return
            after, page = documents[-1].sequence, min(page * 2, 1000)

    def _put(self, head: Head, expect: int) -> Put:
        due = now_ms() + self._ttl if head.anonymous and self._ttl else None
        return Put("conversation", head.id, head.body(), expect=expect, due=due)


def _bare(name: str) -> str:
    for prefix in _PREFIXES:
        if name.startswith(prefix):
            return name.removeprefix(prefix)
    return name


def _head(tenant: str, id: str, name: str, document: Document | None) -> Head:
    if document is None:
        return Head(tenant, id, name)
    fields = orjson.loads(document.body)
    return Head(
        tenant,
        id,
        name,
        document.version,
        fields.get("n", 0),
        fields.get("size", 0),
        fields.get("chain", history.START),
        paused=fields.get("paused"),
        active=fields.get("active"),
        anonymous=fields.get("anonymous", False),
        packed=tuple(messages.from_dict(each) for each in fields.get("packed", ())),
        created_at=fields["created_at"],
    )


def _close(said: Sequence[StoredMessage], chain: str) -> tuple[list[StoredMessage], int, str]:
    """The messages with digest and chain on the last of each unit; how many units they are; the chain after them."""
    groups = history.units(each.message for each in said)
    waiting = iter(said)
    closed: list[StoredMessage] = []
    for unit in groups:
        members = list(_members(unit, waiting))
        [chain] = history.chain(chain, [unit.digest])
        closed += [*members[:-1], members[-1].closing(unit.digest, chain)]
    return closed, len(groups), chain


def _members(unit: Unit, waiting: Iterable[StoredMessage]) -> Iterable[StoredMessage]:
    """The stored messages of a unit; those that belong to none say nothing and are not kept."""
    wanted = iter(unit.messages)
    message = next(wanted, None)
    for stored in waiting:
        if stored.message is message:
            yield stored
            message = next(wanted, None)
            if message is None:
                return


def _message(conversation_id: str, stored: StoredMessage) -> Put:
    return Put("message", stored.id, messages.encode(stored), parent=conversation_id, label=stored.run_id, expect=0)


def _branch(head: Head, dropped: Sequence[Document], last: StoredMessage | None) -> list[Write]:
    """Move messages that leave the active branch to a side branch, where they can still be read."""
    if not dropped:
        return []
    branch = new_id()
    side = f"{head.id}/{branch}"
    info = {"created_at": now_ms(), "parent_message_id": last.id if last else None, "message_count": len(dropped)}
    moved = [Put("message", each.id, each.body, parent=side, label=each.label, expect=each.version) for each in dropped]
    return [*moved, Put("branch", branch, orjson.dumps(info), parent=head.id, expect=0)]


async def _first(stored: AsyncIterator[StoredMessage], units: int) -> AsyncIterator[StoredMessage]:
    """The closing messages among the newest, at most `units` of them."""
    found = 0
    async for each in stored:
        if each.chain is not None:
            yield each
            found += 1
            if found == units:
                return
