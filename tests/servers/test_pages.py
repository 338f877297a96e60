"""Lists, page by page, against what a plain list would give."""

from __future__ import annotations

from itertools import product

import pytest
from starlette.requests import Request

from graph.storage.port import Order
from servers.errors import BadRequest
from servers.pages import PageRequest, envelope, page_request, read_page

IDS = ["a", "b", "c", "d", "e"]


class Letters:
    """The letters, at the positions 10, 20, 30..."""

    def __init__(self) -> None:
        self.most = 0

    async def position(self, id: str) -> int | None:
        return 10 * (IDS.index(id) + 1) if id in IDS else None

    async def read(self, order: Order, after: int | None, before: int | None, limit: int) -> list[str]:
        self.most = max(self.most, limit)
        low, high = (after, before) if order == "asc" else (before, after)
        found = [id for n, id in enumerate(IDS, 1) if (low or 0) < 10 * n < (high or 1000)]
        return (found if order == "asc" else found[::-1])[:limit]


def asked(query: str) -> Request:
    return Request({"type": "http", "query_string": query.encode(), "headers": []})


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_every_page(order: Order) -> None:
    whole = IDS if order == "asc" else IDS[::-1]
    for limit, after, before in product(range(1, 7), [None, *IDS], [None, *IDS]):
        begin = whole.index(after) + 1 if after else 0
        end = whole.index(before) if before else len(whole)
        between = whole[begin:end]
        expected = between[-limit:] if before and not after else between[:limit]
        page = await read_page(Letters(), PageRequest(limit, order, after, before))
        assert (page.items, page.has_more) == (expected, len(between) > limit), (limit, after, before)


async def test_one_item_more_is_read_and_no_other() -> None:
    letters = Letters()
    await read_page(letters, PageRequest(2))
    assert letters.most == 3


def test_what_a_query_asks_for() -> None:
    assert page_request(asked("")) == PageRequest(20, "desc")
    assert page_request(asked(""), "asc").order == "asc"
    assert page_request(asked("limit=100&order=asc&after=a&before=b&other=1")) == PageRequest(100, "asc", "a", "b")
    assert page_request(asked("after=&before=")) == PageRequest()


@pytest.mark.parametrize(
    ("query", "param", "code"),
    [
        ("limit=0", "limit", "integer_below_min_value"),
        ("limit=-1", "limit", "integer_below_min_value"),
        ("limit=101", "limit", "integer_above_max_value"),
        (f"limit={'9' * 5000}", "limit", "integer_above_max_value"),
        ("limit=", "limit", "invalid_type"),
        ("limit=ten", "limit", "invalid_type"),
        ("limit=1.5", "limit", "invalid_type"),
        ("limit=--5", "limit", "invalid_type"),
        ("limit=%D9%A3", "limit", "invalid_type"),
        ("limit=5&limit=6", "limit", "invalid_value"),
        ("order=", "order", "invalid_value"),
        ("order=ASC", "order", "invalid_value"),
        ("after=a&after=b", "after", "invalid_value"),
    ],
)
def test_what_no_list_can_give(query: str, param: str, code: str) -> None:
    with pytest.raises(BadRequest) as raised:
        page_request(asked(query))
    assert (raised.value.param, raised.value.code) == (param, code)


@pytest.mark.parametrize(
    ("wanted", "param"), [(PageRequest(after="z"), "after"), (PageRequest(before="z", after="a"), "before")]
)
async def test_a_cursor_that_is_nowhere(wanted: PageRequest, param: str) -> None:
    with pytest.raises(BadRequest) as raised:
        await read_page(Letters(), wanted)
    assert (raised.value.param, raised.value.code) == (param, "invalid_value")


def test_envelopes() -> None:
    some = envelope([{"id": "a"}, {"id": "b"}], has_more=True)
    assert some == {
        "object": "list",
        "data": [{"id": "a"}, {"id": "b"}],
        "first_id": "a",
        "last_id": "b",
        "has_more": True,
    }
    assert envelope([], has_more=False) == {
        "object": "list",
        "data": [],
        "first_id": "",
        "last_id": "",
        "has_more": False,
    }
