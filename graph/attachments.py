"""Big data URLs in messages are stored once per owner (a conversation, a stored completion), as blobs named by their
digest."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from agents.models.port import FilePart, ImagePart, Message, Part
from graph.storage.port import Storage

THRESHOLD = 64 * 1024
_MARK = "blob:"
_FILE = "file:"


def of_file(file_id: str) -> str:
    """The URL by which a message's part points to an uploaded file."""
    return _FILE + file_id


def file_of(url: str) -> str | None:
    """The file that a part's URL points to; None for any other URL."""
    return url.removeprefix(_FILE) if url.startswith(_FILE) else None


def blob_key(conversation_id: str, digest: str) -> str:
    """Where a conversation's data stands."""
    return f"{_owner(conversation_id)}/{digest}"


def digests(message: Message) -> list[str]:
    """The digests of the blobs that a stowed message points to."""
    if isinstance(message.content, str):
        return []
    return [url.removeprefix(_MARK) for part in message.content if (url := _url(part)) and url.startswith(_MARK)]


def reference(url: str) -> str:
    """What stands for a URL in a stored message: itself, or the mark of its blob where it is a big data URL."""
    if not url.startswith("data:") or len(url) <= THRESHOLD:
        return url
    return _MARK + hashlib.blake2b(url.encode(), digest_size=16).hexdigest()


async def put(storage: Storage, tenant: str, owner: str, mark: str, url: str) -> None:
    """Store the data that a mark stands for."""
    await storage.put_blob(tenant, _key(owner, mark), url.encode())


async def get(storage: Storage, tenant: str, owner: str, mark: str) -> str:
    """What a mark stands for; a text that only looks like one stands for itself."""
    try:
        chunks = [chunk async for chunk in storage.get_blob(tenant, _key(owner, mark))]
    except KeyError:
        return mark
    return b"".join(chunks).decode()


async def delete(storage: Storage, tenant: str, owner: str, mark: str) -> None:
    """Remove the data that a mark stands for, if it is there."""
    await storage.delete_blob(tenant, _key(owner, mark))


async def stow(storage: Storage, tenant: str, conversation_id: str, message: Message) -> Message:
    """The message with its big data URLs moved to blobs."""
    if isinstance(message.content, str):
        return message
    parts = [await _stow_part(storage, tenant, conversation_id, part) for part in message.content]
    return replace(message, content=tuple(parts))


async def fetch(storage: Storage, tenant: str, conversation_id: str, message: Message) -> Message:
    """The message as it was before `stow`."""
    if not digests(message):
        return message
    assert not isinstance(message.content, str)
    parts = [await _fetch_part(storage, tenant, conversation_id, part) for part in message.content]
    return replace(message, content=tuple(parts))


async def _stow_part(storage: Storage, tenant: str, conversation_id: str, part: Part) -> Part:
    url = _url(part)
    if url is None or (short := reference(url)) == url:
        return part
    await put(storage, tenant, _owner(conversation_id), short, url)
    return _with_url(part, short)


async def _fetch_part(storage: Storage, tenant: str, conversation_id: str, part: Part) -> Part:
    url = _url(part)
    if url is None or not url.startswith(_MARK):
        return part
    return _with_url(part, await get(storage, tenant, _owner(conversation_id), url))


def _owner(conversation_id: str) -> str:
    return f"conversation/{conversation_id}"


def _key(owner: str, mark: str) -> str:
    return f"{owner}/{mark.removeprefix(_MARK)}"


def _url(part: Part) -> str | None:
    match part:
        case ImagePart(url):
            return url
        case FilePart(_, data):
            return data
        case _:
            return None


def _with_url(part: Part, url: str) -> Part:
    match part:
        case ImagePart():
            return replace(part, url=url)
        case FilePart():
            return replace(part, data=url)
        case _:
            return part
