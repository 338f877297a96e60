"""Requests with a key, and who works for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from graph import events as ev
from graph import lease, repeats
from graph.lease import Lease
from graph.repeats import Busy, Claim, Repeats, Result, forget_answers
from graph.storage.port import Put
from tests.graph.stores import Unsteady

TENANT, KEY = "acme", "a key"
ASKED, OTHER = b"asked", b"other"


def answer(body: bytes = b"Yes.", fingerprint: bytes = ASKED) -> Result:
    return Result(fingerprint, 200, ((b"content-type", b"text/plain"), (b"x", "é".encode("latin-1"))), body)


class Processes:
    """As many as a test wants, over one store."""

    def __init__(self) -> None:
        self.storage = Unsteady()
        self.leases: list[Lease] = []

    def another(self, **options: int) -> Repeats:
        self.leases.append(Lease(self.storage))
        return Repeats(self.storage, self.leases[-1], **options)


@pytest.fixture
async def processes() -> AsyncIterator[Processes]:
    made = Processes()
    yield made
    for each in made.leases:
        await each.release()


async def claimed(room: Repeats) -> Claim:
    claim = await room.claim(TENANT, KEY, ASKED)
    assert isinstance(claim, Claim)
    return claim


async def test_what_was_answered_is_found_by_every_process(processes: Processes) -> None:
    here, there = processes.another(), processes.another()
    claim = await claimed(here)
    assert not claim.again
    assert await here.keep(TENANT, KEY, claim, answer())
    for room in (here, there):
        assert await room.claim(TENANT, KEY, ASKED) == answer()
        assert await room.claim(TENANT, KEY, OTHER) == answer(), "whose fingerprint says that it is another's"


async def test_tenants_have_keys_of_their_own(processes: Processes) -> None:
    here = processes.another()
    for tenant in (TENANT, "somebody else"):
        assert isinstance(await here.claim(tenant, KEY, ASKED), Claim)


@pytest.mark.parametrize("body", [b"", b"\x00\xff\n", bytes(700_000)], ids=["empty", "bytes", "large"])
async def test_an_answer_is_kept_as_it_is(processes: Processes, body: bytes) -> None:
    here = processes.another()
    assert await here.keep(TENANT, KEY, await claimed(here), answer(body))
    assert await here.claim(TENANT, KEY, ASKED) == answer(body)


async def test_one_that_is_too_large_is_not_kept(processes: Processes) -> None:
    here = processes.another(largest=3)
    claim = await claimed(here)
    assert not await here.keep(TENANT, KEY, claim, answer())
    await here.release(TENANT, KEY, claim, begun=False)
    assert not (await claimed(here)).again


async def test_of_many_that_ask_at_once_one_works(processes: Processes) -> None:
    rooms = [processes.another() for _ in range(4)]
    found = await asyncio.gather(*(room.claim(TENANT, KEY, ASKED) for room in rooms))
    [claim] = [each for each in found if isinstance(each, Claim)]
    assert [each for each in found if each is not claim] == [Busy(ASKED, claim.run_id)] * 3


async def test_who_waits_hears_of_the_answer(processes: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "LOOK_AGAIN", 3600)
    here, there = processes.another(), processes.another()
    claim = await claimed(here)
    waiting = asyncio.create_task(there.wait(TENANT, KEY))
    await asyncio.sleep(0)
    await here.keep(TENANT, KEY, claim, answer())
    async with asyncio.timeout(30):
        await waiting
    assert await there.claim(TENANT, KEY, ASKED) == answer()


async def test_work_of_a_process_that_died_is_taken_over_with_its_run(processes: Processes) -> None:
    dead, here = processes.another(), processes.another()
    left = await claimed(dead)
    assert await here.claim(TENANT, KEY, ASKED) == Busy(ASKED, left.run_id)
    await processes.leases[0].release()
    assert await here.claim(TENANT, KEY, OTHER) == Busy(ASKED, left.run_id), "another request does not take it over"
    claim = await claimed(here)
    assert (claim.again, claim.run_id) == (True, left.run_id)
    assert not await dead.keep(TENANT, KEY, left, answer(b"late"))
    assert await here.keep(TENANT, KEY, claim, answer())
    assert await here.claim(TENANT, KEY, ASKED) == answer()


async def test_a_lease_that_ended_is_as_good(processes: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "DEAD_AFTER", 0)
    left = await claimed(processes.another())
    assert (await claimed(processes.another())).run_id == left.run_id


async def test_work_that_was_given_up(processes: Processes) -> None:
    here, there = processes.another(), processes.another()
    nothing = await claimed(here)
    await here.release(TENANT, KEY, nothing, begun=False)
    begun = await claimed(there)
    assert (begun.again, begun.run_id == nothing.run_id) == (False, False)
    await there.release(TENANT, KEY, begun, begun=True)
    claim = await claimed(here)
    assert (claim.again, claim.run_id) == (True, begun.run_id)


async def test_a_claim_whose_confirmation_was_lost_is_ours(processes: Processes) -> None:
    here = processes.another()
    await processes.leases[0].acquire()
    processes.storage.lose(lambda write: isinstance(write, Put) and write.kind == repeats.KIND)
    with pytest.raises(Exception, match="cut"):
        await claimed(here)
    assert (await claimed(here)).again


async def test_records_go_after_a_day(processes: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    here, now = processes.another(), ev.now_ms()
    await here.keep(TENANT, KEY, await claimed(here), answer())
    for late, found in ((repeats.AGE_MS - 60_000, Result), (repeats.AGE_MS + 60_000, Claim)):
        monkeypatch.setattr(repeats, "now_ms", lambda late=late: now + late)
        await forget_answers(processes.storage)
        assert isinstance(await here.claim(TENANT, KEY, ASKED), found)
