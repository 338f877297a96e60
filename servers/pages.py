"""Lists, a page at a time, as OpenAI's: `limit`, `order`, and the ids of items as cursors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar

from starlette.datastructures import QueryParams

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


class Queried(Protocol):
    """What comes with a query: a request."""

    @property
    def query_params(self) -> QueryParams: ...


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which part of a list is wanted. `after` and `before` are ids, without the `prefix` that they have on the wire."""

    limit: int = USUAL
    order: Order = "desc"
    after: str | None = None
    before: str | None = None
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a list. `has_more`: it goes on in the direction in which it was read."""

    items: Sequence[T]
    has_more: bool


def page_request(
    request: Queried, order: Order = "desc", *, prefix: str = "", usual: int = USUAL, most: int = MOST
) -> PageRequest:
    """What the query asks for; `order` and `usual` are what holds where it does not say. Ids on the wire have this prefix.
    Raises `BadRequest`."""
    return PageRequest(
        _limit(single(request, "limit"), usual, most),
        _order(single(request, "order"), order),
        _cursor(request, "after", prefix),
        _cursor(request, "before", prefix),
        prefix,
    )


def single(request: Queried, name: str) -> str | None:
    """The value of a parameter of the query. Raises `BadRequest` where it is given twice."""
    values = request.query_params.getlist(name)
    if len(values) > 1:
        raise BadRequest(f"Invalid value for '{name}': it is given {len(values)} times.", name, "invalid_value")
    return values[0] if values else None


async def read_page(listing: Listing[T], wanted: PageRequest) -> Page[T]:
    """The wanted part of a list: what follows `after`, or with `before` alone the items right before that one. Raises
    `BadRequest` for a cursor that is no item of the list."""
    after = await _position(listing, wanted.after, "after", wanted.prefix)
    before = await _position(listing, wanted.before, "before", wanted.prefix)
    one_more = wanted.limit + 1
    if before is not None and after is None:
        found = await listing.read(_REVERSED[wanted.order], before, None, one_more)
        return Page(found[: wanted.limit][::-1], len(found) > wanted.limit)
    found = await listing.read(wanted.order, after, before, one_more)
    return Page(found[: wanted.limit], len(found) > wanted.limit)


@dataclass(frozen=True, slots=True)
class Held(Generic[T]):
    """A listing of items that are in memory, oldest first."""

    items: Sequence[T]
    id_of: Callable[[T], str]

    async def position(self, id: str) -> int | None:
        return next((number for number, item in enumerate(self.items) if self.id_of(item) == id), None)

    async def read(self, order: Order, after: int | None, before: int | None, limit: int) -> Sequence[T]:
        low, high = (after, before) if order == "asc" else (before, after)
        found = self.items[0 if low is None else low + 1 : high]
        return found[:limit] if order == "asc" else found[::-1][:limit]


def envelope(data: Sequence[Mapping[str, Any]], *, has_more: bool) -> dict[str, Any]:
    """OpenAI's list of these objects. In an empty one the ids are empty strings: its schemas know no null here."""
    first, last = (data[0]["id"], data[-1]["id"]) if data else ("", "")
    return {"object": "list", "data": data, "first_id": first, "last_id": last, "has_more": has_more}


def parameters(order: Order = "desc", *, usual: int = USUAL, most: int = MOST) -> list[dict[str, Any]]:
    """How OpenAPI describes what `page_request` reads."""
    schemas: dict[str, dict[str, Any]] = {
        "limit": {"type": "integer", "minimum": 1, "maximum": most, "default": usual},
        "order": {"type": "string", "enum": list(_ORDERS), "default": order},
        "after": {"type": "string"},
        "before": {"type": "string"},
    }
    return [{"name": name, "in": "query", "required": False, "schema": schema} for name, schema in schemas.items()]


async def _position(listing: Listing[T], id: str | None, param: str, prefix: str) -> int | None:
    if id is None:
        return None
    position = await listing.position(id)
    if position is None:
        raise _unknown(prefix + id, param)
    return position


def _unknown(id: str, param: str) -> BadRequest:
    return BadRequest(f"Invalid value for '{param}': this list has no item {id!r:.100}.", param, "invalid_value")


def _cursor(request: Queried, name: str, prefix: str) -> str | None:
    """The id of a cursor, without its prefix. One that has another prefix names nothing."""
    id = single(request, name)
    if not id:
        return None
    if not id.startswith(prefix):
        raise _unknown(id, name)
    return id.removeprefix(prefix)


def _limit(text: str | None, usual: int, most: int) -> int:
    if text is None:
        return usual
    if not (text.isascii() and text.removeprefix("-").isdigit()):
        raise BadRequest(
            f"Invalid type for 'limit': expected an integer, but got {text!r:.100} instead.", "limit", "invalid_type"
        )
    limit = int(text[:20])  # more digits than that are only more
    if limit < 1:
        raise BadRequest("Invalid value for 'limit': it must be at least 1.", "limit", "integer_below_min_value")
    if limit > most:
        raise BadRequest(f"Invalid value for 'limit': it must be at most {most}.", "limit", "integer_above_max_value")
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
