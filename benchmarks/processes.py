"""The processes that are measured: started by their usual commands, watched from outside."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Final

import psutil

from benchmarks.client import Target, ask
from benchmarks.cores import on
from benchmarks.cputime import CpuTime
from benchmarks.launch import Launch

ROOT: Final = Path(__file__).parent.parent
COMMAND: Final = Path(sys.executable).with_name("cortex-flow")
SAMPLER: Final = ROOT / "benchmarks" / "sampler.py"
KEY: Final = "benchmark"
STOPPED: Final = 40.0  # seconds that a process may take to end
_PORT: Final = re.compile(rb"at http://127\.0\.0\.1:(\d+)/")
_WORKS: Final = re.compile(rb" worker, storage ")


class Failed(Exception):
    """A process that did not start, or did not end well. The message has its last lines."""


def ours(settings: Mapping[str, str], profiles: Path | None = None, *, worker: bool = False) -> Launch:
    """Our server by its usual command, or a worker, which has no port; with `profiles`, by the sampler, which writes a
    file into that folder."""
    launcher = (str(COMMAND),) if profiles is None else (sys.executable, "-P", str(SAMPLER), str(profiles))
    return Launch(
        name="cortex-flow",
        command=(*launcher, "worker") if worker else (*launcher, "serve", "--port=0"),
        settings={"OPENAI_COMPAT_API_KEYS": KEY, "PATH": str(COMMAND.parent), **settings},
        announced=_WORKS if worker else _PORT,
        health="/health",
        ready="/v1/models",
        key=KEY,
    )


class Product:
    """A server that is measured, in a folder of its own."""

    def __init__(self, folder: Path, launch: Launch) -> None:
        self._folder = folder
        self._launch = launch
        self._tail: deque[bytes] = deque(maxlen=30)
        self._draining: asyncio.Task[None] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._cpu: CpuTime | None = None
        self.began = 0.0  # by time.monotonic()
        self.port = 0
        self.left_behind = 0  # bytes in its folder at its end

    @property
    def target(self) -> Target:
        return Target(self.port, "/v1", self._launch.key)

    async def start(self, cores: frozenset[int]) -> None:
        """Start it on these cores; returns when it listens. Raises `Failed`."""
        for name, text in self._launch.files.items():
            (self._folder / name).write_text(text, encoding="utf-8")
        with on(cores):
            self.began = monotonic()
            process = self._process = await asyncio.create_subprocess_exec(
                *self._launch.command,
                cwd=self._folder,
                env={"HOME": str(self._folder), **self._launch.settings},
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
            )
        assert process.stderr is not None
        self._cpu = CpuTime(process.pid)
        self.port = await self._announced(process.stderr)
        self._draining = asyncio.create_task(self._drain(process.stderr))

    async def stop(self) -> None:
        """SIGTERM. Raises `Failed` where it does not end with 0."""
        process = self._process
        if process is None:
            return
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        try:
            code = await asyncio.wait_for(process.wait(), STOPPED)
        except TimeoutError:
            process.kill()
            code = await process.wait()
        if self._draining is not None:
            await self._draining
        if code not in self._launch.ends:
            raise self._failed(f"ended with {code}")
        self.left_behind = sum(path.stat().st_size for path in self._folder.rglob("*") if path.is_file())

    def begin_profile(self) -> None:
        """From now on the sampler looks."""
        assert self._process is not None
        self._process.send_signal(signal.SIGUSR1)

    async def health(self) -> None:
        """Returns when it has said that it lives. Raises `Unanswered`."""
        await ask(self.target, self.target.get(self._launch.health))

    async def opened(self) -> None:
        """Returns when everything is loaded that a request needs, without a chat. Raises `Unanswered`."""
        await ask(self.target, self.target.get(self._launch.ready))

    def cpu(self) -> float:
        """Seconds of CPU so far, user and system, of all threads."""
        assert self._cpu is not None
        return self._cpu.seconds()

    def resident(self) -> int:
        """Bytes in memory now."""
        assert self._process is not None
        return int(psutil.Process(self._process.pid).memory_info().rss)

    async def _announced(self, stderr: asyncio.StreamReader) -> int:
        """The port, from the line that says that it listens; 0 where that says no port."""
        while line := await stderr.readline():
            self._tail.append(line)
            if found := self._launch.announced.search(line):
                return int(found[1]) if found.re.groups else 0
        raise self._failed("did not start")

    async def _drain(self, stderr: asyncio.StreamReader) -> None:
        """Its log has to go somewhere; the last of it is kept."""
        while data := await stderr.read(2**16):
            self._tail.append(data)

    @property
    def log(self) -> str:
        """The last of what it has written."""
        return b"".join(self._tail)[-4000:].decode(errors="replace")

    def _failed(self, how: str) -> Failed:
        return Failed(f"{self._launch.name} {how}:\n{self.log}")


@asynccontextmanager
async def scripted_upstream() -> AsyncIterator[int]:
    """The scripted upstream's port, while it runs, on the cores of this process."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.upstream", cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        line = await process.stdout.readline()
        if not line:
            raise Failed("the scripted upstream did not start")
        yield int(line)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
