"""A dump becomes what is kept here. What is here already stays as it is: it may have been changed since, or gone on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from graph.assistants import Assistant
from graph.errors import NotFound
from graph.events import now_ms
from graph.files import File
from graph.messages import StoredMessage
from graph.storage.port import Conflict
from graph.threads import Thread
from servers.ids import bare
from servers.importing.dump import BrokenDump, Dump
from servers.importing.schema import DumpedFile
from servers.rooms import Rooms


@dataclass(slots=True)
class Brought:
    """What came of a dump, by kind: how many are new, and how many were here. `notes` say what was left as it is, or out."""

    new: dict[str, int] = field(default_factory=dict)
    known: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def count(self, kind: str, number: int = 1, *, new: bool) -> None:
        counted = self.new if new else self.known
        counted[kind] = counted.get(kind, 0) + number


async def bring(dump: Dump, rooms: Rooms, tenant: str) -> Brought:
    """Keep what is not here yet. Raises `BrokenDump`, before anything is kept, where ids are taken by something else. Each
    object is kept whole or not at all: where the storage fails on the way, the same can be done again."""
    threads = [(thread, said, await _known(rooms, tenant, thread.id)) for thread, said in dump.threads]
    problems = [problem for each in threads for problem in await _taken(rooms, tenant, *each)]
    if problems:
        raise BrokenDump(problems)
    brought = Brought()
    for file in dump.files:
        await _file(rooms, tenant, file, brought)
    for assistant in dump.assistants:
        await _assistant(rooms, tenant, assistant, brought)
    for thread, said, known in threads:
        await _thread(rooms, tenant, thread, said, known, brought)
    return brought


async def _known(rooms: Rooms, tenant: str, id: str) -> Thread | None:
    try:
        return await rooms.threads.get(tenant, id)
    except NotFound:
        return None


async def _taken(
    rooms: Rooms, tenant: str, thread: Thread, said: Sequence[StoredMessage], known: Thread | None
) -> list[str]:
    """What else has the ids of a thread and its messages."""
    if known is not None:
        other = f"thread_{thread.id} is what a chat calls its conversation thread_{known.id}."
        return [other] if known.id != thread.id else []
    documents = await rooms.storage.get_many(tenant, "message", [each.id for each in said])
    return [f"msg_{each.id} is a message of thread_{each.parent.partition('/')[0]} here." for each in documents]


async def _file(rooms: Rooms, tenant: str, dumped: DumpedFile, brought: Brought) -> None:
    about = f"{dumped.id} ({dumped.filename})"
    if dumped.content is None:
        brought.notes.append(f"{about} is in the dump without its content, and was left out.")
        return
    if dumped.expires_at is not None and dumped.expires_at * 1000 <= now_ms():
        brought.notes.append(f"{about} has expired, and was left out.")
        return
    try:
        known = await rooms.files.get(tenant, bare(dumped.id, "file-"))
    except NotFound:
        await _keep(rooms, tenant, dumped, dumped.content)
        brought.count("file", new=True)
    else:
        brought.count("file", new=False)
        if (known.filename, known.purpose, known.size) != (dumped.filename, dumped.purpose, len(dumped.content)):
            brought.notes.append(f"{about} is another one here, and was left as it is.")


async def _keep(rooms: Rooms, tenant: str, dumped: DumpedFile, data: bytes) -> None:
    async with rooms.files.incoming(tenant) as content:
        await content.take(data)
        expires_at = None if dumped.expires_at is None else dumped.expires_at * 1000
        at, id = dumped.created_at * 1000, bare(dumped.id, "file-")
        file = File(id, dumped.filename, dumped.purpose, len(data), content.blob, at, expires_at)
        await rooms.files.keep(content, file)


async def _assistant(rooms: Rooms, tenant: str, assistant: Assistant, brought: Brought) -> None:
    try:
        await rooms.assistants.create(tenant, assistant)
    except Conflict:
        known = await rooms.assistants.get(tenant, assistant.id)
        brought.count("assistant", new=False)
        if known != assistant:
            brought.notes.append(f"asst_{assistant.id} is another one here, and was left as it is.")
    else:
        brought.count("assistant", new=True)


async def _thread(
    rooms: Rooms,
    tenant: str,
    thread: Thread,
    said: Sequence[StoredMessage],
    known: Thread | None,
    brought: Brought,
) -> None:
    brought.count("thread", new=known is None)
    brought.count("message", len(said), new=known is None)
    if known is None:
        await rooms.threads.create(tenant, thread, said)
        return
    there = await rooms.storage.get_many(tenant, "message", [each.id for each in said])
    missing = len(said) - sum(each.parent.partition("/")[0] == thread.id for each in there)
    if missing:
        brought.notes.append(
            f"thread_{thread.id} is here without {missing} of its {len(said)} messages, and was left as it is."
        )
