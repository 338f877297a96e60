"""Texts on their way in and out: PostgreSQL holds all of Unicode but the character zero."""

from __future__ import annotations

import re
from typing import Final

_ESCAPE: Final = "\x01"
_ESCAPED: Final = re.compile("\x01(.)", re.DOTALL)


def stored(text: str) -> str:
    """As it is stored. Different texts stay different."""
    if "\0" in text or _ESCAPE in text:
        return text.replace(_ESCAPE, "\x01\x01").replace("\0", "\x010")
    return text


def told(text: str) -> str:
    """As it was given."""
    if _ESCAPE in text:
        return _ESCAPED.sub(lambda found: "\0" if found[1] == "0" else found[1], text)
    return text
