"""Redis servers of a test's own, which it may kill."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

PROGRAM = shutil.which("redis-server")
needs_redis_server = pytest.mark.skipif(PROGRAM is None, reason="needs the program redis-server")


HIGHEST_PORT = 55_535
"""A server of a cluster has a second port, 10 000 above its own."""


def free_port() -> int:
    while True:
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            port: int = found.getsockname()[1]
        if port <= HIGHEST_PORT:
            return port


class RedisServer:
    """A server on a port of its own. What it kept on disk is there when it starts again."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.port = free_port()
        self._folder = folder
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Returns when it serves."""
        self.spawn()
        while True:
            with suppress(RedisError), self.client() as client:
                client.ping()
                return
            assert self._process
            assert self._process.poll() is None, "redis-server has ended"
            time.sleep(0.01)

    def spawn(self) -> None:
        assert PROGRAM
        command = [PROGRAM, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder), "--save", ""]
        self._process = subprocess.Popen([*command, *self._options], stdout=subprocess.DEVNULL)

    def kill(self) -> None:
        """Without any chance to tidy up."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def until_listened(self, channel: str) -> None:
        """Returns when somebody has subscribed to the channel. Blocks."""
        with self.client() as client:
            while not client.pubsub_numsub(channel)[0][1]:
                time.sleep(0.01)

    def client(self, **options: Any) -> Redis:
        """For what tests tell the server behind the store's back."""
        return Redis(host="127.0.0.1", port=self.port, retry=Retry(NoBackoff(), 0), decode_responses=True, **options)


@contextmanager
def redis_server(folder: Path, *options: str) -> Iterator[RedisServer]:
    server = RedisServer(folder, *options)
    server.start()
    try:
        yield server
    finally:
        server.kill()
