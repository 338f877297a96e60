"""The stores that a server may keep everything in: an empty one for each measurement, and what it costs where it is."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import psutil
from psycopg import sql
from redis import Redis

from benchmarks.cputime import CpuTime
from benchmarks.processes import Failed
from tests.backends import GROUNDS
from tests.backends.postgres import execute
from tests.backends.redis import URL

_SIZE: Final = sql.SQL(
    "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c "
    "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND n.nspname = ANY(%s)"
)
_PIDS: Final = sql.SQL("SELECT pid FROM pg_stat_activity WHERE application_name = %s")


@dataclass(frozen=True, slots=True)
class Store:
    """An empty store. `size`: the bytes that it takes by its own account; `cpu`: the seconds of CPU that its database has
    spent so far, for whoever; None where nobody can tell."""

    url: str
    size: Callable[[], int] | None = None
    cpu: Callable[[], float] | None = None


@contextmanager
def memory() -> Iterator[Store]:
    yield Store("memory://")


@contextmanager
def sqlite() -> Iterator[Store]:
    with TemporaryDirectory(prefix="cortex-flow-bench-") as folder:
        path = Path(folder) / "store.db"
        yield Store(f"sqlite:///{path}", lambda: _pages(path))


@contextmanager
def postgresql() -> Iterator[Store]:
    """The CPU is that of the processes behind our connections, where the database is on this machine."""
    with _empty("postgresql") as url:
        name = f"bench-{uuid4().hex[:16]}"
        [schema] = parse_qs(urlsplit(url).query)["schema"]
        schemas = [schema, f"{schema}_queue"]
        yield Store(
            f"{url}&application_name={name}", lambda: int(execute(_SIZE, schemas)[0][0]), _Backends(name).seconds
        )


@contextmanager
def redis() -> Iterator[Store]:
    """The CPU is all of the server's: give it nothing else to do."""
    with _empty("redis") as url:
        [prefix] = parse_qs(urlsplit(url).query)["prefix"]
        yield Store(url, lambda: _held(prefix), _redis_seconds)


@contextmanager
def cosmos() -> Iterator[Store]:
    """The emulator that tests use: it has every item in memory and reads all of them, so it tells nothing of the service."""
    with _empty("cosmos") as url:
        yield Store(url)


Opened = Callable[[], AbstractContextManager[Store]]

SHARED: Final[dict[str, tuple[str, Opened]]] = {
    "PostgreSQL": ("postgresql", postgresql),
    "Redis": ("redis", redis),
}
EMULATED: Final[dict[str, tuple[str, Opened]]] = {"Cosmos DB's emulator": ("cosmos", cosmos)}


def here(stores: Mapping[str, tuple[str, Opened]]) -> dict[str, Opened]:
    """Those whose database is on this machine."""
    return {name: opened for name, (scheme, opened) in stores.items() if GROUNDS[scheme].available()}


def shared() -> dict[str, Opened]:
    """The stores that several processes may share and that are on this machine. Raises `Failed` where there is none."""
    found = here(SHARED)
    if not found:
        raise Failed(f"there is no database here: {'; '.join(GROUNDS[scheme].needs for scheme, _ in SHARED.values())}")
    return found


@contextmanager
def _empty(scheme: str) -> Iterator[str]:
    with TemporaryDirectory(prefix="cortex-flow-bench-") as folder, GROUNDS[scheme].empty(Path(folder)) as url:
        yield url


def _pages(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        [(count,), (size,)] = (connection.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "page_size"))
        return int(count * size)


class _Backends:
    """PostgreSQL's processes that serve the connections of one name."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._known: dict[int, float] = {}

    def seconds(self) -> float:
        """Of all that were seen so far."""
        for (pid,) in execute(_PIDS, self._name):
            try:
                self._known[pid] = CpuTime(pid).seconds()
            except psutil.NoSuchProcess:
                continue
        return sum(self._known.values())


def _held(prefix: str) -> int:
    with Redis.from_url(URL) as server:
        keys = [key for match in (f"{prefix}:*", f"streaq:{prefix}-queue*") for key in server.scan_iter(match, 1000)]
        pipe = server.pipeline(transaction=False)
        for key in keys:
            pipe.memory_usage(key)
        return sum(size or 0 for size in pipe.execute())


def _redis_seconds() -> float:
    with Redis.from_url(URL) as server:
        told = server.info("cpu")
        return float(told["used_cpu_sys"]) + float(told["used_cpu_user"])
