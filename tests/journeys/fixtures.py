"""The servers that journeys share: one that needs nothing, and some that think with the scripted upstream.

A process takes seconds of CPU to load, so each serves all tests of a worker, and the tests come in two groups, one for each
of two workers.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.journeys.chats import Chat
from tests.journeys.server import Server, running
from tests.journeys.stage import Stage


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("journeys")


@pytest.fixture(scope="session")
def nobody() -> Iterator[str]:
    """The base URL of an upstream that is not there: its port is taken, and nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/v1"


@pytest.fixture(scope="session")
def stage() -> Iterator[Stage]:
    opened = Stage()
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def offline(folder: Path, nobody: str) -> Iterator[Server]:
    """As it comes: the offline model, SQLite in its folder. Models called `openai:...` are out of reach."""
    with running(folder / "offline", OPENAI_BASE_URL=nobody) as server:
        yield server


@pytest.fixture(scope="session")
def scripted(folder: Path, stage: Stage) -> Iterator[Server]:
    """The team on the scripted upstream."""
    with running(folder / "scripted", **thinking_with(stage)) as server:
        yield server


@pytest.fixture(scope="session")
def strict(folder: Path, stage: Stage) -> Iterator[Server]:
    """Two tenants with keys, small limits, the scripted upstream."""
    limits = {
        "OPENAI_COMPAT_API_KEYS": "red:key-of-red, blue:key-of-blue, blue:another-of-blue",
        "OPENAI_COMPAT_MAX_CONTEXT_TOKENS": "200",
        "MAX_BODY_MB": "0.05",
        "MAX_CONCURRENT_RUNS": "2",
    }
    with running(folder / "strict", **thinking_with(stage), **limits) as server:
        yield server


@pytest.fixture
def red(strict: Server) -> Chat:
    """One of its tenants."""
    return Chat(strict, api_key="key-of-red")


@pytest.fixture
def blue(strict: Server) -> Chat:
    """The other one."""
    return Chat(strict, api_key="key-of-blue")


@pytest.fixture(scope="session")
def hurried(folder: Path, stage: Stage) -> Iterator[Server]:
    """Little time; the scripted upstream."""
    limits = {"RUN_TIMEOUT_SECONDS": "4", "AGENT_TIMEOUT_SECONDS": "0.5"}
    with running(folder / "hurried", **thinking_with(stage), **limits) as server:
        yield server


@pytest.fixture
def new_id() -> Callable[[], str]:
    """Names of conversations that nobody has used."""
    return lambda: f"journey {uuid4().hex}"


def thinking_with(stage: Stage) -> dict[str, str]:
    """The environment of a server that thinks with the scripted upstream."""
    return {"LLM_MODEL": "openai:scripted", "OPENAI_BASE_URL": stage.url, "OPENAI_API_KEY": "upstream-key"}
