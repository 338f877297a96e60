"""Containers of an Azure Cosmos DB in memory, one server for all stores of a test process."""

from __future__ import annotations

import atexit
import shutil
import subprocess
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from uuid import uuid4

SCRIPT = Path(__file__).parent.parent / "node" / "cosmos.mjs"
KEY = b64encode(b"a key for tests").decode()


class CosmosGround:
    needs = "npm's packages: poe node"
    required = False

    def available(self) -> bool:
        return shutil.which("node") is not None and (SCRIPT.parent / "node_modules/@vercel/cosmosdb-server").exists()

    @contextmanager
    def empty(self, folder: Path) -> Iterator[str]:
        yield f"cosmos://127.0.0.1:{_server()}/tests/{uuid4().hex}?emulator=true&key={KEY}"


@cache
def _server() -> int:
    """The port of a server that ends with this process."""
    process, port = start()
    atexit.register(process.kill)
    return port


def start(port: int = 0) -> tuple[subprocess.Popen[str], int]:
    """A server of one's own, and its port."""
    process = subprocess.Popen(
        ["node", str(SCRIPT), str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    return process, int(process.stdout.readline())
