"""PostgreSQL: URLs, schemas, replicas that start at once, faults, and what other processes append."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from psycopg import sql
from psycopg_pool import AsyncConnectionPool

from graph.storage import Append, Conflict, Put, Storage, StorageError, StorageUnavailable, migrate, open_storage
from graph.storage.postgres import PostgresStorage, connections, schema
from graph.storage.postgres.place import Place
from tests import backends
from tests.backends.postgres import execute
from tests.graph.storage.processes import APPEND, COUNT, ENDLESS, opened, process, says, tell

ROOT = Path(__file__).parents[3]


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with backends.empty("postgresql", tmp_path) as url:
        yield url


class Relay:
    """What stands between a store and its database: it can go away, and come back."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._to = (parts.hostname or "127.0.0.1", parts.port or 5432)
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self.deaf = False
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        user = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
        self.url = parts._replace(netloc=f"{user}127.0.0.1:{self.port}").geturl()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", self.port)

    async def stop(self) -> None:
        """The database is away: nobody answers, and who was connected is not any more."""
        if self._server is not None:
            self._server.close()
        for writer in tuple(self._open):
            writer.transport.abort()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, forth = await asyncio.open_connection(*self._to)
        self._open |= {writer, forth}
        await asyncio.gather(self._copy(reader, forth), self._copy(back, writer, spoken=True))
        self._open -= {writer, forth}

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, spoken: bool = False) -> None:
        try:
            while data := await reader.read(65_536):
                if spoken and self.deaf:
                    break
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        writer.transport.abort()


@asynccontextmanager
async def relayed(url: str) -> AsyncIterator[tuple[Relay, Storage]]:
    relay = Relay(url)
    await relay.start()
    try:
        async with opened(relay.url) as store:
            yield relay, store
    finally:
        await relay.stop()


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        ("schema=a-b", "names no schema"),
        ("schema=pg_catalog", "names no schema"),
        ("table=x%22%3BDROP", "names no table"),
        ("table=" + "a" * 41, "names no table"),
        ("pool_size=0", "pool_size"),
        ("pool_size=many", "pool_size"),
        ("nonsense=1", "can't be read"),
    ],
)
def test_what_is_wrong_with_a_url_is_told_without_its_password(query: str, complaint: str) -> None:
    with pytest.raises(StorageError, match=complaint) as raised:
        open_storage(f"postgresql://user:hidden@host:5432/db?{query}")
    assert "hidden" not in str(raised.value)


@pytest.mark.parametrize("password", ["hid/den", "hid@den", "hid#den", "hid?den", "hid%den"])
def test_no_part_of_a_password_is_taken_for_a_host(password: str) -> None:
    with pytest.raises(StorageError, match="written as %XX") as raised:
        open_storage(f"postgresql://user:{password}@host:5432/db")
    assert "hid" not in str(raised.value)
    assert "den" not in str(raised.value)


def test_the_rest_of_the_query_is_libpqs() -> None:
    place = Place.of(
        "postgresql://u:p%40ss@h/db?schema=S&table=t&pool_size=3&sslmode=require&connect_timeout=9&options=-c%20a%3Db+c"
    )
    assert (place.schema, place.table, place.pool_size) == ("S", "t", 3)
    assert place.options["options"] == "-c a=b+c"
    assert (place.options["sslmode"], place.options["connect_timeout"], place.options["password"]) == (
        "require",
        "9",
        "p@ss",
    )
    assert "p@ss" not in repr(place)
    assert place.where == "PostgreSQL at h:5432"


async def test_postgres_is_another_name_of_the_scheme(url: str) -> None:
    for each in (url, url.replace("postgresql://", "postgres://", 1)):
        storage = open_storage(each, "memory://")
        await storage.open()
        found = await storage.get("t", "k", "a")
        await storage.commit("t", Put("k", "a", b"1"))
        await storage.close()
    assert found is not None


async def test_who_is_cancelled_while_a_connection_comes_free_stops(url: str) -> None:
    storage = PostgresStorage(url.replace("pool_size=4", "pool_size=1"), "memory://")
    await storage.open()
    try:
        for moment in range(12):
            async with storage._connections._connection():
                asking = asyncio.create_task(storage.get("t", "k", "a"))
                await asyncio.sleep(0.01)
            for _ in range(moment):
                await asyncio.sleep(0)
            if asking.cancel():
                assert isinstance(*await asyncio.gather(asking, return_exceptions=True), asyncio.CancelledError), moment
    finally:
        await storage.close()


