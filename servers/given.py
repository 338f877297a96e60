"""What routes take from their request, whatever it is about: its tenant, its body, the page it asks for."""

from __future__ import annotations

from typing import TypeVar

from fastapi import Request
from pydantic import BaseModel

from graph.storage.port import Order
from servers.context import context_of
from servers.file_references import (
    file_references,
    refuse_unknown_files,
    refuse_unknown_stores,
    store_references,
)
from servers.invalid import validated
from servers.json_body import read_json
from servers.pages import MOST, USUAL, Listing, Page, page_request, read_page
from servers.service import Service, service_of

T = TypeVar("T")
Body = TypeVar("Body", bound=BaseModel)


class Given:
    """A request, and the service behind it."""

    def __init__(self, request: Request) -> None:
        self.request = request

    @property
    def service(self) -> Service:
        return service_of(self.request)

    @property
    def tenant(self) -> str:
        return context_of(self.request.scope).tenant

    async def body(self, model: type[Body]) -> Body:
        """The body, which may be missing; the files and vector stores that it names are there. Raises `BadRequest`."""
        body = validated(model, await read_json(self.request, empty={}))
        if named := dict(file_references(body)):
            await refuse_unknown_files(self.service.files, self.tenant, named)
        if named := dict(store_references(body)):
            await refuse_unknown_stores(self.service.knowledge.stores, self.tenant, named)
        return body

    async def page(
        self,
        listing: Listing[T],
        prefix: str = "",
        *,
        order: Order = "desc",
        usual: int = USUAL,
        most: int = MOST,
    ) -> Page[T]:
        """The part of a list that the query asks for (see `page_request`). Raises `BadRequest`."""
        wanted = page_request(self.request, order, prefix=prefix, usual=usual, most=most)
        return await read_page(listing, wanted)
