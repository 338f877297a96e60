"""Keeps `stop` and `max_tokens` on an answer while it streams, so that they hold whatever the model does with them.

What is shown does not depend on how the text was split on its way: it is the text up to the stop sequence that was
complete first, cut to `max_tokens` as `Tokenizer.cut` would cut the whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from graph.tokens import Tokenizer

Cut = Literal["length", "stop"]


class AnswerGate:
    """Text goes in as it comes, and comes out as it may be shown. After a cut nothing more comes out.

    At most the start of a stop sequence is held back and, close to `max_tokens`, the word whose end is not in sight.
    """

    def __init__(self, tokenizer: Tokenizer, max_tokens: int | None = None, stop: Sequence[str] = ()) -> None:
        self._tokenizer = tokenizer
        self._stop = _Stop(stop) if any(stop) else None
        self._length = None if max_tokens is None else _Length(tokenizer, max_tokens)
        self._shown: list[str] = []
        self._cut: Cut | None = None

    @property
    def cut(self) -> Cut | None:
        """Why the answer was cut; None = it was not. The source need not be read any further."""
        return self._cut

    @property
    def text(self) -> str:
        """All that was shown."""
        return "".join(self._shown)

    @property
    def tokens(self) -> int:
        """The tokens of `text`, never more than `max_tokens`."""
        return self._length.tokens if self._length else self._tokenizer.count(self.text)

    def feed(self, text: str) -> str:
        """What may be shown now of the answer so far."""
        if self._cut:
            return ""
        if self._stop:
            text = self._stop.feed(text)
        shown = self._measured(text)
        if self._stop and self._stop.found:
            shown += self._end("stop")
        return self._show(shown)

    def flush(self) -> str:
        """What was held back and may be shown after all, now that the answer has ended."""
        if self._cut:
            return ""
        shown = self._measured(self._stop.flush()) if self._stop else ""
        return self._show(shown + self._end(None))

    def _measured(self, text: str) -> str:
        if self._length is None:
            return text
        shown = self._length.feed(text)
        if self._length.full:
            self._cut = "length"
        return shown

    def _end(self, reason: Cut | None) -> str:
        """The rest, when no more text will come: only now it is known where its last word ends."""
        rest = self._length.flush() if self._length else ""
        self._cut = "length" if self._length and self._length.full else reason
        return rest

    def _show(self, text: str) -> str:
        self._shown.append(text)
        return text


class _Stop:
    """Looks for the stop sequence that is complete first; of those that end together, the longest."""

    def __init__(self, sequences: Sequence[str]) -> None:
        self._sequences = tuple(filter(None, sequences))
        self._held = ""
        self.found = False

    def feed(self, text: str) -> str:
        text = self._held + text
        ends = [(at + len(stop), at) for stop in self._sequences if (at := text.find(stop)) >= 0]
        self.found = bool(ends)
        safe = min(ends)[1] if ends else len(text) - max(_overlap(text, stop) for stop in self._sequences)
        self._held = text[safe:]
        return text[:safe]

    def flush(self) -> str:
        held, self._held = self._held, ""
        return held


def _overlap(text: str, stop: str) -> int:
    """The length of the longest end of `text` with which `stop` begins, without being complete."""
    at = max(0, len(text) - len(stop) + 1)
    while (at := text.find(stop[0], at)) >= 0:
        if stop.startswith(text[at:]):
            return len(text) - at
        at += 1
    return 0


class _Length:
    """Counts as little as it can: a token has at least one byte, so as many bytes as tokens are left always fit.

    Beyond that, what ends at a boundary is counted, once. Behind the last boundary comes the pending text, of which
    `_seen` characters are shown.
    """

    def __init__(self, tokenizer: Tokenizer, limit: int) -> None:
        self._tokenizer = tokenizer
        self._counted = 0
        self._left = max(limit, 0)
        self._pending: list[str] = []
        self._bytes = 0
        self._seen = 0
        self._searched = 0
        self.full = False

    @property
    def tokens(self) -> int:
        """The tokens of all that was shown."""
        return self._counted + self._tokenizer.count("".join(self._pending)[: self._seen])

    def feed(self, text: str) -> str:
        self._pending.append(text)
        self._bytes += _bytes(text)
        if self._bytes <= self._left:
            self._seen += len(text)
            return text
        return self._settle("".join(self._pending))

    def flush(self) -> str:
        """What is held back, now that no more text will come."""
        text = "".join(self._pending)
        return "" if self.full else self._take(text, len(text))

    def _settle(self, text: str) -> str:
        end = self._tokenizer.boundary(text, self._searched)
        shown = self._take(text, end)
        if self.full:
            return shown
        rest = text[end:]
        self._pending, self._bytes, self._searched = [rest], _bytes(rest), len(rest)
        if self._bytes <= self._left:
            shown, self._seen = shown + rest[self._seen :], len(rest)
        elif not self._left:
            self.full, self._pending = True, []
        return shown

    def _take(self, text: str, end: int) -> str:
        """Count the pending text up to `end`, a boundary, and show it, or as much of it as fits."""
        tokens = len(self._tokenizer.encode(text[:end]))
        if tokens > self._left:
            self.full, fitting = True, self._tokenizer.cut(text[:end], self._left)
            shown, self._pending, self._seen = fitting[self._seen :], [fitting], len(fitting)
            return shown
        self._counted, self._left = self._counted + tokens, self._left - tokens
        shown, self._seen, self._pending = text[self._seen : end], max(0, self._seen - end), [text[end:]]
        return shown


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
