"""Big data URLs in messages are stored once per conversation, as blobs named by their digest."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from agents.models.port import FilePart, ImagePart, Message, Part
from graph.storage.port import Storage

THRESHOLD = 64 * 1024
_MARK = "blob:"


def blob_key(conversation_id: str, digest: str) -> str:
    """Where a conversation's data stands."""
    return f"conversation/{conversation_id}/{digest}"


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
    await storage.put_blob(tenant, blob_key(conversation_id, short.removeprefix(_MARK)), url.encode())
    return _with_url(part, short)


async def _fetch_part(storage: Storage, tenant: str, conversation_id: str, part: Part) -> Part:
    url = _url(part)
    if url is None or not url.startswith(_MARK):
        return part
    key = blob_key(conversation_id, url.removeprefix(_MARK))
    try:
        chunks = [chunk async for chunk in storage.get_blob(tenant, key)]
    except KeyError:  # a client's own URL that only looks like ours
        return part
    return _with_url(part, b"".join(chunks).decode())


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
