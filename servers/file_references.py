"""The files and vector stores that a body names: whoever names one that is not there is told so before anything is made of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from graph.files import Files
from graph.vector_stores.stores import VectorStores
from servers.errors import BadRequest


def file_references(value: Any) -> Iterator[tuple[str, str]]:
    """The places of a parsed body where the id of a file stands, and the ids: every `file_id` and what is in `file_ids`."""
    return _references(value, "file_id")


def store_references(value: Any) -> Iterator[tuple[str, str]]:
    """The same for vector stores: every `vector_store_id` and what is in `vector_store_ids`."""
    return _references(value, "vector_store_id")


async def refuse_unknown_files(files: Files, tenant: str, named: Mapping[str, str]) -> None:
    """Raises `BadRequest` about the first place whose file is not there."""
    known = await files.known(tenant, set(named.values()))
    for place, id in named.items():
        if id not in known:
            raise BadRequest(f"No file found with id '{id:.100}'.", place, "invalid_value")


async def refuse_unknown_stores(stores: VectorStores, tenant: str, named: Mapping[str, str]) -> None:
    """Raises `BadRequest` about the first place whose vector store is not there."""
    bare = {id: id.removeprefix("vs_") for id in named.values() if id.startswith("vs_")}
    known = await stores.known(tenant, list(bare.values()))
    for place, id in named.items():
        if bare.get(id) not in known:
            raise BadRequest(f"No vector store found with id '{id:.100}'.", place, "invalid_value")


def _references(value: Any, name: str, place: str = "") -> Iterator[tuple[str, str]]:
    match value:
        case BaseModel():
            for field in type(value).model_fields:
                yield from _of_field(field, getattr(value, field), name, f"{place}.{field}" if place else field)
        case list():
            for number, each in enumerate(value):
                yield from _references(each, name, f"{place}[{number}]")


def _of_field(field: str, value: Any, name: str, place: str) -> Iterator[tuple[str, str]]:
    if field == name and isinstance(value, str):
        yield place, value
    elif field == f"{name}s" and isinstance(value, list):
        yield from ((f"{place}[{number}]", id) for number, id in enumerate(value))
    else:
        yield from _references(value, name, place)
