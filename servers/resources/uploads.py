"""`/v1/uploads`: files that come in parts."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Final

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from graph.events import now_ms
from graph.files import File
from graph.ids import id_of, new_id
from graph.sizes import LARGEST_FILE, LARGEST_PART
from graph.uploads import Part, Upload
from servers.errors import BadRequest
from servers.form import read_form
from servers.given import Given
from servers.idempotency import key_of
from servers.ids import bare
from servers.json_body import answer
from servers.resources.files import NamedFile, answered_once, file_object
from servers.wire import Wire

MOST_PARTS: Final = 10_000

router = APIRouter(prefix="/v1/uploads", tags=["Uploads"])

_FORM: Final = {
    "type": "object",
    "required": ["data"],
    "properties": {"data": {"type": "string", "format": "binary"}},
}


class CreateUpload(NamedFile):
    """`mime_type` is asked for as OpenAI does; what a file holds is told by its name."""

    bytes: int = Field(ge=1, le=LARGEST_FILE)
    mime_type: str = Field(min_length=1)


class CompleteUpload(Wire):
    part_ids: Annotated[list[str], Field(min_length=1, max_length=MOST_PARTS)]
    md5: str | None = Field(None, pattern=r"^[0-9a-fA-F]{32}$")


@router.post("", summary="Begin an upload")
async def create_upload(request: Request) -> Response:
    asked = Given(request)
    body = await asked.body(CreateUpload)
    upload = Upload(new_id(), body.filename, body.purpose, body.bytes, now_ms(), body.keep_ms)
    await asked.service.uploads.create(asked.tenant, upload)
    return answer(upload_object(upload))


@router.post(
    "/{upload_id}/parts",
    summary="Add a part to an upload",
    openapi_extra={"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _FORM}}}},
)
async def add_part(request: Request, upload_id: str) -> Response:
    asked, key, id = Given(request), key_of(request.scope), bare(upload_id, "upload_")
    uploads = asked.service.uploads
    await uploads.pending(asked.tenant, id)
    async with uploads.incoming(asked.tenant) as content:
        form = await read_form(request, "data", content.take, largest=LARGEST_PART, digest=key is not None)
        if not content.size:
            raise BadRequest("The part is empty.", "data", "invalid_value")
        part = Part(new_id(), id, content.size, content.blob, now_ms())
        if key is not None:
            part = replace(part, id=id_of(f"part {key}"), fingerprint=id_of(f"{form.digest} {id}"))
        kept = await uploads.add(content, part)
    return answered_once(part_object(kept), again=kept is not part, same=kept.fingerprint == part.fingerprint)


@router.post("/{upload_id}/complete", summary="Join the parts of an upload to a file")
async def complete_upload(request: Request, upload_id: str) -> Response:
    asked = Given(request)
    body = await asked.body(CompleteUpload)
    parts = [_part_id(id) for id in body.part_ids]
    uploads, id = asked.service.uploads, bare(upload_id, "upload_")
    upload, file = await uploads.complete(asked.tenant, id, parts, body.md5)
    return answer(upload_object(upload, file))


@router.post("/{upload_id}/cancel", summary="Give an upload up")
async def cancel_upload(request: Request, upload_id: str) -> Response:
    asked = Given(request)
    return answer(upload_object(await asked.service.uploads.cancel(asked.tenant, bare(upload_id, "upload_"))))


def upload_object(upload: Upload, file: File | None = None) -> dict[str, Any]:
    """An `upload`."""
    return {
        "id": f"upload_{upload.id}",
        "object": "upload",
        "bytes": upload.size,
        "created_at": upload.created_at // 1000,
        "filename": upload.filename,
        "purpose": upload.purpose,
        "status": upload.status,
        "expires_at": upload.expires_at // 1000,
        "file": file and file_object(file),
    }


def part_object(part: Part) -> dict[str, Any]:
    """An `upload.part`."""
    return {
        "id": f"part_{part.id}",
        "object": "upload.part",
        "created_at": part.created_at // 1000,
        "upload_id": f"upload_{part.upload_id}",
    }


def _part_id(id: str) -> str:
    if not id.startswith("part_"):
        raise BadRequest(f"No part found with id '{id:.100}' in this upload.", "part_ids", "invalid_value")
    return id.removeprefix("part_")
