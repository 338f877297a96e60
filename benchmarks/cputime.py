"""The CPU time of another process, user and system, all of its threads."""

from __future__ import annotations

from pathlib import Path

import psutil


class CpuTime:
    """Never runs backwards. Where the kernel counts it (Linux), in nanoseconds: `times` has steps of 10 ms."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._tasks = Path(f"/proc/{pid}/task")
        self._threads: dict[str, int] = {}

    def seconds(self) -> float:
        """Seconds since the process's start."""
        if not self._tasks.exists():
            times = self._process.cpu_times()
            return times.user + times.system
        for task in self._tasks.iterdir():
            if (spent := _nanoseconds(task)) is not None:
                self._threads[task.name] = spent
        return sum(self._threads.values()) / 1e9  # with what threads that have ended were last seen to spend


def _nanoseconds(task: Path) -> int | None:
    try:
        return int((task / "schedstat").read_text().split()[0])
    except (FileNotFoundError, ProcessLookupError):  # it has just ended
        return None
