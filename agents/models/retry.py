"""When to try again: exponential back-off with full jitter, or when the server says."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

LONGEST_WAIT = 30.0  # seconds; a server that wants us to wait longer has refused


@dataclass(frozen=True, slots=True)
class Backoff:
    """`retries` further tries, each after a random wait below `base` times two to the number of tries, at most `cap`."""

    retries: int = 3
    base: float = 0.25
    cap: float = 8.0

    def wait(self, failures: int, asked: float | None) -> float | None:
        """Seconds until the next try after so many failures, `asked` being the server's wish. None: give up."""
        if failures > self.retries or (asked or 0.0) > LONGEST_WAIT:
            return None
        own = random.uniform(0, min(self.cap, self.base * 2 ** (failures - 1)))  # noqa: S311 - no secret hangs on it
        return own if asked is None else asked + min(own, self.base)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a server asks us to wait: `retry-after-ms`, or `Retry-After` in seconds or as a date."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    told = headers.get("Retry-After")
    seconds = _number(told)
    return _until(told) if seconds is None else seconds


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None


def _until(date: str | None) -> float | None:
    try:
        moment = parsedate_to_datetime(date or "")
    except ValueError:
        return None
    return max(0.0, moment.timestamp() - time.time())
