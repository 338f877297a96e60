"""`/v1/vector_stores`, and searching one."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from servers.assistants.encode import deleted
from servers.given import Given
from servers.ids import bare
from servers.json_body import answer
from servers.pages import envelope
from servers.resources.vector_stores import decode, encode
from servers.resources.vector_stores.schema import AttachFile, CreateStore, ModifyStore, Search

router = APIRouter(prefix="/v1/vector_stores", tags=["Vector stores"])


@router.post("", summary="Create a vector store")
async def create_store(request: Request) -> Response:
    asked = Given(request)
    body = await asked.body(CreateStore)
    strategy = body.chunking_strategy
    ids = body.file_ids or ()
    files = [AttachFile.model_construct(file_id=id, chunking_strategy=strategy) for id in ids]
    attachments = await decode.attachments(asked.service.files, asked.tenant, files)
    stores = asked.service.knowledge.stores
    return answer(encode.store_object(await stores.create(asked.tenant, decode.store(body), attachments)))


@router.get("", summary="List the vector stores")
async def list_stores(request: Request) -> Response:
    asked = Given(request)
    page = await asked.page(asked.service.knowledge.stores.all(asked.tenant), "vs_")
    return answer(envelope(list(map(encode.store_object, page.items)), has_more=page.has_more))


@router.get("/{vector_store_id}", summary="Retrieve a vector store")
async def get_store(request: Request, vector_store_id: str) -> Response:
    asked = Given(request)
    store = await asked.service.knowledge.stores.get(asked.tenant, bare(vector_store_id, "vs_"))
    return answer(encode.store_object(store))


@router.post("/{vector_store_id}", summary="Modify a vector store")
async def modify_store(request: Request, vector_store_id: str) -> Response:
    asked = Given(request)
    changes = decode.changes(await asked.body(ModifyStore))
    stores = asked.service.knowledge.stores
    return answer(encode.store_object(await stores.modify(asked.tenant, bare(vector_store_id, "vs_"), changes)))


@router.delete("/{vector_store_id}", summary="Delete a vector store; its files stay")
async def delete_store(request: Request, vector_store_id: str) -> Response:
    asked = Given(request)
    await asked.service.knowledge.stores.delete(asked.tenant, bare(vector_store_id, "vs_"))
    return answer(deleted(vector_store_id, "vector_store"))


@router.post("/{vector_store_id}/search", summary="Search a vector store")
async def search_store(request: Request, vector_store_id: str) -> Response:
    asked = Given(request)
    wanted = decode.wanted(await asked.body(Search))
    id = bare(vector_store_id, "vs_")
    found = await asked.service.knowledge.searches.search(asked.tenant, [id], wanted)
    return answer(encode.results(wanted.queries, found))
