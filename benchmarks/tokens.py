"""The tokens that the scripted upstream says: easy to count in bytes off the socket, and never the same text twice."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, cycle, islice

MARK = b" w"  # every token begins with it, and nothing else in an answer's frames does
SLOT = b"########"  # stands in the first token, and becomes a number that no other answer has

_WORDS = (" was", " with", " were", " when", " who", " will", " way", " work", " world", " we")


def tokens(number: int) -> list[str]:
    """So many tokens; the first holds the slot."""
    return [f" w{SLOT.decode()}", *islice(cycle(_WORDS), number - 1)]


def serials() -> Iterator[bytes]:
    """What fills the slot, each time another number: no cache of token counts may know the text already."""
    return (b"%08d" % number for number in count())
