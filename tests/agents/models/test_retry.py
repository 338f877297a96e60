"""When to try again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from agents.models.retry import Backoff, retry_after


def test_waits_double_up_to_the_cap_with_full_jitter() -> None:
    backoff = Backoff(retries=10, base=0.25, cap=2.0)
    for failures, longest in [(1, 0.25), (2, 0.5), (3, 1.0), (4, 2.0), (9, 2.0)]:
        waits = [backoff.wait(failures, None) for _ in range(200)]
        assert all(wait is not None and 0 <= wait <= longest for wait in waits)
        assert len(set(waits)) > 100


def test_the_number_of_tries_is_limited() -> None:
    assert Backoff(retries=2, base=0).wait(2, None) == 0
    assert Backoff(retries=2, base=0).wait(3, None) is None
    assert Backoff(retries=0).wait(1, None) is None


def test_the_servers_wish_is_kept_and_too_long_a_one_is_a_refusal() -> None:
    wait = Backoff(base=0.25).wait(1, 5.0)
    assert wait is not None
    assert 5.0 <= wait <= 5.25
    assert Backoff().wait(1, 30.0) is not None
    assert Backoff().wait(1, 30.5) is None


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "0.5"}, 0.5),
        ({"Retry-After": "7", "retry-after-ms": "250"}, 0.25),
        ({"Retry-After": "-3"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "inf"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0.0),
    ],
)
def test_what_a_server_asks_for(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


def test_a_date() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    seconds = retry_after({"Retry-After": date})
    assert seconds is not None
    assert 3000 < seconds <= 3601
