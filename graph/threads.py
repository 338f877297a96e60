"""Threads: conversations as the Assistants API sees them, message by message.

A thread is a conversation. What only this API knows of it, its metadata and tool resources, stands in a document beside
the conversation's head, so that changing it is in nobody's way.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any, Final

import orjson

from graph import attachments, blocks, history, messages
from graph.changes import begun_anew
from graph.conversations import Conversations, Head
from graph.errors import NotFound, ThreadLocked
from graph.history import Match
from graph.ids import bare_file_id
from graph.listing import Listing, place
from graph.messages import StoredMessage
from graph.recorder import Stores, abandoned
from graph.storage.port import Delete, Document, Put, Storage, Write

_NEWEST: Final = 100


@dataclass(frozen=True, slots=True)
class Thread:
    """A thread. `id` is bare, `created_at` epoch milliseconds; the rest is the client's own."""

    id: str
    created_at: int
    metadata: Mapping[str, Any] = field(default_factory=dict)
    tool_resources: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Branch:
    """What left a thread's active branch, behind message `parent_message_id`."""

    id: str
    created_at: int
    parent_message_id: str | None
    message_count: int


class Threads:
    """Reads and changes threads. Ids are bare; methods raise `NotFound` for what is not there, and `ThreadLocked` where a
    run is at work on the thread."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    @property
    def _storage(self) -> Storage:
        return self._stores.storage

    @property
    def _conversations(self) -> Conversations:
        return self._stores.conversations

    async def create(self, tenant: str, thread: Thread, said: Sequence[StoredMessage] = ()) -> Thread:
        """A new thread with its first messages. Raises `Conflict` where its id is taken."""
        head = Head(tenant, thread.id, f"thread_{thread.id}", created_at=thread.created_at)
        block, _ = await self._conversations.block(head, Match("extend", 0, 0), said)
        await self._storage.commit(tenant, *block, *_own(thread))
        return thread

    async def get(self, tenant: str, id: str) -> Thread:
        """A thread, whatever dialect has begun it."""
        head = await self._head(tenant, id)
        return _thread(head, await self._storage.get(tenant, "thread", head.id))

    @begun_anew("thread")
    async def modify(
        self,
        tenant: str,
        id: str,
        metadata: Mapping[str, Any] | None = None,
        tool_resources: Mapping[str, Any] | None = None,
    ) -> Thread:
        """Replace what is given; None stays as it is."""
        head = await self._head(tenant, id)
        document = await self._storage.get(tenant, "thread", head.id)
        thread = _thread(head, document)
        changed = replace(
            thread,
            metadata=thread.metadata if metadata is None else metadata,
            tool_resources=thread.tool_resources if tool_resources is None else tool_resources,
        )
        await self._storage.commit(tenant, _put(changed, document.version if document else 0))
        return changed

    async def delete(self, tenant: str, id: str) -> None:
        """Remove a thread with everything in it. Its runs have to be cancelled before."""
        head = await self._head(tenant, id)
        await self._conversations.forget(tenant, head.id)

    @begun_anew("thread")
    async def add(self, tenant: str, id: str, message: StoredMessage) -> StoredMessage:
        """Say something in a thread. A chat run that waits for its client ends."""
        head = await self._head(tenant, id)
        await self._refuse_if_locked(head, "add messages to")
        block, _ = await self._conversations.block(head, Match("append", head.count, 1), [message])
        await self._storage.commit(tenant, *block, *await abandoned(self._stores, head, ""))
        return message

    async def active(self, tenant: str, id: str) -> str | None:
        """The durable run that is on its way in the thread."""
        return (await self._head(tenant, id)).active

    async def messages(
        self, tenant: str, id: str, *, run_id: str | None = None, branch: str | None = None
    ) -> Listing[StoredMessage]:
        """The messages of the active branch, or of one that is not; a client's calls and outputs are none."""
        head = await self._head(tenant, id)
        parent = head.id
        if branch is not None:
            known = await self._storage.get(tenant, "branch", branch)
            if known is None or known.parent != head.id:
                raise NotFound(f"No branch found with id {branch!r:.100} in thread 'thread_{id}'.")
            parent = f"{head.id}/{branch}"
        return Listing(self._storage, tenant, "message", messages.decode, parent, run_id, _is_shown)

    async def made(self, tenant: str, id: str) -> list[str]:
        """The bare ids of the files that programs have made for the newest messages, oldest first."""
        newest = await (await self.messages(tenant, id)).read("desc", None, None, _NEWEST)
        ids = [bare_file_id(each) for stored in reversed(newest) for each in _made_for(stored)]
        return list(dict.fromkeys(filter(None, ids)))

    async def message(self, tenant: str, id: str, message_id: str) -> StoredMessage:
        """A message of the thread, on whatever branch."""
        return messages.decode(await self._message(tenant, id, message_id))

    async def whole(self, tenant: str, id: str, stored: StoredMessage) -> StoredMessage:
        """A message with its big data put back."""
        return replace(stored, message=await attachments.fetch(self._storage, tenant, id, stored.message))

    @begun_anew("message")
    async def modify_message(
        self, tenant: str, id: str, message_id: str, metadata: Mapping[str, Any] | None
    ) -> StoredMessage:
        """Replace a message's metadata; None stays as it is."""
        document = await self._message(tenant, id, message_id)
        if metadata is None:
            return messages.decode(document)
        changed = replace(messages.decode(document), metadata=metadata)
        await self._storage.commit(tenant, messages.put(changed, document.parent, document.version))
        return changed

    @begun_anew("thread")
    async def delete_message(self, tenant: str, id: str, message_id: str) -> None:
        """Take a message out of its thread; the chain behind it is made anew."""
        head = await self._head(tenant, id)
        await self._refuse_if_locked(head, "delete messages of")
        document = await self._message(tenant, id, message_id)
        gone: list[Write] = [Delete("message", message_id, expect=document.version), place("message", document)]
        if document.parent == head.id:
            gone += await self._without(head, message_id)
        await self._storage.commit(tenant, *gone)

    async def branches(self, tenant: str, id: str) -> Listing[Branch]:
        """What has left the active branch."""
        return Listing(self._storage, tenant, "branch", _branch, (await self._head(tenant, id)).id)

    async def _head(self, tenant: str, id: str) -> Head:
        head = await self._conversations.find(tenant, f"thread_{id}")
        if head.version == 0:
            raise NotFound(f"No thread found with id 'thread_{id}'.")
        return head

    async def _message(self, tenant: str, id: str, message_id: str) -> Document:
        head = await self._head(tenant, id)
        document = await self._storage.get(tenant, "message", message_id)
        if document is None or document.parent.partition("/")[0] != head.id or messages.decode(document).hidden:
            raise NotFound(f"No message found with id 'msg_{message_id}'.")
        return document

    async def _refuse_if_locked(self, head: Head, doing: str) -> None:
        if head.active is None:
            return
        try:
            run, _ = await self._stores.runs.get(head.tenant, head.active)
        except NotFound:
            return
        if not run.ended:
            raise ThreadLocked(doing, head.id, run.id)

    async def _without(self, head: Head, message_id: str) -> list[Write]:
        """The writes that close the active branch over a message that leaves it."""
        async with aclosing(self._all(head.tenant, "message", head.id)) as documents:
            kept = [(each, messages.decode(each)) async for each in documents if each.id != message_id][::-1]
        opened = [stored.closing(None, None) for _, stored in kept]
        closed, units, chain = blocks.close(opened, history.START)
        changed = [
            messages.put(now, document.parent, document.version)
            for (document, before), now in zip(kept, closed, strict=True)
            if now != before
        ]
        after = head.next(
            count=len(units),
            size=len(closed),
            chain=chain,
            spoken=units[-1].assistant if units else False,
        )
        return [*changed, Put("conversation", head.id, after.body(), expect=head.version)]

    async def _all(self, tenant: str, kind: str, parent: str) -> AsyncGenerator[Document, None]:
        """A parent's documents, newest first."""
        after = None
        while documents := await self._storage.query(tenant, kind, parent=parent, after=after, limit=1000):
            for document in documents:
                yield document
            after = documents[-1].sequence


def _thread(head: Head, document: Document | None) -> Thread:
    own = orjson.loads(document.body) if document else {}
    return Thread(head.id, head.created_at, own.get("metadata", {}), own.get("tool_resources", {}))


def _own(thread: Thread) -> list[Write]:
    """The document of what only this API knows, where there is something to know."""
    return [_put(thread, 0)] if thread.metadata or thread.tool_resources else []


def _put(thread: Thread, version: int) -> Put:
    fields = {"metadata": thread.metadata, "tool_resources": thread.tool_resources}
    return Put("thread", thread.id, orjson.dumps(fields), expect=version)


def _made_for(stored: StoredMessage) -> Iterator[str]:
    """The files that an answer links to or shows."""
    if stored.run_id is not None:
        yield from stored.images
        yield from (mark.source.file_id for mark in stored.annotations if mark.path and mark.source.file_id)


def _is_shown(stored: StoredMessage) -> bool:
    return not stored.hidden


def _branch(document: Document) -> Branch:
    fields = orjson.loads(document.body)
    return Branch(document.id, fields["created_at"], fields["parent_message_id"], fields["message_count"])
