"""The real server as a process, as an operator runs it, and the clients of its users."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from openai import OpenAI

from servers.settings import DEFAULT_STORAGE
from tests import backends
from tests.journeys.wire import Wire

LONGEST = 60.0  # seconds for a start or a stop, on the slowest of machines
COMMAND = (str(Path(sys.executable).with_name("cortex-flow")), "serve")
MODULE = (sys.executable, "-m", "servers.openai_compat_server")
_ANNOUNCED = re.compile(r"Cortex Flow \S+ at http://127\.0\.0\.1:(\d+)")
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT", "VIRTUAL_ENV")


class Server:
    """A server in a folder of its own, on a port of the system's choice, with this environment and no other.

    Without a `STORAGE_URL` it stores as it comes, in SQLite, or in the backend that `CORTEX_TEST_STORAGE` names.

    A context manager; `start` it again after `stop` or `kill`, and it finds what it has stored.
    """

    def __init__(
        self, folder: Path, environment: dict[str, str] | None = None, command: tuple[str, ...] = COMMAND
    ) -> None:
        self._folder = folder
        self._command = command
        self._environment = dict(environment or {})
        self._process: subprocess.Popen[str] | None = None
        self._log: list[str] = []
        self._before = 0
        self._logged = threading.Condition()
        self._reader: threading.Thread | None = None
        self._clients = ExitStack()
        self._store = ExitStack()
        self.port = 0

    @property
    def url(self) -> str:
        """Where it listens, without `/v1`."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Of its process."""
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        """All that it has logged."""
        with self._logged:
            return "".join(self._log)

    def start(self) -> None:
        """Start, and return when it listens."""
        self._spawn()
        self.port = self._announced()

    def fail(self) -> int:
        """Start where that must fail; returns the exit code."""
        self._spawn()
        return self.exit_code()

    def terminate(self) -> None:
        """Ask it to stop, as an operator does, and return when it has begun to: it hangs up on those who wait."""
        assert self._process is not None
        with self.wire() as wire:
            idle = wire.send("GET", "/health")
            idle.answer()
            self._process.send_signal(signal.SIGTERM)
            idle.wait_closed()

    def wait_log(self, part: str, since: int = 0) -> None:
        """Returns when this is in the log, behind so many lines."""
        with self._logged:
            there = self._logged.wait_for(lambda: any(part in line for line in self._log[since:]), LONGEST)
        assert there, self.log

    def signal(self, number: int, pid: int | None = None) -> None:
        """Send a signal to it, or to another process of its."""
        os.kill(pid or self.pid, number)

    def exit_code(self) -> int:
        """Wait for its end."""
        assert self._process is not None
        assert self._reader is not None
        code = self._process.wait(LONGEST)
        self._reader.join(LONGEST)
        return code

    def kill(self) -> None:
        """`kill -9`."""
        assert self._process is not None
        self._process.kill()
        self.exit_code()

    def client(self, **options: Any) -> OpenAI:
        """The official client, pointed here. It tries nothing a second time unless told to."""
        given = {"base_url": f"{self.url}/v1", "api_key": "dummy", "max_retries": 0, "timeout": LONGEST, **options}
        return self._clients.enter_context(OpenAI(**given))

    def wire(self) -> Wire:
        """Plain HTTP, for what no client would send."""
        return self._clients.enter_context(Wire("127.0.0.1", self.port, LONGEST))

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._clients.close()
        if self._process is not None and self._process.poll() is None:
            self.kill()
        self._store.close()

    def _spawn(self) -> None:
        if "STORAGE_URL" not in self._environment:
            self._environment["STORAGE_URL"] = self._store.enter_context(backends.chosen(DEFAULT_STORAGE))
        inherited = {name: os.environ[name] for name in _KEPT if name in os.environ}
        self._before = len(self._log)
        self._process = subprocess.Popen(
            self._command,
            cwd=self._folder,
            env={**inherited, "OPENAI_COMPAT_PORT": "0", **self._environment},
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, args=(self._process,))
        self._reader.start()

    def _announced(self) -> int:
        with self._logged:
            self._logged.wait_for(lambda: self._port() or self._ended(), LONGEST)
            port = self._port()
        assert port, f"the server did not start:\n{self.log}"
        return port

    def _port(self) -> int | None:
        matches = [found for line in self._log[self._before :] if (found := _ANNOUNCED.search(line))]
        return int(matches[0][1]) if matches else None

    def _ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        with process.stderr as lines:
            for line in lines:
                self._note(line)
        process.wait(LONGEST)
        self._note("")

    def _note(self, line: str) -> None:
        with self._logged:
            self._log.append(line)
            self._logged.notify_all()


@contextmanager
def running(folder: Path, **environment: str) -> Iterator[Server]:
    """A server with these variables set, stopped at the end. Whatever it went through, nothing took it by surprise."""
    folder.mkdir(parents=True, exist_ok=True)
    with Server(folder, environment) as server:
        yield server
        server.terminate()
        assert server.exit_code() == 0
        assert not re.search(r"Traceback| ERROR |never retrieved|Warning", server.log), server.log
