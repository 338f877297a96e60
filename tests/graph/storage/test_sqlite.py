"""What SQLite promises beyond the contract: one file, its lock, its log, and what may be wrong with it."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

import pytest

from graph.storage import (
    Append,
    Delete,
    Put,
    StorageError,
    StorageInUse,
    StorageUnavailable,
    migrate,
    open_storage,
)
from graph.storage.sqlite import checkpointer, schema
from graph.storage.sqlite import database as database_module
from tests.graph.storage.processes import opened


def written(path: Path, content: bytes) -> Path:
    """A file with this content, in a folder made for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def content(path: Path) -> bytes:
    return path.read_bytes()


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def make_read_only(path: Path) -> None:
    path.chmod(0o400)


def size(path: Path) -> int:
    return path.stat().st_size


async def test_everything_is_there_after_a_restart(url: str) -> None:
    async with opened(url) as store:
        await store.commit("t", Put("k", "a", b"1", "p", 0, "l", 5), Append("log", (b"1", b"2"), 0))
        await store.put_blob("t", "key", b"bytes")
        before = await store.get("t", "k", "a")
    async with opened(url) as store:
        assert await store.get("t", "k", "a") == before
        assert await store.query("t", "k", parent="p", label="l") == [before]
        assert await store.due("k", 5) == [("t", "a")]
        assert await store.read("t", "log") == [(1, b"1"), (2, b"2")]
        assert await anext(store.get_blob("t", "key")) == b"bytes"


async def test_a_sequence_is_not_given_again_after_a_restart(url: str) -> None:
    async with opened(url) as store:
        await store.commit("t", Put("k", "a", b""), Put("k", "b", b""))
        newest = await store.get("t", "k", "b")
        await store.commit("t", Delete("k", "b"))
    async with opened(url) as store:
        await store.commit("t", Put("k", "c", b""))
        document = await store.get("t", "k", "c")
    assert newest is not None
    assert document is not None
    assert document.sequence > newest.sequence


async def test_closing_leaves_one_file_with_everything(url: str, database: Path) -> None:
    async with opened(url) as store:
        await store.commit("t", Put("k", "a", b"1"))
    await store.close()
    assert names(database.parent) == ["store.db"]
    with pytest.raises(StorageError, match="not open"):
        await store.commit("t", Put("k", "b", b"1"))


async def test_who_waits_hears_of_the_closing(url: str) -> None:
    async with opened(url) as store:
        waiting = asyncio.create_task(store.wait("t", "log", 0, 30))
        await asyncio.sleep(0)
    with pytest.raises(StorageError, match="not open"):
        await waiting


async def test_opening_twice_is_refused(url: str) -> None:
    async with opened(url) as store:
        with pytest.raises(StorageError, match="open already"):
            await store.open()


async def test_a_claim_is_given_back(url: str) -> None:
    async with opened(url, claim=True):
        with pytest.raises(StorageInUse):
            await open_storage(url).open(claim=True)
    async with opened(url, claim=True):
        pass


async def test_a_failed_opening_gives_its_claim_back(url: str, database: Path) -> None:
    written(database, b"no database" * 500)
    with pytest.raises(StorageError):
        await open_storage(url).open(claim=True)
    written(database, b"")
    async with opened(url, claim=True):
        pass


