"""The door: which URL opens what."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from graph.storage import Put, StorageError, UnknownScheme, migrate, open_storage

ROOT = Path(__file__).parents[3]


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("url", ["mysql://user:secret@host/db", "store.db", "", "sqlite:/store.db", "SQLITE:///x"])
def test_an_unknown_scheme_is_refused_with_the_known_ones(url: str) -> None:
    with pytest.raises(UnknownScheme, match=r"known: memory://, .*sqlite://") as raised:
        open_storage(url)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite://store.db"])
def test_a_sqlite_url_without_a_path_is_refused(url: str) -> None:
    with pytest.raises(StorageError, match="names a file"):
        open_storage(url)


def test_an_unknown_place_for_blobs_is_refused() -> None:
    with pytest.raises(UnknownScheme, match="ftp://"):
        open_storage("memory://", "ftp://host/blobs")


async def test_nothing_is_touched_before_it_is_opened(tmp_path: Path) -> None:
    storage = open_storage(f"sqlite:///{tmp_path}/deep/store.db")
    assert names(tmp_path) == set()
    with pytest.raises(StorageError, match="not open"):
        await storage.get("t", "k", "a")
    await storage.close()


async def test_a_relative_path_starts_at_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    storage = open_storage("sqlite:///data/store.db")
    await storage.open()
    await storage.commit("t", Put("k", "a", b""))
    await storage.put_blob("t", "key", b"1")
    await storage.close()
    assert names(tmp_path / "data") >= {"store.db", "store-files"}


async def test_sqlite_in_memory() -> None:
    storage = open_storage("sqlite:///:memory:")
    await storage.open(claim=True)
    await storage.commit("t", *(Put("k", str(number), b"") for number in range(200)))
    assert len(await storage.query("t", "k", limit=500)) == 200
    await storage.put_blob("t", "key", b"1")
    assert await anext(storage.get_blob("t", "key")) == b"1"
    await storage.close()


async def test_there_is_nothing_to_migrate_in_memory() -> None:
    before, after = await migrate("memory://")
    assert before == after


def test_a_driver_is_imported_when_its_scheme_is_used() -> None:
    code = (
        "import sys; from graph.storage import open_storage; "
        "assert not {'sqlite3', 'obstore'} & set(sys.modules); open_storage('memory://'); "
        "assert 'sqlite3' not in sys.modules; open_storage('sqlite:///x.db'); assert 'sqlite3' in sys.modules; "
        "assert 'obstore' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)
