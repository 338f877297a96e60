"""What messages enclose: uploaded files that their parts point to, put into a prompt as data."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from mimetypes import MimeTypes
from posixpath import splitext
from typing import Final

from agents.models.port import FilePart, ImagePart, Message, Part, TextPart
from graph.attachments import file_of
from graph.errors import NotFound
from graph.files import File, Files
from graph.ids import bare_file_id
from graph.sizes import ALL_ENCLOSED, LARGEST_ENCLOSED, MB

OCTETS: Final = "application/octet-stream"
_OFFICE: Final = "application/vnd.openxmlformats-officedocument"
_MORE_TYPES: Final = {
    ".docx": f"{_OFFICE}.wordprocessingml.document",
    ".jsonl": "application/jsonl",
    ".md": "text/markdown",
    ".pptx": f"{_OFFICE}.presentationml.presentation",
    ".webp": "image/webp",
    ".xlsx": f"{_OFFICE}.spreadsheetml.sheet",
}


def content_type(filename: str) -> str:
    """What a file holds, by the end of its name alone: the same on every machine, and one of a few fixed values."""
    known, encoding = _types().guess_type(f"file{splitext(filename)[1]}")
    return known if known and not encoding else OCTETS


@cache
def _types() -> MimeTypes:
    types = MimeTypes()
    for ending, kind in _MORE_TYPES.items():
        types.add_type(kind, ending)
    return types


async def enclosed(files: Files, tenant: str, messages: Sequence[Message]) -> tuple[Message, ...]:
    """The messages with the data of their files. A file that can't be shown becomes a sentence; where there is too much
    of them, the newest are shown."""
    if not any(map(_points_to_files, messages)):
        return tuple(messages)
    envelope = _Envelope(files, tenant, ALL_ENCLOSED)
    newest_first = [await envelope.fill(message) for message in reversed(messages)]
    return tuple(reversed(newest_first))


@dataclass(slots=True)
class _Envelope:
    """The files of one prompt."""

    files: Files
    tenant: str
    left: int
    seen: dict[str, tuple[File, bytes] | str] = field(default_factory=dict)

    async def fill(self, message: Message) -> Message:
        if isinstance(message.content, str) or not _points_to_files(message):
            return message
        return replace(message, content=tuple([await self._part(part) for part in message.content]))

    async def _part(self, part: Part) -> Part:
        match part:
            case ImagePart(url) if id := file_of(url):
                return await self._image(part, id)
            case FilePart(_, None, str(id)):
                return await self._file(part, id)
            case _:
                return part

    async def _image(self, part: ImagePart, id: str) -> Part:
        found = await self._taken(id)
        if isinstance(found, str):
            return TextPart(f"(The image {id} {found}.)")
        kind = image_type(found[1])
        if kind is None:
            return TextPart(f"(The file {id}, {found[0].filename!r}, is no PNG, JPEG, GIF or WebP image.)")
        return replace(part, url=await _data_url(kind, found[1]))

    async def _file(self, part: FilePart, id: str) -> Part:
        found = await self._taken(id)
        if isinstance(found, str):
            return TextPart(f"(The file {id} {found}.)")
        file, data = found
        return FilePart(part.filename or file.filename, await _data_url(content_type(file.filename), data))

    async def _taken(self, id: str) -> tuple[File, bytes] | str:
        """A file with its bytes, or why it is not shown."""
        if id not in self.seen:
            self.seen[id] = await self._read(id)
        found = self.seen[id]
        if isinstance(found, str):
            return found
        if found[0].size > self.left:
            return "is left out: the files of this conversation are too large together"
        self.left -= found[0].size
        return found

    async def _read(self, id: str) -> tuple[File, bytes] | str:
        try:
            file = await self.files.get(self.tenant, bare_file_id(id) or "")
            if file.size > LARGEST_ENCLOSED:
                return f"is left out: it has more than {LARGEST_ENCLOSED // MB} MB"
            if file.size > self.left:
                return "is left out: the files of this conversation are too large together"
            return file, b"".join([chunk async for chunk in await self.files.content(self.tenant, file)])
        except NotFound:
            return "is no longer there"


def _points_to_files(message: Message) -> bool:
    return not isinstance(message.content, str) and any(map(_points_to_file, message.content))


def _points_to_file(part: Part) -> bool:
    match part:
        case ImagePart(url):
            return file_of(url) is not None
        case FilePart(_, data, id):
            return data is None and id is not None
        case TextPart():
            return False


def image_type(data: bytes) -> str | None:
    """The kinds of images that models take, by their first bytes."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    return "image/webp" if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else None


async def _data_url(kind: str, data: bytes) -> str:
    encoded = await asyncio.to_thread(b64encode, data)
    return f"data:{kind};base64,{encoded.decode()}"