def test_a_missing_driver_is_one_line_with_what_to_install() -> None:
    code = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from graph.storage import open_storage, StorageError\n"
        "try:\n    open_storage('postgresql://u:hidden@h/db')\n"
        "except StorageError as error:\n    print(error)"
    )
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    assert "pip install 'cortex-flow[postgres]'" in told.stdout
    assert "hidden" not in told.stdout


async def test_replicas_may_start_at_once(url: str) -> None:
    stores = [open_storage(url, "memory://") for _ in range(6)]
    await asyncio.gather(*(store.open() for store in stores))
    await stores[0].commit("t", Put("k", "a", b"1"))
    assert all([await store.get("t", "k", "a") for store in stores])
    for store in stores:
        await store.close()


async def test_stores_of_one_database_are_apart(url: str) -> None:
    async with opened(url) as store, opened(f"{url}&table=Other") as other:
        await store.commit("t", Put("k", "a", b"1"), Append("log", (b"1",)))
        assert await other.get("t", "k", "a") is None
        assert await other.read("t", "log") == []


async def test_opening_twice_is_refused(url: str) -> None:
    async with opened(url) as store:
        with pytest.raises(StorageError, match="open already"):
            await store.open()
    with pytest.raises(StorageError, match="not open"):
        await store.get("t", "k", "a")


async def test_who_waits_hears_of_the_closing(url: str) -> None:
    async with opened(url) as store:
        waiting = asyncio.create_task(store.wait("t", "log", 0, 30))
        await store.get("t", "k", "a")
    with pytest.raises(StorageError, match="not open"):
        await waiting


async def test_sequences_become_visible_in_their_order(url: str) -> None:
    """Who reads with a cursor while many write passes nobody by."""
    async with opened(url) as store, opened(url) as reader:

        async def write(number: int) -> None:
            for each in range(40):
                await store.commit("t", Put("k", f"{number} {each}", b"x" * (each * 97 % 5000), "p", 0))

        writing = asyncio.gather(*(write(number) for number in range(8)))
        seen: list[str] = []
        after = 0
        while len(seen) < 320:
            done = writing.done()
            for document in await reader.query("t", "k", parent="p", order="asc", after=after):
                seen.append(document.id)
                after = document.sequence
            assert not done or len(seen) == 320
        await writing
        assert len(set(seen)) == 320


async def test_commits_in_any_order_never_wait_for_each_other_in_a_circle(url: str) -> None:
    async with opened(url) as store:

        async def swap(number: int) -> None:
            names = ("a", "b") if number % 2 else ("b", "a")
            for _ in range(20):
                await store.commit("t", *(Put("k", name, b"") for name in names), Append("log", (b"",)))

        async with asyncio.timeout(30):
            await asyncio.gather(*(swap(number) for number in range(8)))
        assert len(await store.read("t", "log")) == 160


async def test_processes_write_side_by_side(url: str) -> None:
    count = 50
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
        assert await store.read("t", "log") == [(n, str(n).encode()) for n in range(1, 2 * count + 1)]


async def test_kill_leaves_whole_commits(url: str) -> None:
    async with process(ENDLESS, url) as child:
        while int(await says(child)) < 50:
            pass
        child.kill()
        await child.wait()
    async with opened(url) as store:
        head = await store.get("t", "head", "h")
        assert head is not None
        messages = await store.query("t", "message", parent="p", order="asc", limit=10_000)
        number = len(messages)
        assert [message.id for message in messages] == [f"m{n}" for n in range(1, number + 1)]
        assert len(await store.read("t", "log", limit=30_000)) == 2 * number
        assert int(head.body) == number


async def test_wait_hears_another_process(url: str) -> None:
    async with process(APPEND, url) as child, opened(url) as store:
        assert await says(child) == "ready"
        waiting = asyncio.create_task(store.wait("t", "log", 0, 60))
        await store.get("t", "k", "a")
        await tell(child)
        assert await waiting
        assert await store.read("t", "log") == [(1, b"from elsewhere")]


async def test_wait_hears_what_was_appended_while_its_connection_was_away(url: str) -> None:
    async with relayed(url) as (relay, store), opened(url) as other:
        waiting = asyncio.create_task(store.wait("t", "log", 0, 60))
        await store.get("t", "k", "a")
        await relay.stop()
        await other.commit("t", Append("log", (b"1",)))
        await relay.start()
        assert await waiting


