"""Ids. A bare id is 24 random base62 characters; a dialect writes its prefix in front of it.

The id of a client's call names its run, so that any process finds the run from the call alone.
"""

from __future__ import annotations

import re
import secrets

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PREFIXES = ("thread_", "conv_")
_BARE = re.compile(r"[0-9A-Za-z]{24}")
_CALL = re.compile(r"call_([0-9A-Za-z]{24})_[0-9]+_[0-9]+")
_SPACE = 62**24


def new_id() -> str:
    """A fresh bare id."""
    number, letters = secrets.randbelow(_SPACE), []
    for _ in range(24):
        number, digit = divmod(number, 62)
        letters.append(_ALPHABET[digit])
    return "".join(letters)


def is_bare(text: str) -> bool:
    """Whether a text could be a bare id."""
    return _BARE.fullmatch(text) is not None


def conversation_id(name: str) -> str:
    """The id in a name of a conversation: what is left without a dialect's prefix."""
    for prefix in _PREFIXES:
        if name.startswith(prefix):
            return name.removeprefix(prefix)
    return name


def call_id(run_id: str, fence: int, number: int) -> str:
    """The id of a run's call: at most 40 characters, as OpenAI's clients expect."""
    return f"call_{run_id}_{fence}_{number}"


def run_of_call(id: str) -> str | None:
    """The run that made a call, or None when the id is none of ours."""
    match = _CALL.fullmatch(id)
    return match[1] if match else None