async def test_a_busy_file_is_waited_for(url: str, database: Path) -> None:
    async with opened(url) as store:
        with closing(sqlite3.connect(database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            commit = asyncio.create_task(store.commit("t", Put("k", "a", b"1")))
            for _ in range(20):
                await asyncio.sleep(0)
            assert not commit.done()
            assert await store.get("t", "k", "a") is None
            other.execute("ROLLBACK")
            await commit
        assert await store.get("t", "k", "a") is not None


async def test_a_file_that_stays_busy_is_unavailable(url: str, database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "PATIENCE_SECONDS", 0.05)
    async with opened(url) as store:
        with closing(sqlite3.connect(database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StorageUnavailable, match="stays busy"):
                await store.commit("t", Put("k", "a", b"1"))
        await store.commit("t", Put("k", "a", b"1"))


class Watched(ThreadPoolExecutor):
    """Tells when a checkpoint is done."""

    jobs: ClassVar[list[Future[Any]]]

    def submit(self, *args: Any, **kwargs: Any) -> Future[Any]:
        self.jobs.append(super().submit(*args, **kwargs))
        return self.jobs[-1]


@pytest.fixture
def checkpoints(monkeypatch: pytest.MonkeyPatch) -> list[Future[Any]]:
    """Those that were begun."""
    Watched.jobs = []
    monkeypatch.setattr(checkpointer, "ThreadPoolExecutor", Watched)
    return Watched.jobs


async def test_the_write_ahead_log_stays_short(
    url: str, database: Path, checkpoints: list[Future[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    body, rounds = b"x" * 1_000_000, 20
    monkeypatch.setattr(checkpointer, "WAL_BYTES", 2 * len(body))
    async with opened(url) as store:
        for number in range(rounds):
            await store.commit("t", Put("k", f"{number} a", body))
            assert len(checkpoints) == number
            await store.commit("t", Put("k", f"{number} b", body))
            await asyncio.wrap_future(checkpoints[number])
            assert size(database) >= 2 * len(body) * (number + 1)
        assert size(Path(f"{database}-wal")) < 4 * len(body)


async def test_writers_too_fast_for_a_checkpoint_are_held_up(
    url: str, database: Path, checkpoints: list[Future[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpointer, "WAL_BYTES", 100_000)
    monkeypatch.setattr(checkpointer, "WAL_BYTES_KEPT", 0)
    monkeypatch.setattr(checkpointer, "TRIES", 0)  # as if each had been overtaken
    async with opened(url) as store:
        for number in range(10):
            await store.commit("t", Put("k", str(number), b"x" * 200_000))
            await asyncio.wrap_future(checkpoints[number])
        assert size(database) >= 2_000_000
        assert size(Path(f"{database}-wal")) < 1_000_000


async def test_a_checkpoint_that_fails_is_told_and_tried_again(
    url: str, checkpoints: list[Future[Any]], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def failing(database: str, patience_ms: int) -> sqlite3.Connection:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(checkpointer, "WAL_BYTES", 1)
    async with opened(url) as store:
        with monkeypatch.context() as patch:
            patch.setattr(checkpointer, "connect", failing)
            await store.commit("t", Put("k", "a", b""))
            await asyncio.wrap_future(checkpoints[0])
        assert "is tried again" in caplog.text
        await store.commit("t", Put("k", "b", b""))
        await asyncio.wrap_future(checkpoints[1])
        assert caplog.text.count("is tried again") == 1


async def test_a_newer_schema_is_refused(url: str, database: Path) -> None:
    async with opened(url):
        pass
    with closing(sqlite3.connect(database)) as other:
        other.execute("PRAGMA user_version = 99")
    with pytest.raises(StorageError, match=r"store\.db: .*newer Cortex Flow \(schema 99.*upgrade"):
        await open_storage(url).open()
    with pytest.raises(StorageError, match="newer"):
        await migrate(url)


async def test_an_older_schema_is_migrated_when_asked(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(url) as store:
        await store.commit("t", Put("k", "a", b"1"))
    today = schema.today()
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, ("ALTER TABLE documents ADD COLUMN colour TEXT",)))
    told = rf"older Cortex Flow \(schema {today}, this one needs {today + 1}\).*cortex-flow migrate"
    with pytest.raises(StorageError, match=told):
        await open_storage(url).open()
    assert await migrate(url) == (today, today + 1)
    assert await migrate(url) == (today + 1, today + 1)
    async with opened(url) as store:
        assert await store.get("t", "k", "a") is not None


async def test_an_older_schema_with_the_same_tables_is_taken_over(url: str, database: Path) -> None:
    async with opened(url) as store:
        await store.commit("t", Put("k", "a", b"1"))
    with closing(sqlite3.connect(database)) as other:
        other.execute("PRAGMA user_version = 1")
    async with opened(url) as store:
        assert await store.get("t", "k", "a") is not None
    with closing(sqlite3.connect(database)) as other:
        assert other.execute("PRAGMA user_version").fetchone() == (2,)  # the version that wrote it must not come back


async def test_a_migration_that_fails_changes_nothing(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(url):
        pass
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, ("CREATE TABLE extra (x)", "nonsense")))
        with pytest.raises(StorageError, match="nonsense"):
            await migrate(url)
    async with opened(url) as store:
        await store.commit("t", Put("k", "a", b"1"))


async def test_migrating_makes_a_file_that_is_not_there(url: str) -> None:
    assert await migrate(url) == (0, schema.today())
    async with opened(url) as store:
        await store.commit("t", Put("k", "a", b"1"))


async def test_the_database_of_another_program_is_left_alone(url: str, database: Path) -> None:
    database.parent.mkdir()
    with closing(sqlite3.connect(database)) as other:
        other.execute("CREATE TABLE theirs (x)")
    before = content(database)
    for attempt in (open_storage(url).open(), migrate(url)):
        with pytest.raises(StorageError, match="another program"):
            await attempt
    assert content(database) == before


async def test_a_file_that_is_no_database(url: str, database: Path) -> None:
    written(database, b"Dear diary, " * 1000)
    with pytest.raises(StorageError, match=r"store\.db is not a SQLite database"):
        await open_storage(url).open()


async def test_a_folder_where_the_file_should_be(url: str, database: Path) -> None:
    written(database / "file", b"")
    with pytest.raises(StorageUnavailable, match="can't be read or written"):
        await open_storage(url).open()


async def test_a_file_where_the_folder_should_be(url: str, database: Path) -> None:
    written(database.parent, b"")
    with pytest.raises(StorageError, match="can't be made"):
        await open_storage(url).open(claim=True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
async def test_a_folder_that_can_not_be_written(url: str, database: Path) -> None:
    database.parent.mkdir(mode=0o500)
    with pytest.raises(StorageError, match="can't be"):
        await open_storage(url).open()
    with pytest.raises(StorageError, match="can't be written"):
        await open_storage(url).open(claim=True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
async def test_a_file_that_can_not_be_written(url: str, database: Path) -> None:
    async with opened(url):
        pass
    make_read_only(database)
    with pytest.raises(StorageUnavailable, match="can't be read or written"):
        await open_storage(url).open()


async def test_a_name_of_a_refused_commit_is_not_mixed_up(url: str) -> None:
    async with opened(url) as store, opened(url) as other:
        with pytest.raises(StorageError):
            await store.commit("new", Put("k", "a", b"", expect=5))
        await other.commit("other", Put("k", "a", b"theirs"))
        await store.commit("new", Put("k", "a", b"ours"))
        for reader in (store, other):
            document = await reader.get("new", "k", "a")
            assert document is not None
            assert document.body == b"ours"
            assert len(await reader.query("other", "k")) == 1
