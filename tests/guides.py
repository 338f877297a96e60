"""Programs in the documentation, to be run as they stand there."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from servers import create_openai_server

DOCS = Path(__file__).parents[1] / "docs"
HERE = "http://127.0.0.1:8001/v1"


class Guide:
    """A page with programs in it."""

    def __init__(self, page: str) -> None:
        self._path = DOCS / page
        text = self._path.read_text(encoding="utf-8")
        self.programs = re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)

    def run(self, about: str, base_url: str = "") -> dict[str, Any]:
        """Run the one program that has these words: as the server of its own that it starts, or as a client of another one.
        Returns its names."""
        [program] = [each for each in self.programs if about in each]
        program = program.replace("port=8001", "port=0").replace(HERE, base_url or HERE)
        names: dict[str, Any] = {"__name__": "guide"}
        exec(compile(program, str(self._path), "exec"), names)
        return names


@contextmanager
def serving() -> Iterator[str]:
    """A server in a thread of its own, for programs that block: its base URL."""
    server = create_openai_server(port=0, storage_url="memory://")
    ready = threading.Event()
    stopped: list[Any] = []

    async def serve() -> None:
        async with server:
            stopped[:] = [asyncio.get_running_loop(), asyncio.Event()]
            ready.set()
            await stopped[1].wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(60)
    try:
        yield server.get_base_url()
    finally:
        stopped[0].call_soon_threadsafe(stopped[1].set)
        thread.join(60)
