"""SQLite beside other processes: kills, claims, races."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from graph.storage import Append, Put, StorageInUse, migrate, open_storage
from tests.graph.storage.processes import APPEND, CLAIM, COUNT, ENDLESS, opened, process, says, tell


async def test_kill_leaves_whole_commits(url: str) -> None:
    async with process(ENDLESS, url) as child:
        while int(await says(child)) < 200:
            pass
        child.kill()
        assert child.stdout is not None
        told = [int(line) for line in (await child.stdout.read()).split(b"\n")[:-1]]
    async with opened(url, claim=True) as store:
        head = await store.get("t", "head", "h")
        assert head is not None
        number = int(head.body)
        assert number >= max(told, default=200)
        messages = await store.query("t", "message", parent="p", order="asc", limit=number + 10)
        assert [message.id for message in messages] == [f"m{n}" for n in range(1, number + 1)]
        assert len(await store.read("t", "log", limit=3 * number)) == 2 * number
        await store.commit("t", Append("log", (b"c",), 2 * number))


async def test_a_claim_stands_until_its_process_dies(url: str, database: Path) -> None:
    async with process(CLAIM, url) as child:
        assert await says(child) == "claimed"
        refused = open_storage(url)
        with pytest.raises(StorageInUse, match=rf"{database} is in use .*process {child.pid}.*STORAGE_URL"):
            await refused.open(claim=True)
        with pytest.raises(StorageInUse):
            await migrate(url)
        async with opened(url) as beside:
            await beside.commit("t", Put("k", "a", b"1"))
        child.kill()
        await child.wait()
        await refused.open(claim=True)
        assert await refused.get("t", "k", "a") is not None
        await refused.close()


async def test_two_processes_write_side_by_side(url: str) -> None:
    count = 300
    async with process(COUNT, url, str(count)) as first, process(COUNT, url, str(count)) as second:
        for child in (first, second):
            assert await says(child) == "ready"
        for child in (first, second):
            await tell(child)
        for child in (first, second):
            assert await says(child) == "done"
    async with opened(url) as store:
        counter = await store.get("t", "k", "counter")
        assert counter is not None
        assert (int(counter.body), counter.version) == (2 * count, 2 * count)
        expected = [(n, str(n).encode()) for n in range(1, 2 * count + 1)]
        assert await store.read("t", "log") == expected


async def test_wait_hears_another_process(url: str) -> None:
    async with process(APPEND, url) as child, opened(url) as store:
        assert await says(child) == "ready"
        waiting = asyncio.create_task(store.wait("t", "log", 0, 60))
        await asyncio.sleep(0)
        await tell(child)
        assert await waiting
        assert await store.read("t", "log") == [(1, b"from elsewhere")]
