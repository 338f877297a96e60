"""Assistants, threads, messages and files without a team: what programs keep that do their own thinking."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from pydantic import BaseModel
from starlette.datastructures import QueryParams

from agents.models.port import Message
from graph.errors import RunError, ThreadLocked
from graph.events import now_ms
from graph.ids import new_id
from graph.listing import Listing
from graph.messages import StoredMessage
from graph.storage.port import StorageError
from servers.assistants import decode, encode
from servers.assistants import schema as wire
from servers.assistants.stocking import Stocking
from servers.context import DEFAULT_TENANT
from servers.errors import of_exception
from servers.file_references import file_references, refuse_unknown_files, refuse_unknown_stores, store_references
from servers.ids import bare
from servers.invalid import validated
from servers.objects import WireObject, as_objects
from servers.pages import Page, envelope, page_request, read_page, single
from servers.rooms import Rooms, rooms
from servers.settings import Settings
from servers.thread_storage import ThreadStorage

if TYPE_CHECKING:
    from servers.blocking import BlockingHome

T = TypeVar("T")
Body = TypeVar("Body", bound=BaseModel)
_MODEL: Final[str] = Settings.model_fields["model_name"].default
_TOKENS: Final[str] = Settings.model_fields["token_model"].default


class ThreadManager:
    """Keeps assistants, threads, messages and files in a storage, by default in memory. It may share one with a server.

    Ids go by position, the fields of the wire as keywords; the wire's objects are results. Every method raises `ApiError`.
    Nothing has to be opened; `async with` closes the storage at the end.
    """

    def __init__(self, storage: ThreadStorage | None = None, *, tenant: str = DEFAULT_TENANT) -> None:
        self._storage = storage or ThreadStorage()
        self._tenant = tenant
        self._rooms: Rooms | None = None
        self._opening = asyncio.Lock()

    @property
    def sync(self) -> BlockingHome:
        """The same methods for code that does not await: `with ThreadManager().sync as manager`."""
        from servers.blocking import BlockingHome

        return BlockingHome(self)

    async def create_assistant(self, **fields: Any) -> WireObject:
        """A new assistant."""
        async with self._open() as kept:
            body = await self._taken(kept, wire.AssistantFields, fields)
            assistant = decode.new_assistant(body)
            assistant = replace(assistant, fields=await self._stocking(kept).of_assistant(assistant.fields, body))
            await kept.assistants.create(self._tenant, assistant)
        return _object(encode.assistant_object(assistant, _MODEL))

    async def get_assistant(self, assistant_id: str) -> WireObject:
        """An assistant."""
        async with self._open() as kept:
            assistant = await kept.assistants.get(self._tenant, bare(assistant_id, "asst_"))
        return _object(encode.assistant_object(assistant, _MODEL))

    async def update_assistant(self, assistant_id: str, **fields: Any) -> WireObject:
        """Replace the fields that are given."""
        async with self._open() as kept:
            body = await self._taken(kept, wire.AssistantFields, fields)
            changes = await self._stocking(kept).of_assistant(decode.given(body), body)
            changed = await kept.assistants.modify(self._tenant, bare(assistant_id, "asst_"), changes)
        return _object(encode.assistant_object(changed, _MODEL))

    async def list_assistants(self, **query: Any) -> WireObject:
        """A page of the assistants: `limit`, `order`, `after`, `before`."""
        async with self._open() as kept:
            page = await _page(kept.assistants.all(self._tenant), _Query.of(query), "asst_")
        return _list([encode.assistant_object(each, _MODEL) for each in page.items], page)

    async def delete_assistant(self, assistant_id: str) -> WireObject:
        """Delete an assistant."""
        async with self._open() as kept:
            await kept.assistants.delete(self._tenant, bare(assistant_id, "asst_"))
        return _object(encode.deleted(assistant_id, "assistant"))

    async def create_thread(self, metadata: Mapping[str, str] | None = None, **fields: Any) -> WireObject:
        """A new thread, with `messages` and `tool_resources` where they are given."""
        async with self._open() as kept:
            body = await self._taken(kept, wire.CreateThread, {"metadata": metadata, **fields})
            thread, said = decode.new_thread(body)
            thread = await self._stocking(kept).of_thread(thread, body, said)
            await kept.threads.create(self._tenant, thread, said)
        return _object(encode.thread_object(thread))

    async def get_thread(self, thread_id: str) -> WireObject:
        """A thread, whatever dialect has begun it."""
        async with self._open() as kept:
            thread = await kept.threads.get(self._tenant, bare(thread_id, "thread_"))
        return _object(encode.thread_object(thread))

    async def delete_thread(self, thread_id: str) -> WireObject:
        """Delete a thread with its messages. Refused while a run is at work on it: that is its server's to cancel."""
        id = bare(thread_id, "thread_")
        async with self._open() as kept:
            if run_id := await kept.threads.active(self._tenant, id):
                raise ThreadLocked("delete", id, run_id)
            await kept.threads.delete(self._tenant, id)
        return _object(encode.deleted(thread_id, "thread"))

    async def add_message(self, thread_id: str, **fields: Any) -> WireObject:
        """Say something in a thread: `role`, `content`, `attachments`, `metadata`."""
        async with self._open() as kept:
            body = await self._taken(kept, wire.CreateMessage, fields)
        return await self._add(thread_id, decode.message(body))

    async def add_assistant_message(
        self, thread_id: str, text: str, assistant_id: str | None = None, run_id: str | None = None
    ) -> WireObject:
        """What an assistant has said, in a run of whoever manages them."""
        said = StoredMessage(
            new_id(),
            Message("assistant", text),
            now_ms(),
            run_id=run_id and bare(run_id, "run_"),
            assistant_id=assistant_id and f"asst_{bare(assistant_id, 'asst_')}",
        )
        return await self._add(thread_id, said)

    async def list_messages(self, thread_id: str, **query: Any) -> WireObject:
        """A page of a thread's messages: `limit`, `order`, `after`, `before`, `run_id`."""
        id, asked = bare(thread_id, "thread_"), _Query.of(query)
        run = single(asked, "run_id")
        async with self._open() as kept:
            listing = await kept.threads.messages(self._tenant, id, run_id=run and bare(run, "run_"))
            page = await _page(listing, asked, "msg_")
            whole = [await kept.threads.whole(self._tenant, id, each) for each in page.items]
        return _list([encode.message_object(each, id) for each in whole], page)

    async def get_messages_for_llm(self, thread_id: str) -> list[dict[str, str]]:
        """All that was said in a thread, oldest first, as a model is told: `role` and `content`, which is the text alone."""
        said: list[dict[str, str]] = []
        async with self._open() as kept:
            listing = await kept.threads.messages(self._tenant, bare(thread_id, "thread_"))
            after = None
            while found := await listing.read("asc", after, None, 100):
                said += [{"role": each.message.role, "content": each.message.text} for each in found]
                after = await listing.position(found[-1].id)
        return said

    async def add_file(self, data: bytes, filename: str, *, purpose: str = "assistants", **fields: Any) -> WireObject:
        """A new file of these bytes."""
        from servers.resources.files import NamedFile, file_object, new_file

        body = validated(NamedFile, {"filename": filename, "purpose": purpose, **fields})
        async with self._open() as kept, kept.files.incoming(self._tenant) as content:
            await content.take(data)
            file = await kept.files.keep(content, new_file(body, content))
        return _object(file_object(file))

    async def get_file(self, file_id: str) -> WireObject:
        """What is known of a file."""
        from servers.resources.files import file_object

        async with self._open() as kept:
            file = await kept.files.get(self._tenant, bare(file_id, "file-"))
        return _object(file_object(file))

    async def get_file_content(self, file_id: str) -> bytes:
        """The bytes of a file."""
        async with self._open() as kept:
            file = await kept.files.get(self._tenant, bare(file_id, "file-"))
            return b"".join([piece async for piece in await kept.files.content(self._tenant, file)])

    async def list_files(self, **query: Any) -> WireObject:
        """A page of the files: `purpose`, `limit`, `order`, `after`, `before`."""
        from servers.resources.files import file_object

        asked = _Query.of(query)
        async with self._open() as kept:
            page = await _page(kept.files.all(self._tenant, single(asked, "purpose")), asked, "file-")
        return _list([file_object(each) for each in page.items], page)

    async def delete_file(self, file_id: str) -> WireObject:
        """Delete a file."""
        async with self._open() as kept:
            await kept.files.delete(self._tenant, bare(file_id, "file-"))
        return _object({"id": file_id, "object": "file", "deleted": True})

    async def close(self) -> None:
        """Close the storage. It is opened again where it is used again."""
        self._rooms = None
        await self._storage.disconnect()

    async def __aenter__(self) -> Self:
        async with self._open():
            return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _add(self, thread_id: str, said: StoredMessage) -> WireObject:
        id = bare(thread_id, "thread_")
        async with self._open() as kept:
            if said.attachments:
                await self._stocking(kept).attach(kept.threads, await kept.threads.get(self._tenant, id), [said])
            await kept.threads.add(self._tenant, id, said)
        return _object(encode.message_object(said, id))

    async def _taken(self, kept: Rooms, model: type[Body], fields: Mapping[str, Any]) -> Body:
        """The fields as a body, all of whose files and vector stores are there."""
        body = validated(model, fields)
        await refuse_unknown_files(kept.files, self._tenant, dict(file_references(body)))
        await refuse_unknown_stores(kept.stores, self._tenant, dict(store_references(body)))
        return body

    def _stocking(self, kept: Rooms) -> Stocking:
        """What makes vector stores by the way; their files are read by the server of this storage."""
        return Stocking(self._tenant, kept.stores, kept.files)

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[Rooms]:
        """The rooms; what goes wrong there is told as on the wire."""
        try:
            async with self._opening:
                if self._rooms is None:
                    self._rooms = rooms(await self._storage.connect(), _TOKENS)
            yield self._rooms
        except (RunError, StorageError) as error:
            raise of_exception(error) from error


@dataclass(frozen=True, slots=True)
class _Query:
    """A query in keywords."""

    query_params: QueryParams

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> _Query:
        return cls(QueryParams({name: str(value) for name, value in fields.items() if value is not None}))


async def _page(listing: Listing[T], query: _Query, prefix: str) -> Page[T]:
    return await read_page(listing, page_request(query, prefix=prefix))


def _object(body: Mapping[str, Any]) -> WireObject:
    shown: WireObject = as_objects(dict(body))
    return shown


def _list(data: list[dict[str, Any]], page: Page[Any]) -> WireObject:
    return _object(envelope(data, has_more=page.has_more))
