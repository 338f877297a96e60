"""What is kept of answered requests, so that the same request gets the same answer."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

AGE: Final = 24 * 3600.0  # seconds
ENTRIES: Final = 10_000
BYTES: Final = 64 * 1024 * 1024
LARGEST: Final = 8 * 1024 * 1024
_OVERHEAD: Final = 512  # bytes that a result takes besides its headers and its body


@dataclass(frozen=True, slots=True)
class Result:
    """A whole answer, and the fingerprint of the request that it belongs to."""

    fingerprint: bytes
    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    @property
    def size(self) -> int:
        """The bytes that it takes, roughly."""
        return len(self.body) + sum(len(name) + len(value) for name, value in self.headers) + _OVERHEAD


class Results(Protocol):
    """Results by tenant and key. What was kept is found for a while, unless there is too much of it."""

    async def find(self, tenant: str, key: str) -> Result | None:
        """The result that is kept under this key."""

    async def keep(self, tenant: str, key: str, result: Result) -> None:
        """Keep it from now on, in the place of an earlier one."""


class ResultsInMemory:
    """Results of one process: for `age` seconds, at most so many `entries` and `bytes`, the oldest out first. One that is
    larger than `largest` is not kept."""

    def __init__(
        self,
        *,
        age: float = AGE,
        entries: int = ENTRIES,
        bytes: int = BYTES,
        largest: int = LARGEST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._age, self._entries, self._bytes, self._largest, self._clock = age, entries, bytes, largest, clock
        self._kept: OrderedDict[tuple[str, str], tuple[float, Result]] = OrderedDict()  # the oldest first
        self._size = 0

    async def find(self, tenant: str, key: str) -> Result | None:
        self._forget()
        _, result = self._kept.get((tenant, key), (0.0, None))
        return result

    async def keep(self, tenant: str, key: str, result: Result) -> None:
        self._drop((tenant, key))
        if result.size <= self._largest:
            self._kept[tenant, key] = self._clock(), result
            self._size += result.size
        self._forget()

    def _forget(self) -> None:
        while self._kept and self._has_too_much():
            self._drop(next(iter(self._kept)))

    def _has_too_much(self) -> bool:
        kept_at, _ = next(iter(self._kept.values()))
        return len(self._kept) > self._entries or self._size > self._bytes or self._clock() - kept_at >= self._age

    def _drop(self, id: tuple[str, str]) -> None:
        if found := self._kept.pop(id, None):
            self._size -= found[1].size
