"""Forms with a file (`multipart/form-data`), read as a stream: at no time is more of the file in memory than what has just
come. Fields may stand before it or behind it."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser
from starlette.requests import ClientDisconnect, Request

from servers.body import too_large
from servers.errors import CLIENT_GONE, ApiError, BadRequest

MOST_FIELDS: Final = 100
LONGEST_FIELD: Final = 8 * 1024
_PARAMETER = re.compile(rb';\s*([^\s=;"]+)\s*=\s*("(?:\\.|[^"\\])*"(?=\s*(?:;|$))|"[^"]*"|[^\s;]*)')
_ESCAPED = re.compile(r'\\(["\\])')
_PERCENT = re.compile(r"%(22|[01][0-9A-F])")

logging.getLogger("python_multipart").setLevel(logging.ERROR)  # what clients do wrong, they are told themselves

Take = Callable[[AsyncIterator[bytes]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Form:
    """What a form had besides the bytes of its file. `digest` is there where it was asked for."""

    filename: str | None
    fields: Mapping[str, str]
    digest: str | None


@dataclass(frozen=True, slots=True)
class _Field:
    """The beginning of a field; what it holds follows, and then None."""

    name: str
    filename: str | None


_Event = _Field | bytes | None


async def read_form(request: Request, file: str, take: Take, *, largest: int, digest: bool = False) -> Form:
    """Read a form to its end. The bytes of its field `file`, at most `largest` of them, go to `take`, which reads them to
    their end. Raises `BadRequest` for what is no form or has no such field, and `ApiError` 413."""
    fields: dict[str, str] = {}
    found: _Field | None = None
    checksum = hashlib.sha256() if digest else None
    async with aclosing(_events(request)) as events:
        async for event in events:
            assert isinstance(event, _Field)
            _refuse_repeated(event, file, found, fields)
            if event.name == file:
                found = event
                await take(_bytes(events, largest, checksum))
            else:
                fields[event.name] = await _text(event.name, events)
    if found is None:
        raise BadRequest(f"Missing required parameter: '{file}'.", file, "missing_required_parameter")
    return Form(found.filename, fields, checksum.hexdigest() if checksum else None)


def _refuse_repeated(new: _Field, file: str, found: _Field | None, fields: Mapping[str, str]) -> None:
    if new.name in fields or (new.name == file and found):
        raise BadRequest(f"Invalid value for '{new.name:.100}': it is given twice.", new.name[:100], "invalid_value")
    if len(fields) == MOST_FIELDS:
        raise BadRequest(f"The form has more than {MOST_FIELDS} fields.", code="invalid_form")


async def _bytes(
    events: AsyncGenerator[_Event, None], largest: int, checksum: hashlib._Hash | None
) -> AsyncIterator[bytes]:
    size = 0
    async for data in _content(events):
        size += len(data)
        if size > largest:
            raise too_large(largest)
        if checksum:
            checksum.update(data)
        yield data


async def _text(name: str, events: AsyncGenerator[_Event, None]) -> str:
    data = b""
    async for piece in _content(events):
        data += piece
        if len(data) > LONGEST_FIELD:
            message = f"Invalid value for '{name:.100}': it has more than {LONGEST_FIELD} bytes."
            raise BadRequest(message, name[:100], "string_above_max_length")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise BadRequest(f"Invalid value for '{name:.100}': it is no UTF-8.", name[:100], "invalid_value") from None


async def _content(events: AsyncGenerator[_Event, None]) -> AsyncIterator[bytes]:
    """What is left of a field."""
    while isinstance(event := await anext(events), bytes):
        yield event


async def _events(request: Request) -> AsyncGenerator[_Event, None]:
    """A form as it comes: each field, its bytes, and None at its end."""
    boundary = _boundary(request)
    try:
        parsing = _Parsing(boundary)
        async for chunk in request.stream():
            for event in parsing.feed(chunk):
                yield event
    except ClientDisconnect:
        raise ApiError(CLIENT_GONE, "The connection was closed before the body was complete.") from None
    except FormParserError as error:
        raise _malformed(f"{error}.") from None
    if not parsing.ended:
        raise _malformed("It has no end.")


@dataclass(slots=True)
class _Parsing:
    """The parser, and what it has found in a chunk."""

    boundary: bytes
    ended: bool = False
    _found: list[_Event] = field(default_factory=list)
    _headers: dict[bytes, bytes] = field(default_factory=dict)
    _name: bytes = b""
    _value: bytes = b""
    _parser: MultipartParser = field(init=False)

    def __post_init__(self) -> None:
        self._parser = MultipartParser(
            self.boundary,
            {
                "on_part_begin": self._headers.clear,
                "on_header_field": self._on_name,
                "on_header_value": self._on_value,
                "on_header_end": self._on_header,
                "on_headers_finished": self._on_headers,
                "on_part_data": self._on_data,
                "on_part_end": lambda: self._found.append(None),
                "on_end": self._on_end,
            },
        )

    def feed(self, chunk: bytes) -> Iterator[_Event]:
        """Raises `FormParserError`."""
        self._parser.write(chunk)
        found, self._found = self._found, []
        yield from found

    def _on_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header(self) -> None:
        self._headers[self._name.lower()] = self._value
        self._name = self._value = b""

    def _on_headers(self) -> None:
        disposition = dict(_parameters(self._headers.get(b"content-disposition", b"")))
        name = disposition.get("name")
        if not name:
            raise FormParserError("A part of it has no name")
        if self._headers.get(b"content-transfer-encoding", b"binary").lower() in (b"base64", b"quoted-printable"):
            raise FormParserError("A part of it has a transfer encoding; send the bytes as they are")
        self._found.append(_Field(name, disposition.get("filename*") or disposition.get("filename")))

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        self._found.append(data[start:end])

    def _on_end(self) -> None:
        self.ended = True


def _boundary(request: Request) -> bytes:
    kind = request.headers.get("content-type", "").encode("latin-1")
    boundary = dict(_parameters(kind)).get("boundary")
    if not kind.lower().startswith(b"multipart/form-data") or not boundary:
        raise BadRequest("The body has to be 'multipart/form-data', with a boundary.", code="invalid_form")
    return boundary.encode("latin-1", "replace")


def _parameters(header: bytes) -> Iterator[tuple[str, str]]:
    """The parameters of a header, unquoted: `name="a%22b"` as browsers write it, with backslashes as others do, and
    `filename*=UTF-8''...`. Nothing else of a value is changed."""
    for found in _PARAMETER.finditer(header):
        name, value = found[1].decode("latin-1").lower(), _decoded(found[2])
        if name.endswith("*"):
            yield name, unquote(value.rpartition("'")[2])
        elif value.startswith('"'):
            plain = _ESCAPED.sub(r"\1", value[1:-1])
            yield name, _PERCENT.sub(lambda code: chr(int(code[1], 16)), plain)
        else:
            yield name, value


def _decoded(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _malformed(reason: str) -> BadRequest:
    return BadRequest(f"The body is no valid form: {reason}", code="invalid_form")
