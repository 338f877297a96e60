"""Ids. A bare id is 24 random base62 characters; a dialect writes its prefix in front of it.

The id of a client's call names its run, so that any process finds the run from the call alone.
"""

from __future__ import annotations

import hashlib
import re
import secrets

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PREFIXES = ("thread_", "conv_")
_FILE = "file-"
_BARE = re.compile(r"[0-9A-Za-z]{24}")
_CALL = re.compile(r"(?:call|func)_([0-9A-Za-z]{24})_[0-9]+_[0-9]+")
_UNTOLD = ("func_", "function_")
_LONGEST = 40  # characters of a call's id, as OpenAI's clients expect
_LETTERS = (_ALPHABET * 5)[:256].encode()  # a letter for each byte: the first eight are a quarter more likely


def new_id() -> str:
    """A fresh bare id."""
    return secrets.token_bytes(24).translate(_LETTERS).decode()


def id_of(name: str) -> str:
    """The bare id that belongs to a name, always the same."""
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=24).digest()
    return digest.translate(_LETTERS).decode()


def is_bare(text: str) -> bool:
    """Whether a text could be a bare id."""
    return _BARE.fullmatch(text) is not None


def conversation_id(name: str) -> str:
    """The id in a name of a conversation: what is left without a dialect's prefix."""
    for prefix in _PREFIXES:
        if name.startswith(prefix):
            return name.removeprefix(prefix)
    return name


def bare_file_id(id: str) -> str | None:
    """The id of a file without its prefix; None where it has another."""
    return id.removeprefix(_FILE) or None if id.startswith(_FILE) else None


def call_id(run_id: str, fence: int, number: int, *, told: bool = True) -> str:
    """The id of a run's call. Not `told`: its client knows the function's name alone."""
    return f"{'call' if told else 'func'}_{run_id}_{fence}_{number}"


def untold_call(name: str, number: int) -> str:
    """An id for a call of that function that came without one, `number` messages into its list."""
    return f"function_{number}_{name}"[:_LONGEST]


def is_untold(id: str) -> bool:
    """Whether a client has never seen this id: nothing may depend on it when two lists are compared."""
    return id.startswith(_UNTOLD)


def run_of_call(id: str) -> str | None:
    """The run that made a call, or None when the id is none of ours."""
    match = _CALL.fullmatch(id)
    return match[1] if match else None
