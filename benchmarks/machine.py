"""What the figures were measured on, and how much of it others were using meanwhile."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, process_time

import psutil

GB = 1024**3


def describe() -> str:
    """Processor, cores, memory, system and Python in a line."""
    memory = psutil.virtual_memory().total / GB
    system = f"{platform.system()} {platform.release()}"
    return f"{_processor()}, {os.cpu_count()} cores, {memory:.0f} GB, {system}, Python {platform.python_version()}"


def yardstick() -> float:
    """Milliseconds of CPU for a fixed piece of Python, where this process runs: how fast the machine is at the moment."""
    began = process_time()
    sum(len(str(number)) for number in range(300_000))
    return (process_time() - began) * 1000


@dataclass
class Disturbance:
    """`share` is the part of all cores' time that went to other processes: 0 is a quiet machine."""

    share: float = 0.0


@contextmanager
def disturbance() -> Iterator[Disturbance]:
    """How much was going on besides this process and its children; known at the end of the block."""
    found = Disturbance()
    began, busy, ours = monotonic(), _busy(), _ours()
    yield found
    cores = (monotonic() - began) * (os.cpu_count() or 1)
    found.share = max(0.0, (_busy() - busy) - (_ours() - ours)) / cores


def _busy() -> float:
    times = psutil.cpu_times()
    return times.user + times.system + getattr(times, "nice", 0.0)


def _ours() -> float:
    """CPU seconds of this process and of its children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    if path.exists():
        for line in path.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
