"""Changes of what others may change at the same time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

from graph.errors import ConversationBusy
from graph.storage.port import TRIES, Conflict

P = ParamSpec("P")
T = TypeVar("T")
Change = Callable[P, Coroutine[Any, Any, T]]
_LONGEST: Final = 0.05  # seconds


def begun_anew(what: str) -> Callable[[Change[P, T]], Change[P, T]]:
    """For a method that reads, decides and commits: where somebody else was quicker (`Conflict`) it is called again, and sees
    what they have done; a little later each time, so that many at once come one after the other. Raises `ConversationBusy` when that
    has happened `TRIES` times."""

    def decorate(change: Change[P, T]) -> Change[P, T]:
        @wraps(change)
        async def changed(*args: P.args, **kwargs: P.kwargs) -> T:
            for tried in range(TRIES):
                try:
                    return await change(*args, **kwargs)
                except Conflict:
                    await asyncio.sleep(_pause(tried))
            raise ConversationBusy(f"The {what} is being changed by too many requests at once. Try again.")

        return changed

    return decorate


def _pause(tried: int) -> float:
    """Seconds, by chance: those who have met must not meet again."""
    return random.uniform(0, min(_LONGEST, 0.001 * 2**tried))  # noqa: S311
