"""Filters on the attributes of files."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from graph.vector_stores.values import Attributes

Operator = Literal["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin"]

_ORDERED: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """An attribute compared with a value, or with several. What a file does not have is unequal to everything."""

    type: Operator
    key: str
    value: Any


@dataclass(frozen=True, slots=True)
class Compound:
    """Filters that all hold (`and`), or one of which does (`or`)."""

    type: Literal["and", "or"]
    filters: tuple[Filter, ...]


Filter = Comparison | Compound


def holds(wanted: Filter, attributes: Attributes) -> bool:
    """Whether a file with these attributes is wanted."""
    if isinstance(wanted, Compound):
        each = (holds(part, attributes) for part in wanted.filters)
        return all(each) if wanted.type == "and" else any(each)
    value = attributes.get(wanted.key)
    match wanted.type:
        case "eq":
            return _same(value, wanted.value)
        case "ne":
            return not _same(value, wanted.value)
        case "in":
            return any(_same(value, each) for each in wanted.value)
        case "nin":
            return not any(_same(value, each) for each in wanted.value)
        case _:
            return _kind(value) == _kind(wanted.value) != "other" and _ORDERED[wanted.type](value, wanted.value)


def _same(value: Any, other: Any) -> bool:
    return _kind(value) == _kind(other) and bool(value == other)


def _kind(value: Any) -> str:
    match value:
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case _:
            return "other"
