"""Changes of what others may change at the same time."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from graph.errors import ConversationBusy
from graph.storage.port import TRIES, Conflict

P = ParamSpec("P")
T = TypeVar("T")
Change = Callable[P, Coroutine[Any, Any, T]]


def begun_anew(what: str) -> Callable[[Change[P, T]], Change[P, T]]:
    """For a method that reads, decides and commits: where somebody else was quicker (`Conflict`) it is called again, and sees
    what they have done. Raises `ConversationBusy` when that has happened `TRIES` times."""

    def decorate(change: Change[P, T]) -> Change[P, T]:
        @wraps(change)
        async def changed(*args: P.args, **kwargs: P.kwargs) -> T:
            for _ in range(TRIES):
                try:
                    return await change(*args, **kwargs)
                except Conflict:
                    continue
            raise ConversationBusy(f"The {what} is being changed by too many requests at once. Try again.")

        return changed

    return decorate
