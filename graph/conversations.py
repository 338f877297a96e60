"""The conversation log: one append-only list of messages per conversation, whatever dialect speaks of it.

A conversation has a head (how many units it holds, their chain, the run that is paused or at work in it) and messages.
It changes by blocks: what a turn said and what it answered, in one commit, at the head's version. One that nobody named
is kept as a single document until its id comes back. The newest messages of conversations that are going on are
remembered (`graph.recent`), so that a turn reads nothing but the head.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Iterable, Sequence, Set
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from agents.models.port import Message
from graph import attachments, blocks, history, messages
from graph.blocks import End, Kept
from graph.events import now_ms
from graph.history import Match, Unit
from graph.ids import conversation_id, is_bare, new_id
from graph.messages import StoredMessage
from graph.recent import Names, Recent, Tail
from graph.request import History
from graph.storage.port import Conflict, Delete, Document, Drop, Put, Storage, Write, lifetime
from graph.tokens import Tokenizer

_PAGE = 16
_SWEPT = 100
_AT_ONCE = 100  # documents that are removed together
_REMAINS = "conversation_remains"


@dataclass(frozen=True, slots=True)
class Head:
    """A conversation as it stood when it was read. `version` 0: not stored yet.

    `count` units in `size` messages; `spoken`: the last unit is the assistant's. `name` is what its client calls it;
    `alias` says that this name has still to be written down. `packed` holds the messages of a conversation that nobody
    has named. `paused` and `active` are runs: one that waits for its client, and a durable one at work. `mark` is drawn
    anew for every head that is written: who knows what was said up to a mark knows it as long as the mark stands.
    """

    tenant: str
    id: str
    name: str
    version: int = 0
    count: int = 0
    size: int = 0
    chain: str = history.START
    spoken: bool = False
    paused: str | None = None
    active: str | None = None
    alias: bool = False
    anonymous: bool = False
    packed: tuple[StoredMessage, ...] = ()
    mark: str = ""
    created_at: int = field(default_factory=now_ms)

    def next(self, **changes: Any) -> Head:
        """The head that is written after this one."""
        return replace(self, version=self.version + 1, mark=secrets.token_urlsafe(6), **changes)

    def body(self) -> bytes:
        fields = {
            "n": self.count,
            "size": self.size,
            "chain": self.chain,
            "spoken": self.spoken,
            "paused": self.paused,
            "active": self.active,
            "anonymous": self.anonymous,
            "packed": [messages.to_dict(each) for each in self.packed],
            "mark": self.mark,
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
    """Reads and writes conversations. `ttl_hours`: how long one that nobody named is kept; 0 = for ever. The store may give
    a time to all of them (`lifetime`)."""

    def __init__(self, storage: Storage, tokenizer: Tokenizer, ttl_hours: float) -> None:
        self._storage = storage
        self._tokenizer = tokenizer
        self._ttl = int(ttl_hours * 3_600_000)
        self._lifetime = lifetime(storage) * 1000
        self._recent = Recent()
        self._names = Names()
        self._limit = 0  # of the largest window that anybody wanted

    async def find(self, tenant: str, name: str | None) -> Head:
        """The conversation of that name, new where there is none. Naming one that was anonymous makes it stay."""
        if not name:
            id = new_id()
            return Head(tenant, id, f"conv_{id}", anonymous=True)
        known = self._names.get(tenant, name)
        if known is not None and (head := await self.load(tenant, known)).version:
            return replace(head, name=name)
        bare = conversation_id(name)
        document = await self._storage.get(tenant, "conversation", bare)
        if document is None and not is_bare(bare):
            return await self._find_alias(tenant, name)
        head = _head(tenant, bare, name, document)
        return await self._unpack(head) if head.anonymous else head

    async def load(self, tenant: str, id: str) -> Head:
        """The conversation with that bare id, as it is."""
        return _head(tenant, id, f"conv_{id}", await self._storage.get(tenant, "conversation", id))

    async def match(self, head: Head, incoming: Sequence[Unit], mode: History) -> Match:
        """How a request's messages continue the conversation (`graph.history`). Reads back as far as they differ."""
        if mode == "append":
            return Match("append", head.count, len(incoming))
        found = history.match(incoming, head.count, head.chain)
        if mode == "full" and (found is None or found.kind == "append"):
            return history.replacing(incoming, head.count, await self._digests(head, incoming, head.count))
        if found is not None:
            return found
        near = await self._digests(head, incoming, len(incoming) + 8)
        found = history.compare(incoming, head.count, near)
        if found.kind == "window" or len(near) == head.count:
            return found
        return history.compare(incoming, head.count, await self._digests(head, incoming, head.count))

    async def window(self, head: Head, limit: int, *, without_run: str | None = None) -> StoredWindow:
        """The newest messages, enough to fill `limit` tokens. `without_run` leaves out what that run has said itself."""
        self._limit = max(self._limit, limit)
        known = self._recent.get(head)
        if known is None or not known.fills(limit, head.size, without_run):
            known = await self._read(head, limit, without_run)
            self._recent.keep(head, known)
        newest = known.newest(limit, without_run)
        found = [each for each in newest if without_run is None or each.run_id != without_run]
        contents = [
            each.message if isinstance(each.message.content, str) else await self._whole(head, each.message)
            for each in found
        ]
        size = head.size or len(head.packed)
        return StoredWindow(tuple(contents), tuple(each.tokens for each in found), max(0, size - len(newest)))

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
        ready = await self._ready(head, said)
        if head.anonymous:
            packed = (*head.packed, *ready)
            after = head.next(packed=packed, paused=paused, active=active)
            return [self._put(after)], after
        end = await self._end(head, match.keep, ready)
        reopened = [stored.closing(None, None) for _, stored in end.reopened]
        closed, units, chain = blocks.close([*reopened, *ready], end.chain)
        after = head.next(
            count=match.keep - bool(reopened) + len(units),
            size=head.size - len(end.dropped) + len(ready),
            chain=chain,
            spoken=units[-1].assistant if units else end.spoken,
            paused=paused,
            active=active,
            alias=False,
        )
        if head.version == 0:
            self._recent.keep(after, Tail.of((), self._limit).grown(ready))
        else:
            self._recent.grow(head, after, ready if match.keep == head.count else None)
        writes = [*blocks.branch_writes(head.id, end), *blocks.message_writes(head.id, end, closed)]
        writes.append(self._put(after))
        if head.alias:
            self._names.keep(head.tenant, head.name, head.id)
            writes.append(Put("alias", head.name, head.id.encode(), parent=head.id, expect=0))
        return writes, after

    async def stored(self, tenant: str, conversation_id: str, ids: Sequence[str]) -> dict[str, StoredMessage]:
        """Messages by id, wherever they stand."""
        documents = await self._storage.get_many(tenant, "message", ids)
        found = {document.id: messages.decode(document) for document in documents}
        if len(found) < len(ids):
            head = await self.load(tenant, conversation_id)
            found.update({each.id: each for each in head.packed})
        return found

    async def forget(self, tenant: str, id: str) -> None:
        """Remove a conversation with its thread, names, messages, branches, runs and data. What is said meanwhile goes too."""
        while not await self._remove(await self.load(tenant, id)):
            pass

    async def forget_expired(self) -> int:
        """Remove conversations whose time is over; returns how many."""
        until, forgotten = now_ms(), 0
        kept: set[tuple[str, str]] = set()
        while due := await self._over(until, kept):
            heads = [await self.load(tenant, id) for tenant, id in due]
            still = await self._over(until, kept)  # a turn that came before the head was read has given it more time
            for head in heads:
                key = head.tenant, head.id
                if key in still and self._may_go(head) and await self._remove(head):
                    forgotten += 1
                else:
                    kept.add(key)
                await asyncio.sleep(0)  # there may be thousands: let requests pass
        for tenant, remains in await self._storage.due(_REMAINS, until):
            await self._clear(tenant, remains)
        return forgotten

    async def _over(self, until: int, kept: Set[tuple[str, str]]) -> list[tuple[str, str]]:
        due = await self._storage.due("conversation", until, limit=_SWEPT + len(kept))
        return [key for key in due if key not in kept]

    def _may_go(self, head: Head) -> bool:
        return head.anonymous or (self._lifetime > 0 and head.active is None)

    async def _read(self, head: Head, limit: int, without_run: str | None) -> Tail:
        """The newest messages from the store, as many as fill `limit` tokens."""
        found: list[StoredMessage] = []
        tokens = 0
        async with aclosing(self._newest_first(head)) as newest:
            async for stored in newest:
                found.append(stored)
                tokens += stored.tokens if without_run is None or stored.run_id != without_run else 0
                if tokens > limit:
                    break
        return Tail.of(found[::-1], limit)

    async def _whole(self, head: Head, message: Message) -> Message:
        return await attachments.fetch(self._storage, head.tenant, head.id, message)

    async def _find_alias(self, tenant: str, name: str) -> Head:
        alias = await self._storage.get(tenant, "alias", name)
        if alias is None:
            return Head(tenant, new_id(), name, alias=True)
        id = alias.body.decode()
        self._names.keep(tenant, name, id)
        return replace(await self.load(tenant, id), name=name)

    async def _unpack(self, head: Head) -> Head:
        """Turn a packed conversation into messages of their own."""
        named = replace(head, anonymous=False, packed=(), mark="")  # what is remembered of it holds them already
        writes, after = await self.block(
            named, Match("extend", 0, 0), head.packed, paused=head.paused, active=head.active
        )
        try:
            await self._storage.commit(head.tenant, *writes)
        except Conflict:  # somebody else has just done it, or added a turn
            return await self.find(head.tenant, head.name)
        return after

    async def _ready(self, head: Head, said: Sequence[StoredMessage]) -> list[StoredMessage]:
        """The messages counted, and their big data stowed."""
        fresh = [each.message for each in said if not each.tokens]
        tokens = iter(await self._tokenizer.counted(fresh) if fresh else ())
        stowed = iter([await attachments.stow(self._storage, head.tenant, head.id, message) for message in fresh])
        return [each if each.tokens else replace(each, message=next(stowed), tokens=next(tokens)) for each in said]

    async def _end(self, head: Head, keep: int, ready: Sequence[StoredMessage]) -> End:
        """What a block is put behind. Nothing is read where all stays, and its first words go on with no words before."""
        joins = keep > 0 and blocks.joins(ready)
        if keep < head.count:
            beyond, last = await self._beyond(head, keep - joins)
            return blocks.end_within(beyond, last) if joins else blocks.end_before(beyond, last)
        if not (joins and head.spoken):
            return End(head.chain, head.spoken)
        beyond, last = await self._beyond(head, keep - 1)
        return replace(blocks.end_within(beyond, last), dropped=())

    async def _digests(self, head: Head, incoming: Sequence[Unit], units: int) -> list[tuple[str, str]]:
        """(digest, chain) of the newest units, oldest first: at most so many, or all of them where the incoming list
        begins like the conversation, which is read back to the place where they part."""
        known = history.chains(incoming)
        found: list[tuple[str, str]] = []
        async with aclosing(self._newest_first(head)) as newest:
            async for stored in newest:
                number = head.count - len(found)
                if stored.chain is None:
                    continue
                if number <= len(known) and known[number - 1][1] == stored.chain:
                    return [*known[:number], *reversed(found)]
                found.append((stored.digest or "", stored.chain))
                if len(found) == units:
                    break
        return found[::-1]

    async def _beyond(self, head: Head, keep: int) -> tuple[list[Kept], StoredMessage | None]:
        """What stands after the first `keep` units, oldest first, and the last message before it."""
        beyond: list[Kept] = []
        units = head.count
        async with aclosing(self._all(head.tenant, "message", head.id)) as documents:
            async for document in documents:
                stored = messages.decode(document)
                if stored.chain is not None:
                    if units == keep:
                        return beyond[::-1], stored
                    units -= 1
                beyond.append((document, stored))
        return beyond[::-1], None

    async def _newest_first(self, head: Head) -> AsyncGenerator[StoredMessage, None]:
        """The active branch."""
        for stored in reversed(head.packed):
            yield stored
        if head.anonymous:
            return
        async with aclosing(self._all(head.tenant, "message", head.id)) as documents:
            async for document in documents:
                yield messages.decode(document)

    async def _all(self, tenant: str, kind: str, parent: str) -> AsyncGenerator[Document, None]:
        """A parent's documents, newest first, read in pages that grow."""
        after, page = None, _PAGE
        while documents := await self._storage.query(tenant, kind, parent=parent, after=after, limit=page):
            for document in documents:
                yield document
            if len(documents) < page:
                return
            after, page = documents[-1].sequence, min(page * 2, 1000)

    async def _remove(self, head: Head) -> bool:
        """Remove a conversation as it stands; False where it has changed meanwhile. It is gone at once with its names and
        what is on its way in it; the rest, which may be large, goes bit by bit, and by the sweep where this process dies."""
        tenant, id = head.tenant, head.id
        self._recent.forget(tenant, id)
        remains = f"{id}/{new_id()}"
        blobs = sorted({digest for each in head.packed for digest in attachments.digests(each.message)})
        writes: list[Write] = [Delete("conversation", id, expect=head.version), Delete("thread", id)]
        writes += [Put(_REMAINS, remains, orjson.dumps(blobs), expect=0, due=now_ms())]
        writes += [Delete("alias", alias.id) async for alias in self._all(tenant, "alias", id)]
        for run_id in {head.active, head.paused} - {None}:
            writes += [Delete("run", run_id), Drop(f"run/{run_id}")] if run_id else []
        try:
            await self._storage.commit(tenant, *writes)
        except Conflict:
            return False
        await self._clear(tenant, remains)
        return True

    async def _clear(self, tenant: str, remains: str) -> None:
        """Remove what is left of a conversation that is gone. One of the same id that has begun since keeps what is its."""
        document = await self._storage.get(tenant, _REMAINS, remains)
        if document is None:
            return
        id, before = remains.partition("/")[0], document.sequence
        await self._drop_blobs(tenant, id, orjson.loads(document.body))
        while branches := await self._left(tenant, "branch", id, before):
            for branch in branches:
                await self._clear_messages(tenant, id, f"{id}/{branch.id}", before)
            await self._storage.commit(tenant, *(Delete("branch", branch.id) for branch in branches))
        await self._clear_messages(tenant, id, id, before)
        while found := await self._left(tenant, "run", id, before):
            for run in found:
                await self._storage.commit(tenant, Delete("run", run.id), Drop(f"run/{run.id}"))
        await self._storage.commit(tenant, Delete(_REMAINS, remains))

    async def _clear_messages(self, tenant: str, id: str, parent: str, before: int) -> None:
        while found := await self._left(tenant, "message", parent, before):
            said = [messages.decode(document) for document in found]
            await self._drop_blobs(tenant, id, {each for one in said for each in attachments.digests(one.message)})
            await self._storage.commit(tenant, *(Delete("message", each.id) for each in said))

    async def _drop_blobs(self, tenant: str, id: str, digests: Iterable[str]) -> None:
        for digest in digests:
            await self._storage.delete_blob(tenant, attachments.blob_key(id, digest))

    async def _left(self, tenant: str, kind: str, parent: str, before: int) -> list[Document]:
        return await self._storage.query(tenant, kind, parent=parent, order="asc", before=before, limit=_AT_ONCE)

    def _put(self, head: Head) -> Put:
        """The write that makes this the conversation's head."""
        times = [each for each in (self._ttl if head.anonymous else 0, self._lifetime) if each]
        due = now_ms() + min(times) if times else None
        return Put("conversation", head.id, head.body(), expect=head.version - 1, due=due)


def _head(tenant: str, id: str, name: str, document: Document | None) -> Head:
    if document is None:
        return Head(tenant, id, name)
    fields = orjson.loads(document.body)
    return Head(
        tenant,
        id,
        name,
        version=document.version,
        count=fields.get("n", 0),
        size=fields.get("size", 0),
        chain=fields.get("chain", history.START),
        spoken=fields.get("spoken", False),
        paused=fields.get("paused"),
        active=fields.get("active"),
        anonymous=fields.get("anonymous", False),
        packed=tuple(messages.from_dict(each) for each in fields.get("packed", ())),
        mark=fields.get("mark", ""),
        created_at=fields["created_at"],
    )
