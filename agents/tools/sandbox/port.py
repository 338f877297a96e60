"""The port of a sandbox: where programs that a model wrote are run, apart from everything else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Protocol

DATA: Final = "/mnt/data"
"""Where a program finds the files that its run was given, and puts those that it makes: as in OpenAI's code interpreter."""


@dataclass(frozen=True, slots=True)
class Written:
    """A file that a program has made or changed: its name, without a folder, and where its bytes are until the session's
    next program or its end."""

    name: str
    path: Path


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of a program: what it printed, then the value of its last expression. An `error` says, for the model to
    read, why it failed or which limit has stopped it. `afresh`: it has begun without the names of the programs before it,
    because a limit or a cancel has ended those; their files are there all the same."""

    text: str
    status: Literal["ok", "error"] = "ok"
    written: tuple[Written, ...] = ()
    afresh: bool = False


class Session(Protocol):
    """One program after the other; each finds the names and the files that those before it have left. Cancelling a `run`
    ends the program at once; the next one begins afresh."""

    async def run(self, code: str) -> Ran: ...

    async def close(self) -> None:
        """End whatever is still there of it."""


class Sandbox(Protocol):
    """Runs untrusted programs: no file but those in `DATA`, no network, no environment, no other process, and limits on
    time, memory, output and files. `guide` tells a model what its programs may use; `most` is how many sessions should be
    open at the same time, for the memory that each of them holds."""

    guide: str
    most: int

    def start(self) -> None:
        """Begin with what the first session would wait for. Returns at once."""

    async def open(self, files: Path) -> Session:
        """A session that shows the files in a folder, which programs can read and never change: what they write over is
        a copy. The folder need not be there when there are no files. Its parent is the session's own to put things in, made
        when it is needed, and is removed by whoever has opened the session."""

    async def close(self) -> None: ...
