"""Ids on the wire: a prefix that says of what, and the bare id."""

from __future__ import annotations

from typing import Final

from servers.errors import NotFoundHere

_NAMES: Final = {
    "asst_": "assistant",
    "thread_": "thread",
    "msg_": "message",
    "run_": "run",
    "step_": "run step",
    "file-": "file",
    "upload_": "upload",
    "vs_": "vector store",
    "vsfb_": "file batch",
}


def bare(id: str, prefix: str) -> str:
    """An id without its prefix. Raises `NotFoundHere` for one that has another."""
    if not id.startswith(prefix) or id == prefix:
        raise NotFoundHere(f"No {_NAMES[prefix]} found with id '{id:.100}'.")
    return id.removeprefix(prefix)
