"""What a peer is, and where it lives: an environment of its own in the user's cache, made from pinned requirements."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.launch import Launch

CACHE: Final = Path.home() / ".cache" / "cortex-flow-benchmarks"
_UVICORN: Final = re.compile(rb"Uvicorn running on \S+?:(\d+)")
MADE: Final = "made"  # the last file of a complete environment


@dataclass(frozen=True, slots=True)
class Peer:
    """Another server that answers the benchmarks' requests, by uvicorn. `folder` has its `requirements.txt`, `package` is
    the one of them that gives it its version. `files` are what its working folder has to hold, `settings` its
    environment, for an upstream at that base URL; `command` is a program of its environment and its arguments."""

    name: str
    title: str
    package: str
    folder: Path
    command: Sequence[str]
    settings: Callable[[str], Mapping[str, str]] = lambda upstream: {}
    files: Callable[[str], Mapping[str, str]] = lambda upstream: {}
    health: str = "/health"
    ready: str = "/health"
    key: str = ""

    @property
    def requirements(self) -> Path:
        return self.folder / "requirements.txt"

    @property
    def version(self) -> str:
        pinned = re.search(rf"^{re.escape(self.package)}==(\S+)", self.requirements.read_text(), re.MULTILINE)
        if pinned is None:
            raise ValueError(f"{self.requirements} does not pin {self.package}")
        return pinned[1]

    @property
    def environment(self) -> Path:
        """Another one where the requirements are others."""
        return CACHE / f"{self.name}-{hashlib.sha256(self.requirements.read_bytes()).hexdigest()[:12]}"

    @property
    def installed(self) -> bool:
        return (self.environment / MADE).exists()

    def install(self) -> None:
        """Make the environment, with uv. Raises `subprocess.CalledProcessError`, `FileNotFoundError` without uv."""
        if self.installed:
            return
        shutil.rmtree(self.environment, ignore_errors=True)
        CACHE.mkdir(parents=True, exist_ok=True)
        python = str(self.environment)
        for command in (
            ["venv", "--python", sys.executable, python],
            ["pip", "install", "--python", python, "--compile-bytecode", "-r", str(self.requirements)],
        ):
            subprocess.run(["uv", *command], cwd=CACHE, check=True)  # there our own constraints don't apply
        (self.environment / MADE).touch()

    def launch(self, upstream: str) -> Launch:
        """How it is started in front of an upstream."""
        program, *arguments = self.command
        binaries = self.environment / "bin"
        return Launch(
            name=self.title,
            command=(str(binaries / program), *arguments),
            settings={"PATH": f"{binaries}:/usr/bin:/bin", "PYTHONUNBUFFERED": "1", **self.settings(upstream)},
            files=self.files(upstream),
            announced=_UVICORN,
            health=self.health,
            ready=self.ready,
            key=self.key,
            ends=frozenset({0, -15, -9}),  # uvicorn passes the signal on; how a peer ends is not our business
        )
