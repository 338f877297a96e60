"""Other processes on the same SQLite file."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from graph.storage import Storage, open_storage

ROOT = Path(__file__).parents[3]

PRELUDE = """
import asyncio, sys
from graph.storage import *
store = open_storage(sys.argv[1])
async def line():
    return await asyncio.to_thread(sys.stdin.readline)
"""
CLAIM = """
async def main():
    await store.open(claim=True)
    print("claimed", flush=True)
    await line()
"""
ENDLESS = """
async def main():
    await store.open(claim=True)
    number = 0
    while True:
        number += 1
        await store.commit("t",
            Put("head", "h", str(number).encode()),
            Put("message", f"m{number}", b"x" * 500, "p", 0, "l"),
            Append("log", (b"a", b"b"), 2 * (number - 1)))
        print(number, flush=True)
"""
COUNT = """
async def main():
    await store.open()
    print("ready", flush=True)
    await line()
    for number in range(int(sys.argv[2])):
        while True:
            head = await store.get("t", "k", "counter")
            value = int(head.body) if head else 0
            try:
                await store.commit("t",
                    Put("k", "counter", str(value + 1).encode(), expect=head.version if head else 0),
                    Append("log", (str(value + 1).encode(),), value))
                break
            except Conflict:
                pass
    await store.close()
    print("done", flush=True)
"""
APPEND = """
async def main():
    await store.open()
    print("ready", flush=True)
    await line()
    await store.commit("t", Append("log", (b"from elsewhere",)))
    await store.close()
"""


@asynccontextmanager
async def process(code: str, url: str, *arguments: str) -> AsyncIterator[Process]:
    """Another process on the same file, killed at the end."""
    program = f"{PRELUDE}{code}\nasyncio.run(main())"
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, url, *arguments, cwd=ROOT, stdin=PIPE, stdout=PIPE
    )
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()
        await child.communicate()


@asynccontextmanager
async def opened(url: str, *, claim: bool = False) -> AsyncIterator[Storage]:
    storage = open_storage(url)
    await storage.open(claim=claim)
    try:
        yield storage
    finally:
        await storage.close()


async def says(child: Process) -> str:
    assert child.stdout is not None
    return (await child.stdout.readline()).decode().strip()


async def tell(child: Process) -> None:
    assert child.stdin is not None
    child.stdin.write(b"go\n")
    await child.stdin.drain()
