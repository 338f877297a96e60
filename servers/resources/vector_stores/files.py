"""`/v1/vector_stores/{vector_store_id}/files` and `/file_batches`."""

from __future__ import annotations

from typing import Any, Final, get_args

from fastapi import APIRouter, Request
from starlette.responses import Response

from graph.vector_stores.values import FileStatus
from servers.assistants.encode import POLL_MS, deleted
from servers.errors import BadRequest
from servers.given import Given
from servers.ids import bare
from servers.json_body import answer
from servers.pages import envelope, single
from servers.resources.vector_stores import decode, encode
from servers.resources.vector_stores.schema import AttachFile, CreateBatch, ModifyFile

router = APIRouter(prefix="/v1/vector_stores/{vector_store_id}", tags=["Vector stores"])

_POLLING: Final = {"openai-poll-after-ms": str(POLL_MS)}
_STATUSES: Final[tuple[FileStatus, ...]] = get_args(FileStatus)


@router.post("/files", summary="Put a file into a vector store")
async def create_file(request: Request, vector_store_id: str) -> Response:
    asked = Given(request)
    attachments = await decode.attachments(asked.service.files, asked.tenant, [await asked.body(AttachFile)])
    [file] = await asked.service.knowledge.stores.attach(asked.tenant, bare(vector_store_id, "vs_"), attachments)
    return answer(encode.file_object(file), _POLLING)


@router.get("/files", summary="List the files of a vector store")
async def list_files(request: Request, vector_store_id: str) -> Response:
    asked = Given(request)
    id = bare(vector_store_id, "vs_")
    await asked.service.knowledge.stores.get(asked.tenant, id)
    return answer(await _listed(asked, id, None))


@router.get("/files/{file_id}", summary="Retrieve a file of a vector store")
async def get_file(request: Request, vector_store_id: str, file_id: str) -> Response:
    asked = Given(request)
    stores = asked.service.knowledge.stores
    file = await stores.file(asked.tenant, bare(vector_store_id, "vs_"), bare(file_id, "file-"))
    return answer(encode.file_object(file), _POLLING)


@router.post("/files/{file_id}", summary="Modify the attributes of a file of a vector store")
async def modify_file(request: Request, vector_store_id: str, file_id: str) -> Response:
    asked = Given(request)
    body = await asked.body(ModifyFile)
    store, file = bare(vector_store_id, "vs_"), bare(file_id, "file-")
    changed = await asked.service.knowledge.stores.set_attributes(asked.tenant, store, file, body.attributes or {})
    return answer(encode.file_object(changed))


@router.get("/files/{file_id}/content", summary="The text of a file of a vector store")
async def get_content(request: Request, vector_store_id: str, file_id: str) -> Response:
    asked = Given(request)
    stores = asked.service.knowledge.stores
    file = await stores.file(asked.tenant, bare(vector_store_id, "vs_"), bare(file_id, "file-"))
    if file.status != "completed":
        raise BadRequest(f"The file has no content here: its status is '{file.status}'.", code="file_not_completed")
    chunks = [chunk async for some in stores.chunks(asked.tenant, file) for chunk in some]
    return answer(encode.content(chunks))


@router.delete("/files/{file_id}", summary="Take a file out of a vector store; the file itself stays")
async def delete_file(request: Request, vector_store_id: str, file_id: str) -> Response:
    asked = Given(request)
    stores = asked.service.knowledge.stores
    await stores.detach(asked.tenant, bare(vector_store_id, "vs_"), bare(file_id, "file-"))
    return answer(deleted(file_id, "vector_store.file"))


@router.post("/file_batches", summary="Put files into a vector store together")
async def create_batch(request: Request, vector_store_id: str) -> Response:
    asked = Given(request)
    files = decode.batch(await asked.body(CreateBatch))
    attachments = await decode.attachments(asked.service.files, asked.tenant, files)
    stores = asked.service.knowledge.stores
    batch = await stores.attach_batch(asked.tenant, bare(vector_store_id, "vs_"), attachments)
    return answer(encode.batch_object(batch), _POLLING)


@router.get("/file_batches/{batch_id}", summary="Retrieve a file batch")
async def get_batch(request: Request, vector_store_id: str, batch_id: str) -> Response:
    asked = Given(request)
    store, id = bare(vector_store_id, "vs_"), bare(batch_id, "vsfb_")
    return answer(encode.batch_object(await asked.service.knowledge.stores.batch(asked.tenant, store, id)), _POLLING)


@router.post("/file_batches/{batch_id}/cancel", summary="Cancel a file batch")
async def cancel_batch(request: Request, vector_store_id: str, batch_id: str) -> Response:
    asked = Given(request)
    store, id = bare(vector_store_id, "vs_"), bare(batch_id, "vsfb_")
    return answer(encode.batch_object(await asked.service.knowledge.stores.cancel_batch(asked.tenant, store, id)))


@router.get("/file_batches/{batch_id}/files", summary="List the files of a file batch")
async def list_batch_files(request: Request, vector_store_id: str, batch_id: str) -> Response:
    asked = Given(request)
    store, id = bare(vector_store_id, "vs_"), bare(batch_id, "vsfb_")
    await asked.service.knowledge.stores.batch(asked.tenant, store, id)
    return answer(await _listed(asked, store, id))


async def _listed(asked: Given, store_id: str, batch_id: str | None) -> dict[str, Any]:
    """A page of a store's files, or a batch's."""
    listing = asked.service.knowledge.stores.files(asked.tenant, store_id, _status(asked.request), batch_id)
    page = await asked.page(listing, "file-")
    return envelope(list(map(encode.file_object, page.items)), has_more=page.has_more)


def _status(request: Request) -> FileStatus | None:
    """The status that the query asks for. Raises `BadRequest`."""
    said = single(request, "filter")
    if not said:
        return None
    for status in _STATUSES:
        if said == status:
            return status
    known = ", ".join(f"'{status}'" for status in _STATUSES)
    raise BadRequest(
        f"Invalid value for 'filter': {said!r:.100}. Supported values are: {known}.", "filter", "invalid_value"
    )
