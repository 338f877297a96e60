"""Probabilities of tokens, told with the text that the tokens spell and never without it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from agents.models.port import TokenLogprob


class LogprobQueue:
    """Tokens go in as the model tells them, and come out when the text that they spell is shown.

    They are counted off in bytes, for a token may be a part of a character, and a limit may hold back a part of a token:
    it comes with the text that completes it. What is cut off comes never.
    """

    def __init__(self, tokens: Iterable[TokenLogprob] = ()) -> None:
        self._waiting = deque(tokens)
        self._ahead = 0  # bytes that were shown beyond the last token that was taken

    def add(self, tokens: Iterable[TokenLogprob]) -> None:
        self._waiting.extend(tokens)

    def take(self, shown: str) -> tuple[TokenLogprob, ...]:
        """The tokens that are complete now that this text is shown too."""
        self._ahead += len(shown.encode("utf-8", "replace"))
        taken: list[TokenLogprob] = []
        while self._waiting and len(self._waiting[0].spelled) <= self._ahead:
            taken.append(self._waiting.popleft())
            self._ahead -= len(taken[-1].spelled)
        return tuple(taken)

    def rest(self) -> tuple[TokenLogprob, ...]:
        """The tokens that are left."""
        return tuple(self._waiting)


def behind(text: str, tokens: Sequence[TokenLogprob]) -> tuple[TokenLogprob, ...]:
    """The tokens of a message that were not told with `text`, its beginning."""
    if not tokens:
        return ()
    queue = LogprobQueue(tokens)
    queue.take(text)
    return queue.rest()
