"""Azure Cosmos DB writes one item at a time: that a commit of many is one all the same, whoever dies when."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar
from urllib.parse import quote

import pytest

from graph.storage import Append, Conflict, Delete, Drop, Filed, Put, Storage, StorageError, StorageUnavailable, Write
from graph.storage.cosmos import CosmosStorage, commits
from graph.storage.cosmos.account import Account
from graph.storage.cosmos.location import Location
from tests import backends
from tests.backends import cosmos

T = TypeVar("T")

LARGE = bytes(range(256)) * 1500  # more than an item holds inline


class Died(Exception):
    """A process ends here: nothing that it would have done later is done."""


class Mortal(Account):
    """An account whose process dies at its n-th request, before it is sent or before it is answered."""

    lives = 1_000_000
    answered = False
    asked = 0

    async def _answer(self, request: Callable[[], Awaitable[T]], *absent: int) -> T | None:
        self.asked += 1
        if self.asked > self.lives or (self.asked == self.lives and not self.answered):
            raise Died
        answer = await super()._answer(request, *absent)
        if self.asked >= self.lives:
            raise Died
        return answer


async def mortal(url: str) -> tuple[CosmosStorage, Mortal]:
    """An open store, and its account, which has made no request yet."""
    storage, account = over(url)
    await storage.open()
    account.asked = 0
    return storage, account


def over(url: str, opened: Account | None = None) -> tuple[CosmosStorage, Mortal]:
    """A store, and its account, which has made no request yet. It speaks over the connections of one that is open."""
    storage, account = CosmosStorage(url, "memory://"), Mortal(Location.of(url))
    storage._account = storage._bodies._account = storage._commits._account = account
    if opened is not None:
        account._client, account._container = opened._client, opened._container
    return storage, account


@pytest.fixture
def place(tmp_path: Path) -> Iterator[str]:
    with backends.empty("cosmos", tmp_path) as url:
        yield url


@pytest.fixture
async def other(place: str) -> AsyncIterator[Storage]:
    """The store as another process sees it."""
    storage = CosmosStorage(place, "memory://")
    await storage.open()
    yield storage
    await storage.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who finds a lock does not wait for the dead."""
    monkeypatch.setattr(commits, "PATIENCE_SECONDS", 0.0)


BEFORE: tuple[Write, ...] = (
    Put("k", "kept", b"1", "p", 0, "l"),
    Put("k", "moved", LARGE, "p", 0, "l", due=5),
    Put("k", "gone", b"1", "p", 0, "l"),
    Put("k", "alone", b"1", "", 0),
    Append("log", (b"1",), 0),
    Append("dropped", (b"1", b"2"), 0),
)
ALL: tuple[Write, ...] = (
    Put("k", "new", b"2", "p", 0, "m", due=3),
    Put("k", "kept", LARGE, "p", 1, "m"),
    Put("k", "moved", b"2", "q", 1),
    Put("k", "alone", b"2", "p", 1),
    Delete("k", "gone", 1),
    Append("log", (b"2", LARGE), 1),
    Drop("dropped"),
)
OF_ONE: tuple[Write, ...] = (Put("k", "alone", b"2", "", 1),)
REMOVALS: tuple[Write, ...] = (Delete("k", "alone", 1), Delete("k", "gone", 1), Drop("dropped"))
COMMITS = {"all": ALL, "one": OF_ONE, "removals": REMOVALS}


async def seen(store: Storage, tenant: str) -> dict[str, Any]:
    """All that can be read of a tenant, every way."""
    told: dict[str, Any] = {}
    for id in ("kept", "moved", "gone", "alone", "new"):
        document = await store.get(tenant, "k", id)
        told[id] = document and (document.parent, document.version, document.body, document.label)
    for parent in ("", "p", "q"):
        listed = await store.query(tenant, "k", parent=parent, order="asc")
        told[f"under {parent}"] = {each.id: (each.parent, each.version, each.body, each.label) for each in listed}
    for label in ("l", "m"):
        told[f"labelled {label}"] = {each.id for each in await store.query(tenant, "k", label=label)}
    told["due"] = {id for owner, id in await store.due("k", 9) if owner == tenant}
    told["logs"] = [await store.read(tenant, log) for log in ("log", "dropped")]
    return told


