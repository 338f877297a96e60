"""`cortex-flow` under a sampling profiler: `python benchmarks/sampler.py FOLDER serve ...`.

From SIGUSR1 on, every other millisecond of CPU time the stack of the main thread is noted; at the end a file in FOLDER has
a line of JSON per stack: its frames from the outermost to the innermost as `file:line:function`, and how often it was seen.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections import Counter
from pathlib import Path
from types import CodeType, FrameType

INTERVAL = 0.002  # seconds of CPU time between two looks

_seen: Counter[tuple[CodeType, ...]] = Counter()


def _look(number: int, frame: FrameType | None) -> None:
    stack = []
    while frame is not None:
        stack.append(frame.f_code)
        frame = frame.f_back
    _seen[tuple(reversed(stack))] += 1


def _begin(number: int, frame: FrameType | None) -> None:
    signal.setitimer(signal.ITIMER_PROF, INTERVAL, INTERVAL)


def _write(path: Path) -> None:
    signal.setitimer(signal.ITIMER_PROF, 0)
    lines = (json.dumps([[_name(code) for code in stack], count]) for stack, count in _seen.items())
    path.write_text("\n".join(lines))


def _name(code: CodeType) -> str:
    return f"{code.co_filename}:{code.co_firstlineno}:{code.co_qualname}"


def main() -> None:
    """Run the command line, then write what was seen."""
    out, *rest = sys.argv[1:]
    sys.argv = ["cortex-flow", *rest]
    signal.signal(signal.SIGPROF, _look)
    signal.signal(signal.SIGUSR1, _begin)
    from servers.cli import main as command

    try:
        command()
    finally:
        _write(Path(out) / f"{os.getpid()}.stacks")


if __name__ == "__main__":
    main()
