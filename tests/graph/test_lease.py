"""A process as an owner of runs."""

from __future__ import annotations

import asyncio

import pytest

from graph import lease
from graph.lease import Cancel, Follow, Lease, Notice, Unfollow
from graph.storage.port import Append, Drop, Put, StorageUnavailable
from tests.graph.stores import Unsteady

EVER = 2**62


async def test_an_owner_lives_from_its_lease_to_its_release() -> None:
    storage = Unsteady()
    mine, other = Lease(storage), Lease(storage)
    assert await mine.is_alive(mine.owner)
    assert not await other.is_alive(mine.owner)
    await asyncio.gather(mine.acquire(), mine.acquire())
    assert await other.is_alive(mine.owner)
    assert await storage.due("owner", EVER) == [("", mine.owner)]
    await mine.release()
    assert not await other.is_alive(mine.owner)
    assert await storage.due("owner", EVER) == []
    await mine.release()
    await other.release()


async def test_a_lease_that_is_not_renewed_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "DEAD_AFTER", 0)
    mine, other = Lease(storage := Unsteady()), Lease(storage)
    await mine.acquire()
    assert not await other.is_alive(mine.owner)
    await mine.release()


async def test_a_lease_is_renewed_also_after_the_store_was_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "RENEW_EVERY", 0.001)
    storage = Unsteady()
    mine = Lease(storage)
    await mine.acquire()
    storage.refuse(lambda write: isinstance(write, Put))
    held = storage.hold(lambda write: isinstance(write, Put))
    await held.reached.wait()
    held.open.set()
    again = storage.hold(lambda write: isinstance(write, Put))
    await again.reached.wait()
    again.open.set()
    await mine.release()


async def test_a_lease_that_can_not_be_written_is_not_acquired() -> None:
    storage = Unsteady()
    mine = Lease(storage)
    storage.refuse(lambda write: True)
    with pytest.raises(StorageUnavailable):
        await mine.acquire()
    await mine.acquire()
    assert await storage.due("owner", EVER) == [("", mine.owner)]
    await mine.release()


async def test_an_owner_hears_what_others_want_of_its_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "RENEW_EVERY", 0.001)
    storage = Unsteady()
    mine, other = Lease(storage), Lease(storage)
    heard: list[Notice] = []
    three = asyncio.Event()

    def notice(each: Notice) -> None:
        heard.append(each)
        if len(heard) == 3:
            three.set()

    mine.listen(notice)
    await mine.acquire()
    await other.notify(mine.owner, Cancel("a"))
    storage.away = True
    await asyncio.sleep(0)
    storage.away = False
    await storage.commit("", Append(f"owner/{mine.owner}", (b'{"n":"Later"}',)))
    await other.notify(mine.owner, Follow("acme", "b", "c"))
    await other.notify(mine.owner, Unfollow("c"))
    await three.wait()
    assert heard == [Cancel("a"), Follow("acme", "b", "c"), Unfollow("c")]
    await mine.release()
    assert await storage.read("", f"owner/{mine.owner}") == []


async def test_what_an_owner_has_heard_is_not_kept_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is a notice lost that comes while the log is emptied, or when it is not known whether it was."""
    monkeypatch.setattr(lease, "RENEW_EVERY", 0.001)
    monkeypatch.setattr(lease, "MOST_HEARD", 5)
    storage = Unsteady()
    mine, other = Lease(storage), Lease(storage)
    heard = asyncio.Queue[Notice]()
    mine.listen(heard.put_nowait)
    await mine.acquire()
    told = list[Notice]()
    for number in range(100):
        if number % 20 == 0:
            storage.lose(lambda write: isinstance(write, Drop))
        if number % 20 == 10:
            storage.refuse(lambda write: isinstance(write, Drop))
        await other.notify(mine.owner, Cancel(str(number)))
        async with asyncio.timeout(10):
            told += [await heard.get() for _ in range(number % 3)]
    async with asyncio.timeout(10):
        told += [await heard.get() for _ in range(100 - len(told))]
    assert told == [Cancel(str(number)) for number in range(100)]
    assert len(await storage.read("", f"owner/{mine.owner}")) < 50
    await mine.release()
