"""Where a text can be parted without changing its tokens.

Both vocabularies split text into words before they merge bytes to tokens, and no word spans a safe place: a space
behind anything but white space; a line end or a mark behind a letter or digit; the change between digits and ASCII
letters. So the slices of a text can be counted one by one, and a text that is still growing is counted once.

A run without a safe place (a megabyte of spaces) is parted after `LONGEST` characters, wherever that is: it keeps the
time linear (such runs overflow the stack of tiktoken's pattern matcher) and costs a token or two per slice.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator

LONGEST = 3 * 8192  # digits go by threes

_SAFE = re.compile(
    r"\S(?= )"
    r"|[^\W_](?=[\r\n!-&(-/:-@\[-`{-~、。〈〉《》「」『』【】！（），．：；？])"  # not the apostrophe: o200k joins 's
    r"|[0-9](?=[A-Za-z])"
    r"|[A-Za-z](?=[0-9])"
)


def slices(text: str) -> Iterator[str]:
    """The text in slices of at most `LONGEST` characters, whose tokens together are the text's."""
    start = 0
    while len(text) - start > LONGEST:
        end = _slice_end(text, start)
        yield text[start:end]
        start = end
    yield text[start:]


def last_boundary(text: str, searched: int = 0) -> int:
    """The last place up to which the tokens of a growing text stand for good; 0 = none.

    The first `searched` characters are known to have no such place.
    """
    start = 0
    while len(text) - start > LONGEST:
        start = _slice_end(text, start)
    return _last_safe(text, max(start, searched - 1), len(text) - 1) or start


def _slice_end(text: str, start: int) -> int:
    return _last_safe(text, start, start + LONGEST) or start + LONGEST


def _last_safe(text: str, low: int, high: int) -> int | None:
    """The last safe place behind `low`, up to `high`. Ordinary text has one nearby: the end is searched first."""
    for reach in (64, 1024, high - low):
        found = deque(_SAFE.finditer(text, max(low, high - reach), high + 1), maxlen=1)
        if found:
            return found[0].end()
    return None
