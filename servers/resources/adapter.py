"""Files and uploads as method calls."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from servers.calls import Calls, Stream, place
from servers.in_process import Asked
from servers.objects import WireObject


class FilesAdapter(Calls):
    """OpenAI's files: bytes and ids by position, the fields of the wire as keywords. A file is in memory as long as a call
    takes; one that is too large for that comes and goes by the network."""

    async def create_file(self, data: bytes, filename: str, **fields: Any) -> WireObject:
        """A new file of these bytes: `purpose`, `expires_after`."""
        return await self._upload(place("files"), "file", data, filename, fields)

    async def list_files(self, **query: Any) -> WireObject:
        """A page of the files: `purpose`, `limit`, `order`, `after`, `before`."""
        return await self._read("GET", place("files"), query=query)

    async def get_file(self, file_id: str) -> WireObject:
        """What is known of a file."""
        return await self._read("GET", place("files", file_id))

    async def get_file_content(self, file_id: str) -> bytes:
        """The bytes of a file."""
        return await self._content(place("files", file_id, "content"))

    async def delete_file(self, file_id: str) -> WireObject:
        """Delete a file."""
        return await self._read("DELETE", place("files", file_id))

    async def create_upload(self, **fields: Any) -> WireObject:
        """Begin a file that comes in parts: `filename`, `purpose`, `bytes`, `mime_type`."""
        return await self._read("POST", place("uploads"), fields)

    async def add_upload_part(self, upload_id: str, data: bytes) -> WireObject:
        """A part of an upload."""
        return await self._upload(place("uploads", upload_id, "parts"), "data", data, "part", {})

    async def complete_upload(self, upload_id: str, **fields: Any) -> WireObject:
        """Join the parts: `part_ids` in their order, `md5`."""
        return await self._read("POST", place("uploads", upload_id, "complete"), fields)

    async def cancel_upload(self, upload_id: str) -> WireObject:
        """Give an upload up."""
        return await self._read("POST", place("uploads", upload_id, "cancel"))

    async def _upload(self, path: str, name: str, data: bytes, filename: str, fields: Mapping[str, Any]) -> WireObject:
        boundary = secrets.token_hex(16)
        body = b"".join(_form(boundary.encode(), fields, name, data, filename))
        headers = {"content-type": f"multipart/form-data; boundary={boundary}"}
        answer = await self._ask(Asked("POST", path, body=body, headers=headers))
        assert not isinstance(answer, Stream)
        return answer


def _form(boundary: bytes, fields: Mapping[str, Any], name: str, data: bytes, filename: str) -> Iterator[bytes]:
    """A form with a file. An object's fields have names of their own: `expires_after[seconds]`."""
    for field, value in fields.items():
        pairs = (
            {f"{field}[{key}]": each for key, each in value.items()} if isinstance(value, Mapping) else {field: value}
        )
        for key, each in pairs.items():
            if each is not None:
                yield b'--%s\r\ncontent-disposition: form-data; name="%s"\r\n\r\n' % (boundary, key.encode())
                yield str(each).encode() + b"\r\n"
    named = quote(filename, safe="", errors="replace").encode()
    yield b"--%s\r\ncontent-disposition: form-data; name=\"%s\"; filename*=UTF-8''%s\r\n" % (
        boundary,
        name.encode(),
        named,
    )
    yield b"content-type: application/octet-stream\r\n\r\n"
    yield data
    yield b"\r\n--%s--\r\n" % boundary
