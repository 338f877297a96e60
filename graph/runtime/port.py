"""The port of a runtime, and of a queue that several processes share.

RuntimeFailed     a runtime can't be opened; the message is one line
  RuntimeAway     its server is not there, and may come
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal, NamedTuple, Protocol

Kind = Literal["run", "ingest"]


class Job(NamedTuple):
    """What there is to do, by name and nothing else: a run, or (`ingest`) whatever files wait to be read."""

    kind: Kind
    tenant: str
    id: str


Execute = Callable[[Job], Awaitable[None]]
"""Do a job until it is done, waits, or belongs to somebody else. Raises nothing."""


class RuntimeFailed(Exception):
    """A runtime can't be opened. The message is one line and holds no password."""


class RuntimeAway(RuntimeFailed):
    """Its server is not there now. It may come back by itself."""


class Runtime(Protocol):
    """Hands jobs to `execute`, each at least once. Handing out one twice is harmless: the journal lets one owner write.

    No job may be lost with it, either: what is to be done stands in the storage, and a sweep finds what waits too long.
    """

    async def open(self) -> None:
        """Connect. Raises `RuntimeFailed`."""

    async def start(self, execute: Execute) -> None:
        """Begin to hand out."""

    async def submit(self, job: Job) -> bool:
        """Have a job done soon, here where there is room. One that waits already keeps its place. Whether this process
        will do it; raises nothing."""

    async def offer(self, job: Job) -> None:
        """Have a job done by whoever has room. Raises nothing."""

    async def waiting(self) -> int:
        """How many jobs wait, as far as is known here."""

    async def stop(self) -> None:
        """Hand out nothing more. What is at work goes on; what waits here is left to others, where there are others."""

    async def close(self) -> None:
        """Disconnect, when what was at work is over."""


class Queue(Protocol):
    """Jobs that wait outside this process, until one of many takes them. A job is there as long as it is at work: when the
    process that has taken it dies, another one gets it."""

    async def open(self) -> None:
        """Connect, and prepare the place; to be tried again after a `RuntimeAway`. Raises `RuntimeFailed`."""

    async def put(self, job: Job) -> None:
        """Add a job, if it does not wait already. One that is at work here comes again. What can't be put is logged."""

    async def take(self, execute: Execute, limit: int) -> None:
        """Begin to take jobs, at most so many at a time. An outage of the queue is waited for."""

    async def waiting(self) -> int:
        """How many wait; 0 while that can't be known."""

    async def stop(self) -> None:
        """Take no more. What is at work goes on."""

    async def close(self) -> None: ...