@pytest.mark.parametrize("answered", [False, True], ids=["not sent", "not answered"])
@pytest.mark.parametrize("name", COMMITS)
@pytest.mark.usefixtures("impatient")
async def test_a_commit_is_all_or_nothing_wherever_its_process_dies(
    place: str, other: Storage, name: str, answered: bool
) -> None:
    writes = COMMITS[name]
    await other.commit("before", *BEFORE)
    await other.commit("after", *BEFORE)
    await other.commit("after", *writes)
    before, after = await seen(other, "before"), await seen(other, "after")
    assert before != after
    outcomes = []
    alive, opened = await mortal(place)
    for lives in range(1, 1000):
        tenant = f"t{lives}"
        await other.commit(tenant, *BEFORE)
        dying, account = over(place, opened)
        account.lives, account.answered = lives, answered
        try:
            await dying.commit(tenant, *writes)
            break
        except Died:
            outcomes.append(await seen(other, tenant))
        if outcomes[-1] == before:  # whoever comes next goes on from there
            await other.commit(tenant, *writes)
        assert await seen(other, tenant) == after
    await alive.close()
    assert outcomes == sorted(outcomes, key=lambda told: told == after), "once it is done, it stays done"
    assert outcomes[0] == before
    assert outcomes[-1] == (before if name == "one" and not answered else after)
    assert all(told in (before, after) for told in outcomes)


@pytest.mark.usefixtures("impatient")
async def test_a_living_commit_whose_lock_was_broken_is_tried_again(place: str, other: Storage) -> None:
    """Everybody takes everybody's lock for that of the dead."""
    stores = [(await mortal(place))[0] for _ in range(3)]
    await other.commit("t", Put("k", "a", b"0"), Put("k", "b", b"0"))
    for round in range(5):
        body = str(round).encode()
        racers = [
            store.commit("t", Put("k", "b", body), Append("log", (body,)), Put("k", "a", body)) for store in stores
        ]
        await asyncio.gather(*racers)
    documents = await other.get_many("t", "k", ["a", "b"])
    assert [document.version for document in documents] == [16, 16]
    assert len(await other.read("t", "log")) == 15
    for store in stores:
        await store.close()


