"""From the wire of the vector stores to what they are asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from graph.files import Files
from graph.ids import bare_file_id
from graph.vector_stores.filters import Comparison, Compound, Filter
from graph.vector_stores.search import Wanted, rewritten
from graph.vector_stores.stores import Attachment, new_store
from graph.vector_stores.values import VectorStore
from servers.chunking import chunking
from servers.resources.vector_stores import schema as wire


def store(body: wire.CreateStore) -> VectorStore:
    """The store that a body asks for."""
    days = body.expires_after.days if body.expires_after else None
    return new_store(name=body.name or "", metadata=body.metadata or {}, expires_days=days)


def changes(body: wire.ModifyStore) -> Mapping[str, Any]:
    """What a body changes. A null takes a name or an expiry away."""
    given = body.model_fields_set
    found: dict[str, Any] = {}
    if "name" in given:
        found["name"] = body.name or ""
    if "expires_after" in given:
        found["expires_days"] = body.expires_after.days if body.expires_after else None
    if body.metadata is not None:
        found["metadata"] = body.metadata
    return found


async def attachments(files: Files, tenant: str, asked: Sequence[wire.AttachFile]) -> Sequence[Attachment]:
    """The files that are to be put into a store. Raises `NotFound`."""
    ids = [bare_file_id(each.file_id) or each.file_id for each in asked]
    found = await files.get_many(tenant, ids)
    return [
        Attachment(file, chunking(each.chunking_strategy), each.attributes)
        for file, each in zip(found, asked, strict=True)
    ]


def batch(body: wire.CreateBatch) -> Sequence[wire.AttachFile]:
    """The files of a batch, each with what holds for it."""
    if body.files is not None:
        return body.files
    return [
        wire.AttachFile.model_construct(
            file_id=id, attributes=body.attributes, chunking_strategy=body.chunking_strategy
        )
        for id in body.file_ids or ()
    ]


def wanted(body: wire.Search) -> Wanted:
    """What a search is for."""
    queries = [body.query] if isinstance(body.query, str) else body.query
    return Wanted(
        [rewritten(query) for query in queries] if body.rewrite_query else queries,
        body.max_num_results,
        _filter(body.filters) if body.filters else None,
        body.ranking_options.score_threshold if body.ranking_options else 0.0,
    )


def _filter(given: wire.ComparisonFilter | wire.CompoundFilter) -> Filter:
    if isinstance(given, wire.CompoundFilter):
        return Compound(given.type, tuple(map(_filter, given.filters)))
    return Comparison(given.type, given.key, given.value)
