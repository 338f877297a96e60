"""Dataclasses as they are stored: what has its default is left out."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import Field, asdict, fields, is_dataclass
from functools import cache
from typing import Any

import orjson


def compact(value: Any, without: Collection[str] = ()) -> dict[str, Any]:
    """The fields of a dataclass, and of dataclasses in them, that differ from their defaults; `without` those fields of its
    own."""
    result: dict[str, Any] = {}
    for name, default in _defaults(value.__class__):
        if name not in without and (current := getattr(value, name)) != default:
            result[name] = compact(current) if _is_dataclass(current.__class__) else current
    return result


def dumps(stored: Mapping[str, Any]) -> bytes:
    """JSON. Lone surrogates, which UTF-8 can't carry, become question marks."""
    try:
        return orjson.dumps(stored)
    except orjson.JSONEncodeError:
        return json.dumps(stored, default=asdict, ensure_ascii=False).encode("utf-8", "replace")


@cache
def _is_dataclass(cls: type) -> bool:
    return is_dataclass(cls)


@cache
def _defaults(cls: type) -> tuple[tuple[str, Any], ...]:
    """A dataclass's fields with their defaults; `MISSING` equals nothing."""
    return tuple((each.name, _default(each)) for each in fields(cls))


def _default(field: Field[Any]) -> Any:
    """Only classes make the same each time: a function may make the time of day."""
    factory: Any = field.default_factory
    return factory() if isinstance(factory, type) else field.default