async def test_money_is_neither_made_nor_lost(place: str, other: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes move it between accounts, and die while they do."""
    monkeypatch.setattr(commits, "PATIENCE_SECONDS", 0.05)
    dice = random.Random(6)
    names = [str(number) for number in range(5)]
    await other.commit("t", *(Put("k", name, b"100", parent="p" * (number % 2)) for number, name in enumerate(names)))

    async def life(number: int) -> None:
        store, account = await mortal(place)
        account.lives, account.answered = dice.randrange(20, 200), bool(number % 2)
        try:
            while True:
                await transfer(store, *dice.sample(names, 2))
        except Died:
            account.lives += 1_000_000
        await store.close()

    async def transfer(store: Storage, source: str, target: str) -> None:
        found = await store.get_many("t", "k", [source, target])
        after = [int(each.body) + step for each, step in zip(found, (-1, 1), strict=True)]
        writes = [
            Put("k", each.id, str(sum).encode(), each.parent, each.version)
            for each, sum in zip(found, after, strict=True)
        ]
        with suppress(Conflict):
            await store.commit("t", *writes, Append("log", (f"{source}>{target}".encode(),)))

    await asyncio.gather(*(life(number) for number in range(12)))
    expected = dict.fromkeys(names, 100)
    log = await other.read("t", "log")
    for _, entry in log:
        source, _, target = entry.decode().partition(">")
        expected[source] -= 1
        expected[target] += 1
    documents = await other.get_many("t", "k", names)
    assert {document.id: int(document.body) for document in documents} == expected
    moved = [name for _, entry in log for name in entry.decode().split(">")]
    assert [document.version - 1 for document in documents] == [moved.count(name) for name in names]
    assert [position for position, _ in log] == list(range(1, len(log) + 1))
    told = [each async for each in other.everything()]
    assert {each.document.id for each in told if isinstance(each, Filed)} == set(names)


async def test_a_commit_goes_on_when_its_caller_has_gone(place: str, other: Storage) -> None:
    store = CosmosStorage(place, "memory://")
    await store.open()
    for wanted in (0, 7):  # the second is a conflict, which nobody hears of
        writing = asyncio.create_task(store.commit("t", Put("k", "a", b"", "p", wanted), Append("log", (b"1",))))
        await asyncio.sleep(0)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
    await store.close()
    assert await other.read("t", "log") == [(1, b"1")]
    assert [each.id for each in await other.query("t", "k", parent="p")] == ["a"]


async def test_an_append_of_another_process_is_heard_of(place: str, other: Storage) -> None:
    store = CosmosStorage(place, "memory://")
    await store.open()
    waiting = asyncio.create_task(store.wait("t", "log", 0, 30))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    await other.commit("t", Append("log", (b"1",)))
    assert await waiting
    await store.close()


async def test_a_container_of_a_newer_version_is_refused(place: str, other: CosmosStorage) -> None:
    found = await other._account.read(("system", "schema"))
    assert found is not None
    assert await CosmosStorage(place).migrate() == (1, 1)
    await other._account.replace(found, {**found.fields, "version": 2})
    with pytest.raises(StorageError, match="newer Cortex Flow"):
        await CosmosStorage(place).open()
    with pytest.raises(StorageError, match="newer Cortex Flow"):
        await CosmosStorage(place).migrate()


async def test_a_server_that_is_away_is_waited_for_and_then_told_without_the_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("graph.storage.cosmos.account.START_SECONDS", 0.1)
    storage = CosmosStorage("cosmos://127.0.0.1:9/tests/x?emulator=true&key=c2VjcmV0", "memory://")
    with pytest.raises(StorageUnavailable, match="can't be reached") as raised:
        await storage.open()
    assert "c2VjcmV0" not in str(raised.value)
    with pytest.raises(StorageError, match="not open"):
        await storage.get("t", "k", "a")
    await storage.close()


async def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "azure.cosmos.aio", None)
    with pytest.raises(StorageError, match=r"pip install 'cortex-flow\[cosmos\]'"):
        await CosmosStorage("cosmos://127.0.0.1:9/tests/x?key=a2V5").open()


@pytest.mark.parametrize(
    ("level", "regions", "complaint"),
    [("Session", False, "Strong"), ("Eventual", False, "Strong"), ("Strong", True, "several regions")],
)
async def test_an_account_that_lets_processes_differ_is_refused(level: str, regions: bool, complaint: str) -> None:
    class Client:
        async def _get_database_account(self) -> SimpleNamespace:
            policy = {"defaultConsistencyLevel": level}
            return SimpleNamespace(ConsistencyPolicy=policy, _EnableMultipleWritableLocations=regions)

    account = Account(Location.of("cosmos://name.documents.azure.com/db?key=a2V5"))
    with pytest.raises(StorageError, match=complaint):
        await account._check(Client())  # type: ignore[arg-type]


async def test_a_server_that_goes_away_is_told_and_found_again() -> None:
    if not cosmos.CosmosGround().available():
        pytest.skip(cosmos.CosmosGround.needs)
    process, port = cosmos.start()
    storage = CosmosStorage(f"cosmos://127.0.0.1:{port}/tests/x?emulator=true&key={cosmos.KEY}", "memory://")
    await storage.open()
    try:
        await storage.commit("t", Put("k", "a", b"1"))
        process.kill()
        process.communicate()
        with pytest.raises(StorageUnavailable):
            await storage.get("t", "k", "a")
        with pytest.raises(StorageUnavailable):
            await storage.commit("t", Put("k", "a", b"2"), Append("log", (b"1",)))
        with pytest.raises(StorageUnavailable):
            await storage.wait("t", "log", 0, 30)
        process, _ = cosmos.start(port)
        again = CosmosStorage(f"cosmos://127.0.0.1:{port}/tests/x?emulator=true&key={cosmos.KEY}", "memory://")
        await again.open()  # what was in memory is gone: the container is made anew
        await again.close()
        await storage.commit("t", Put("k", "a", b"3"), Append("log", (b"1",)))
        assert await storage.read("t", "log") == [(1, b"1")]
    finally:
        await storage.close()
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("cosmos://", "form"),
        ("cosmos://host?key=a2V5", "names a database"),
        ("cosmos://host/a/b/c?key=a2V5", "names a database"),
        ("cosmos://host/a%2Fb?key=a2V5", "names a database"),
        ("cosmos://host/a/b", "no key"),
        ("cosmos://host/a?key=", "no key"),
        ("cosmos://host/a?key=secret", "base64"),
        ("cosmos://host:port/a?key=secret", "can't be read"),
        ("cosmos://user:secret@host/a?key=secret", "form"),
        ("cosmos://host/a?key=c2VjcmV0&ttl=5", "'ttl'"),
        ("cosmos://host/a?key=c2VjcmV0&emulator=maybe", "true or false"),
    ],
)
def test_a_url_that_names_no_container_is_refused(url: str, complaint: str) -> None:
    with pytest.raises(StorageError, match=complaint) as raised:
        CosmosStorage(url)
    assert "secret" not in str(raised.value)
    assert "c2VjcmV0" not in str(raised.value)


@pytest.mark.parametrize("quoted", [False, True])
def test_a_key_may_stand_in_the_url_as_the_portal_shows_it(quoted: bool) -> None:
    key = "a+b/cQ=="
    url = f"cosmos://name.documents.azure.com:443/db/box?key={quote(key, safe='') if quoted else key}"
    location = Location.of(url)
    assert location == Location("https://name.documents.azure.com:443/", "db", "box", key)
    assert key not in repr(location)
    assert Location.of("cosmos://h/db?key=a2V5") == Location("https://h:443/", "db", "cortex-flow", "a2V5")
    assert Location.of("cosmos://localhost/db?key=a2V5&emulator=true").endpoint == "http://localhost:8081/"
