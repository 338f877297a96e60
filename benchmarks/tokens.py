"""The tokens that the scripted upstream says: easy to count in bytes off the socket, and never the same text twice."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, cycle, islice
from time import monotonic
from typing import Final

MARK = b" w"  # every token begins with it, and nothing else in an answer's frames does
SLOT = b"########"  # stands in the first token, and becomes a number that no other answer has
STAMP = b"@@@@@@@@"  # stands in the tokens of a paced stream that tells when each was written
TICK = 1e-5  # seconds: the unit of stamps

_WORDS = (" was", " with", " were", " when", " who", " will", " way", " work", " world", " we")


def tokens(number: int) -> list[str]:
    """So many tokens; the first holds the slot."""
    return [f" w{SLOT.decode()}", *islice(cycle(_WORDS), number - 1)]


def serials() -> Iterator[bytes]:
    """What fills the slot, each time another number: no cache of token counts may know the text already."""
    return (b"%08d" % number for number in count())


def stamped(number: int) -> list[str]:
    """So many tokens that tell when they were written."""
    return [f" w{STAMP.decode()}"] * number


def stamp() -> bytes:
    """This moment, as a token tells it."""
    return b"%08d" % _ticks()


def since(told: bytes) -> float:
    """Seconds since a stamp, on the same machine."""
    return (_ticks() - int(told)) % _TURN * TICK


_TURN: Final = 100_000_000  # stamps have eight digits


def _ticks() -> int:
    return int(monotonic() / TICK) % _TURN
