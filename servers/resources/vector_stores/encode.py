"""From what vector stores keep to OpenAI's objects. Pure and synchronous."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from graph.vector_stores.search import Found
from graph.vector_stores.values import Batch, Chunk, Counts, StoreFile, VectorStore


def store_object(store: VectorStore) -> dict[str, Any]:
    """A `vector_store`. OpenAI's schema knows no null in `expires_after`: it is there when it says something."""
    shown = {
        "id": f"vs_{store.id}",
        "object": "vector_store",
        "created_at": store.created_at // 1000,
        "name": store.name,
        "usage_bytes": store.usage_bytes,
        "file_counts": _counts(store.counts),
        "status": store.status,
        "expires_at": None if store.expires_at is None else store.expires_at // 1000,
        "last_active_at": store.last_active_at // 1000,
        "metadata": dict(store.metadata),
    }
    if store.expires_days is None:
        return shown
    return {**shown, "expires_after": {"anchor": "last_active_at", "days": store.expires_days}}


def file_object(file: StoreFile) -> dict[str, Any]:
    """A `vector_store.file`."""
    sizes = {"max_chunk_size_tokens": file.chunking.size, "chunk_overlap_tokens": file.chunking.overlap}
    return {
        "id": f"file-{file.file_id}",
        "object": "vector_store.file",
        "usage_bytes": file.usage_bytes,
        "created_at": file.created_at // 1000,
        "vector_store_id": f"vs_{file.store_id}",
        "status": file.status,
        "last_error": {"code": file.error.code, "message": file.error.message} if file.error else None,
        "chunking_strategy": {"type": "static", "static": sizes},
        "attributes": dict(file.attributes),
    }


def batch_object(batch: Batch) -> dict[str, Any]:
    """A `vector_store.files_batch`."""
    return {
        "id": f"vsfb_{batch.id}",
        "object": "vector_store.files_batch",
        "created_at": batch.created_at // 1000,
        "vector_store_id": f"vs_{batch.store_id}",
        "status": batch.status,
        "file_counts": _counts(batch.counts),
    }


def results(queries: Sequence[str], found: Iterable[Found]) -> dict[str, Any]:
    """What a search has found."""
    return {
        "object": "vector_store.search_results.page",
        "search_query": list(queries),
        "data": [
            {
                "file_id": f"file-{each.file_id}",
                "filename": each.filename,
                "score": each.score,
                "attributes": dict(each.attributes),
                "content": [{"type": "text", "text": each.text}],
            }
            for each in found
        ],
        "has_more": False,
        "next_page": None,
    }


def content(chunks: Sequence[Chunk]) -> dict[str, Any]:
    """The text that was read from a file: each chunk without what stands in the one before it."""
    parts, told = list[dict[str, str]](), 0
    for chunk in chunks:
        own = chunk.text[chunk.head + max(0, told - chunk.start) :]
        told = max(told, chunk.end)
        if own:
            parts.append({"type": "text", "text": own})
    return {"object": "vector_store.file_content.page", "data": parts, "has_more": False, "next_page": None}


def _counts(counts: Counts) -> dict[str, int]:
    return {
        "in_progress": counts.in_progress,
        "completed": counts.completed,
        "failed": counts.failed,
        "cancelled": counts.cancelled,
        "total": counts.total,
    }
