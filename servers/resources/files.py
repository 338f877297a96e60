"""`/v1/files`: what clients upload, list, read and delete."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response, StreamingResponse

from graph.enclosures import content_type
from graph.events import now_ms
from graph.files import File
from graph.ids import id_of, new_id
from graph.incoming import Incoming
from graph.sizes import LARGEST_FILE
from servers.content import disposition, wanted_range
from servers.errors import BadRequest
from servers.form import Form, read_form
from servers.given import Given
from servers.idempotency import REPLAYED, key_of, mismatch
from servers.ids import bare
from servers.invalid import validated
from servers.json_body import answer
from servers.pages import envelope, parameters, single
from servers.wire import Wire

MOST: Final = 10_000
LONGEST_NAME: Final = 1024
BATCH_SECONDS: Final = 30 * 24 * 3600  # OpenAI forgets what was uploaded for a batch

Purpose = Literal["assistants", "batch", "fine-tune", "vision", "user_data", "evals"]
Filename = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]

router = APIRouter(prefix="/v1/files", tags=["Files"])

_FORM: Final = {
    "type": "object",
    "required": ["file", "purpose"],
    "properties": {
        "file": {"type": "string", "format": "binary"},
        "purpose": {"type": "string", "enum": list(Purpose.__args__)},  # type: ignore[attr-defined]
        "expires_after[anchor]": {"type": "string", "enum": ["created_at"]},
        "expires_after[seconds]": {"type": "integer", "minimum": 3600, "maximum": BATCH_SECONDS},
    },
}
_FILTERS: Final = [{"name": "purpose", "in": "query", "required": False, "schema": {"type": "string"}}]


class ExpiresAfter(Wire):
    """How long a file stays."""

    anchor: Literal["created_at"]
    seconds: int = Field(ge=3600, le=BATCH_SECONDS)


class FileFields(Wire):
    """What is said of a file besides its bytes."""

    purpose: Purpose
    expires_after: ExpiresAfter | None = None

    @property
    def keep_ms(self) -> int | None:
        """How long the file stays, in milliseconds; None is for ever."""
        if self.expires_after:
            return self.expires_after.seconds * 1000
        return BATCH_SECONDS * 1000 if self.purpose == "batch" else None


class NamedFile(FileFields):
    """The same with the file's name."""

    filename: Filename


@router.post(
    "", summary="Upload a file", openapi_extra={"requestBody": {"content": {"multipart/form-data": {"schema": _FORM}}}}
)
async def create_file(request: Request) -> Response:
    asked, key = Given(request), key_of(request.scope)
    async with asked.service.files.incoming(asked.tenant) as content:
        form = await read_form(request, "file", content.take, largest=LARGEST_FILE, digest=key is not None)
        file = _file(form, content, key)
        kept = await asked.service.files.keep(content, file)
    return answered_once(file_object(kept), again=kept is not file, same=kept.fingerprint == file.fingerprint)


@router.get("", summary="List the files", openapi_extra={"parameters": [*parameters(usual=MOST, most=MOST), *_FILTERS]})
async def list_files(request: Request) -> Response:
    asked = Given(request)
    listing = asked.service.files.all(asked.tenant, single(request, "purpose") or None)
    page = await asked.page(listing, "file-", usual=MOST, most=MOST)
    return answer(envelope([file_object(each) for each in page.items], has_more=page.has_more))


@router.get("/{file_id}", summary="Retrieve a file")
async def get_file(request: Request, file_id: str) -> Response:
    asked = Given(request)
    return answer(file_object(await asked.service.files.get(asked.tenant, bare(file_id, "file-"))))


@router.get("/{file_id}/content", summary="Read a file; `Range` asks for a part of it")
async def get_content(request: Request, file_id: str) -> Response:
    asked = Given(request)
    file = await asked.service.files.get(asked.tenant, bare(file_id, "file-"))
    span = wanted_range(request.headers, file.size)
    headers = {
        "accept-ranges": "bytes",
        "content-disposition": disposition(file.filename),
        "content-length": str(len(span or range(file.size))),
        "x-content-type-options": "nosniff",
    }
    start, end = (span.start, span.stop) if span else (0, None)
    content = await asked.service.files.content(asked.tenant, file, start, end)
    if span:
        headers["content-range"] = f"bytes {span.start}-{span.stop - 1}/{file.size}"
    kind = {"content-type": content_type(file.filename)}  # as it is: no charset is added
    return StreamingResponse(content, 206 if span else 200, {**headers, **kind})


@router.delete("/{file_id}", summary="Delete a file")
async def delete_file(request: Request, file_id: str) -> Response:
    asked = Given(request)
    id = bare(file_id, "file-")
    await asked.service.files.delete(asked.tenant, id)
    await asked.service.knowledge.stores.forget_file(asked.tenant, id)
    return answer({"id": file_id, "object": "file", "deleted": True})


def file_object(file: File) -> dict[str, Any]:
    """A `file`. OpenAI's schema knows no null in `expires_at` and `status_details`: they are there when they say something."""
    shown = {
        "id": f"file-{file.id}",
        "object": "file",
        "bytes": file.size,
        "created_at": file.created_at // 1000,
        "filename": file.filename,
        "purpose": file.purpose,
        "status": "processed",
    }
    return shown if file.expires_at is None else {**shown, "expires_at": file.expires_at // 1000}


def _file(form: Form, content: Incoming, key: str | None) -> File:
    """The file that a form asks for. A key makes its id. Raises `BadRequest`."""
    if not form.filename:
        raise BadRequest("Invalid value for 'file': expected a file, with its name.", "file", "invalid_type")
    fields = validated(NamedFile, {**_nested(form.fields), "filename": form.filename})
    file = new_file(fields, content)
    if key is None:
        return file
    said = f"{form.digest} {fields.purpose} {fields.keep_ms} {fields.filename}"
    return replace(file, id=id_of(f"file {key}"), fingerprint=id_of(said))


def new_file(fields: NamedFile, content: Incoming) -> File:
    """The file of these bytes. Raises `BadRequest` where there are none."""
    if not content.size:
        raise BadRequest("File is empty.", "file", "invalid_value")
    now, keep_ms = now_ms(), fields.keep_ms
    expires_at = now + keep_ms if keep_ms else None
    return File(new_id(), fields.filename, fields.purpose, content.size, content.blob, now, expires_at)


def answered_once(body: Mapping[str, Any], *, again: bool, same: bool) -> Response:
    """The answer to a form that may have come with the `Idempotency-Key` of an earlier one. Raises `ApiError` 409 where
    that one was not the same."""
    if again and not same:
        raise mismatch()
    return answer(body, {REPLAYED[0].decode(): REPLAYED[1].decode()} if again else None)


def _nested(fields: Mapping[str, str]) -> dict[str, Any]:
    """A form's fields as JSON would have them: `expires_after[seconds]` is a number in an object."""
    plain: dict[str, Any] = {name: value for name, value in fields.items() if "[" not in name}
    given = {
        name.removeprefix("expires_after[").removesuffix("]"): _number(value)
        for name, value in fields.items()
        if name.startswith("expires_after[")
    }
    return {**plain, "expires_after": given} if given else plain


def _number(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else text
