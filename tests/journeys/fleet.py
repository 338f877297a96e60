"""Fleets: replicas and workers as real processes over one storage."""

from __future__ import annotations

import signal
from contextlib import ExitStack
from pathlib import Path

from tests.journeys.server import COMMAND, Server

WORKER = (COMMAND[0], "worker")
NO_WORKER = (*COMMAND, "--no-worker")


class Worker(Server):
    """A worker, which has no port."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        super().__init__(folder, environment, WORKER)

    def start(self) -> None:
        self._spawn()
        self.wait_log("worker, storage", since=self._before)

    def stop(self) -> None:
        """SIGTERM."""
        self.signal(signal.SIGTERM)
        assert self.exit_code() == 0, self.log


class Site:
    """Where processes stand that share a storage."""

    def __init__(self, folder: Path, environment: dict[str, str], stack: ExitStack) -> None:
        self._folder, self._environment, self._stack = folder, environment, stack

    def server(self, *options: str, **environment: str) -> Server:
        made = Server(self._folder, {**self._environment, **environment}, (*COMMAND, *options))
        return self._stack.enter_context(made)

    def worker(self, **environment: str) -> Worker:
        made = Worker(self._folder, {**self._environment, **environment})
        self._stack.enter_context(made)
        return made
