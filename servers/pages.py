"""Lists, a page at a time, as OpenAI's: `limit`, `order`, and the ids of items as cursors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar

from starlette.requests import Request

from graph.storage.port import Order
from servers.errors import BadRequest

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

MOST: Final = 100
USUAL: Final = 20
_ORDERS: Final[dict[str, Order]] = {"asc": "asc", "desc": "desc"}
_REVERSED: Final[dict[Order, Order]] = {"asc": "desc", "desc": "asc"}


class Listing(Protocol[T_co]):
    """What can be paged through. A position is a number that says where an item stands among the others, in the order in
    which they came to be."""

    async def position(self, id: str) -> int | None:
        """Where the item of that id stands; None where there is none."""

    async def read(self, order: Order, after: int | None, before: int | None, limit: int) -> Sequence[T_co]:
        """At most `limit` items behind `after` and up to `before` (neither of them included), in the direction of
        `order`."""


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which part of a list is wanted. `after` and `before` are ids."""

    limit: int = USUAL
    order: Order = "desc"
    after: str | None = None
    before: str | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a list. `has_more`: it goes on in the direction in which it was read."""

    items: Sequence[T]
    has_more: bool


def page_request(request: Request, order: Order = "desc") -> PageRequest:
    """What the query asks for; `order` is what holds where it does not say. Raises `BadRequest`."""
    return PageRequest(
        _limit(single(request, "limit")),
        _order(single(request, "order"), order),
        single(request, "after") or None,
        single(request, "before") or None,
    )


def single(request: Request, name: str) -> str | None:
    """The value of a parameter of the query. Raises `BadRequest` where it is given twice."""
    values = request.query_params.getlist(name)
    if len(values) > 1:
        raise BadRequest(f"Invalid value for '{name}': it is given {len(values)} times.", name, "invalid_value")
    return values[0] if values else None


async def read_page(listing: Listing[T], wanted: PageRequest) -> Page[T]:
    """The wanted part of a list: what follows `after`, or with `before` alone the items right before that one. Raises
    `BadRequest` for a cursor that is no item of the list."""
    after = await _position(listing, wanted.after, "after")
    before = await _position(listing, wanted.before, "before")
    one_more = wanted.limit + 1
    if before is not None and after is None:
        found = await listing.read(_REVERSED[wanted.order], before, None, one_more)
        return Page(found[: wanted.limit][::-1], len(found) > wanted.limit)
    found = await listing.read(wanted.order, after, before, one_more)
    return Page(found[: wanted.limit], len(found) > wanted.limit)


def envelope(data: Sequence[Mapping[str, Any]], *, has_more: bool) -> dict[str, Any]:
    """OpenAI's list of these objects. In an empty one the ids are empty strings: its schemas know no null here."""
    first, last = (data[0]["id"], data[-1]["id"]) if data else ("", "")
    return {"object": "list", "data": data, "first_id": first, "last_id": last, "has_more": has_more}


def parameters(order: Order = "desc") -> list[dict[str, Any]]:
    """How OpenAPI describes what `page_request` reads."""
    schemas: dict[str, dict[str, Any]] = {
        "limit": {"type": "integer", "minimum": 1, "maximum": MOST, "default": USUAL},
        "order": {"type": "string", "enum": list(_ORDERS), "default": order},
        "after": {"type": "string"},
        "before": {"type": "string"},
    }
    return [{"name": name, "in": "query", "required": False, "schema": schema} for name, schema in schemas.items()]


async def _position(listing: Listing[T], id: str | None, param: str) -> int | None:
    if id is None:
        return None
    position = await listing.position(id)
    if position is None:
        raise BadRequest(f"Invalid value for '{param}': this list has no item {id!r:.100}.", param, "invalid_value")
    return position


def _limit(text: str | None) -> int:
    if text is None:
        return USUAL
    if not (text.isascii() and text.removeprefix("-").isdigit()):
        raise BadRequest(
            f"Invalid type for 'limit': expected an integer, but got {text!r:.100} instead.", "limit", "invalid_type"
        )
    limit = int(text[:20])  # more digits than that are only more
    if limit < 1:
        raise BadRequest("Invalid value for 'limit': it must be at least 1.", "limit", "integer_below_min_value")
    if limit > MOST:
        raise BadRequest(f"Invalid value for 'limit': it must be at most {MOST}.", "limit", "integer_above_max_value")
    return limit


def _order(text: str | None, default: Order) -> Order:
    if text is None:
        return default
    if text not in _ORDERS:
        raise BadRequest(
            f"Invalid value for 'order': {text!r:.100}. Supported values are: 'asc' and 'desc'.",
            "order",
            "invalid_value",
        )
    return _ORDERS[text]
