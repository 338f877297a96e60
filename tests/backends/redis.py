"""A prefix of its own in a Redis that is there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

from redis import Redis

from tests.backends.ground import listens

URL = os.environ.get("CORTEX_TEST_REDIS_URL", "redis://127.0.0.1:6379/0")


class RedisGround:
    needs = "a Redis at CORTEX_TEST_REDIS_URL, or on this machine"
    required = True

    def available(self) -> bool:
        return _answers()

    @contextmanager
    def empty(self, folder: Path) -> Iterator[str]:
        prefix = f"test-{uuid4().hex}"
        try:
            yield f"{URL}{'&' if '?' in URL else '?'}prefix={prefix}"
        finally:
            _clear(prefix)


@cache
def _answers() -> bool:
    place = urlsplit(URL)
    return listens(place.hostname or "localhost", place.port or 6379)


def _clear(prefix: str) -> None:
    with Redis.from_url(URL) as redis:
        for match in (f"{prefix}:*", f"streaq:{prefix}-queue*"):  # the store, and where runs wait
            for key in redis.scan_iter(match=match, count=1000):
                redis.unlink(key)
