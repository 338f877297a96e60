"""The vector stores that come to be by the way: where tool resources ask for one, and where messages bring files to be
searched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from graph.files import Files
from graph.ids import bare_file_id
from graph.messages import StoredMessage
from graph.threads import Thread, Threads
from graph.vector_stores.stores import Attachment, VectorStores, new_store
from servers.assistants.schema import AssistantFields, CreateThread, NewStore, ToolResources
from servers.chunking import chunking

if TYPE_CHECKING:
    from servers.given import Given

_DAYS: Final = 7  # that a thread's own store stays when nobody uses it, as at OpenAI


class Stocking:
    """Makes and fills stores for a tenant's assistants and threads."""

    def __init__(self, tenant: str, stores: VectorStores, files: Files) -> None:
        self._tenant = tenant
        self._stores = stores
        self._files = files

    async def of_assistant(self, fields: Mapping[str, Any], body: AssistantFields) -> dict[str, Any]:
        """An assistant's fields, with the store that its body asks for."""
        if "tool_resources" not in fields:
            return dict(fields)
        return {**fields, "tool_resources": await self.with_new(fields["tool_resources"], body.tool_resources)}

    async def of_thread(self, thread: Thread, body: CreateThread, said: Sequence[StoredMessage]) -> Thread:
        """A new thread, with the store that its body asks for, and the files that its first messages bring."""
        own = await self.with_new(thread.tool_resources, body.tool_resources)
        return replace(thread, tool_resources=await self._with_attached(own, said))

    async def with_new(self, kept: Mapping[str, Any], asked: ToolResources | None) -> dict[str, Any]:
        """Tool resources as they are kept, with the store that was asked for."""
        wanted = asked.file_search.vector_stores if asked and asked.file_search else None
        if not wanted:
            return dict(kept)
        return _naming(kept, await self._made(wanted[0]))

    async def _with_attached(self, kept: Mapping[str, Any], said: Sequence[StoredMessage]) -> dict[str, Any]:
        """A thread's tool resources, whose store has the files that these messages bring for `file_search`, and which name
        those that they bring for `code_interpreter`."""
        kept = _with_code_files(kept, [id for message in said for id in _brought(message, "code_interpreter")])
        ids = list(dict.fromkeys(id for message in said for id in _brought(message, "file_search")))
        if not ids:
            return dict(kept)
        files = [Attachment(file) for file in await self._files.get_many(self._tenant, ids)]
        for id in await self._stores.usable(self._tenant, stores_of(kept)):
            known = await self._stores.attached(self._tenant, id, ids)
            if new := [each for each in files if each.file.id not in known]:
                await self._stores.attach(self._tenant, id, new)
            return dict(kept)
        store = await self._stores.create(self._tenant, new_store(expires_days=_DAYS), files)
        return _naming(kept, store.id)

    async def attach(self, threads: Threads, thread: Thread, said: Sequence[StoredMessage]) -> Thread:
        """A thread in whose store these messages' files are."""
        own = await self._with_attached(thread.tool_resources, said)
        return thread if own == thread.tool_resources else await threads.modify(self._tenant, thread.id, None, own)

    async def _made(self, wanted: NewStore) -> str:
        ids = [bare_file_id(id) or id for id in wanted.file_ids or ()]
        files = await self._files.get_many(self._tenant, ids)
        attachments = [Attachment(file, chunking(wanted.chunking_strategy)) for file in files]
        return (await self._stores.create(self._tenant, new_store(metadata=wanted.metadata or {}), attachments)).id


def stocking(asked: Given) -> Stocking:
    """For who asks."""
    return Stocking(asked.tenant, asked.service.knowledge.stores, asked.service.files)


def stores_of(resources: Mapping[str, Any]) -> list[str]:
    """The bare ids of the stores that tool resources name."""
    named = (resources.get("file_search") or {}).get("vector_store_ids") or ()
    return [id.removeprefix("vs_") for id in named]


def _naming(kept: Mapping[str, Any], store_id: str) -> dict[str, Any]:
    return {**kept, "file_search": {"vector_store_ids": [f"vs_{store_id}"]}}


def _with_code_files(kept: Mapping[str, Any], ids: Sequence[str]) -> Mapping[str, Any]:
    if not ids:
        return kept
    named = [*code_files_of(kept), *(f"file-{id}" for id in ids)]
    return {**kept, "code_interpreter": {"file_ids": list(dict.fromkeys(named))}}


def code_files_of(resources: Mapping[str, Any]) -> list[str]:
    """The ids of the files that tool resources name for programs."""
    return list((resources.get("code_interpreter") or {}).get("file_ids") or ())


def _brought(message: StoredMessage, kind: str) -> list[str]:
    """The bare ids of the files that a message brings for a tool."""
    return [
        bare_file_id(each["file_id"]) or each["file_id"]
        for each in message.attachments
        if any(tool["type"] == kind for tool in each.get("tools") or ())
    ]