async def test_a_database_that_is_away_is_unavailable_and_comes_back(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "WAIT_SECONDS", 0.5)
    async with relayed(url) as (relay, store):
        await store.commit("t", Put("k", "a", b"1"))
        await relay.stop()
        for attempt in (store.get("t", "k", "a"), store.commit("t", Put("k", "b", b"1")), store.read("t", "log")):
            with pytest.raises(StorageUnavailable, match="can't be used now") as raised:
                await attempt
            assert "@" not in str(raised.value)
        await relay.start()
        async with asyncio.timeout(30):
            while True:
                try:
                    assert await store.get("t", "k", "a") is not None
                    break
                except StorageUnavailable:
                    pass
        await store.commit("t", Put("k", "b", b"1", expect=0))


async def test_a_connection_is_waited_for_once(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    waited = 0
    monkeypatch.setattr(connections, "WAIT_SECONDS", 0.2)

    class Counted(AsyncConnectionPool[Any]):
        async def getconn(self, timeout: float | None = None) -> Any:
            nonlocal waited
            waited += 1
            return await super().getconn(timeout)

    monkeypatch.setattr(connections, "AsyncConnectionPool", Counted)
    async with relayed(url) as (relay, store):
        await relay.stop()
        with pytest.raises(StorageUnavailable):  # what the pool had is lost, and found to be so
            await store.get("t", "k", "a")
        waited = 0
        with pytest.raises(StorageUnavailable, match="no connection is free"):
            await store.get("t", "k", "a")
        assert waited == 1


async def test_a_restart_between_requests_is_not_noticed(url: str) -> None:
    async with relayed(url) as (relay, store):
        await store.commit("t", Put("k", "a", b"1"))
        await relay.stop()
        await relay.start()
        await store.commit("t", Put("k", "a", b"2", expect=1))
        assert await store.get("t", "k", "a") is not None


async def test_a_commit_whose_answer_is_lost_is_unavailable_and_written_once(url: str) -> None:
    async with relayed(url) as (relay, store):
        await store.commit("t", Put("k", "a", b"1"))
        relay.deaf = True
        with pytest.raises(StorageUnavailable):
            await store.commit("t", Append("log", (b"1",), 0))
        relay.deaf = False
        with pytest.raises(Conflict):
            await store.commit("t", Append("log", (b"1",), 0))
        assert await store.read("t", "log") == [(1, b"1")]


async def test_a_database_that_is_not_there_at_the_start_is_waited_for(
    url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    relay = Relay(url)
    store = open_storage(relay.url, "memory://")
    opening = asyncio.create_task(store.open())
    await asyncio.wait([opening], timeout=0.5)
    assert "trying again for 15 seconds" in caplog.text
    await relay.start()
    await opening
    await store.close()
    await relay.stop()
    assert len([record for record in caplog.records if "trying again" in record.message]) == 1
    monkeypatch.setattr(connections, "START_SECONDS", 0.2)
    with pytest.raises(StorageUnavailable, match="can't be used now"):
        await store.open()


async def test_a_database_that_does_not_exist_is_told_at_once(url: str) -> None:
    nowhere = urlsplit(url)._replace(path="/there_is_no_such").geturl()
    with pytest.raises(StorageError, match="the database is not there"):
        await open_storage(nowhere, "memory://").open()


async def test_another_version_is_refused_and_an_older_one_migrated(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(url) as store:
        await store.commit("t", Put("k", "a", b"1"))
    today = schema.today()
    assert await migrate(url) == (today, today)
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, ("ALTER TABLE {documents} ADD COLUMN colour text",)))
        with pytest.raises(StorageError, match=r"older Cortex Flow .*cortex-flow migrate"):
            await open_storage(url).open()
        assert await migrate(url) == (today, today + 1)
    for attempt in (open_storage(url).open(), migrate(url)):
        with pytest.raises(StorageError, match="newer Cortex Flow"):
            await attempt


async def test_migrating_makes_tables_that_are_not_there(url: str) -> None:
    assert await migrate(url) == (0, schema.today())
    async with opened(url) as store:
        await store.commit("t", Put("k", "a", b"1"))


async def test_tables_of_another_program_are_left_alone(url: str) -> None:
    [name] = parse_qs(urlsplit(url).query)["schema"]
    execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(name)))
    execute(sql.SQL("CREATE TABLE {} (theirs int)").format(sql.Identifier(name, "cortex_flow_documents")))
    with pytest.raises(StorageError, match="another program"):
        await open_storage(url).open()


def test_a_database_behind_a_socket() -> None:
    place = Place.of("postgresql:///cortex?host=/run/postgresql&table=mine")
    assert (place.options["host"], place.options["dbname"], place.table) == ("/run/postgresql", "cortex", "mine")
