"""The files that a body names: whoever names one that is not there is told so before anything is made of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from graph.files import Files
from servers.errors import BadRequest


def file_references(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """The places of a parsed body where the id of a file stands, and the ids: every `file_id` and what is in `file_ids`."""
    match value:
        case BaseModel():
            for name in type(value).model_fields:
                yield from _of_field(name, getattr(value, name), f"{place}.{name}" if place else name)
        case list():
            for number, each in enumerate(value):
                yield from file_references(each, f"{place}[{number}]")


async def refuse_unknown_files(files: Files, tenant: str, named: Mapping[str, str]) -> None:
    """Raises `BadRequest` about the first place whose file is not there."""
    known = await files.known(tenant, set(named.values()))
    for place, id in named.items():
        if id not in known:
            raise BadRequest(f"No file found with id '{id:.100}'.", place, "invalid_value")


def _of_field(name: str, value: Any, place: str) -> Iterator[tuple[str, str]]:
    match name, value:
        case "file_id", str():
            yield place, value
        case "file_ids", list():
            yield from ((f"{place}[{number}]", id) for number, id in enumerate(value))
        case _:
            yield from file_references(value, place)
