"""A supervisor graph as tutorials write it, behind FastAPI."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from benchmarks.peers.peer import Peer

PEER: Final = Peer(
    name="naive",
    title="naive LangGraph",
    package="langgraph",
    folder=Path(__file__).parent,
    command=("uvicorn", f"--app-dir={Path(__file__).parent}", "--port=0", "server:app"),
    settings=lambda upstream: {"UPSTREAM": upstream},
)
