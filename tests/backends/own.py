"""Databases of a test's own, which it may kill, on the schemes that processes share."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import LiteralString, Protocol
from urllib.parse import urlsplit
from uuid import uuid4

from psycopg import sql

from tests.backends.postgres import execute, server
from tests.graph.storage.redis_server import RedisServer, free_port

ROOM = "max_connections=200"


class Database(Protocol):
    """It is reached at the same place after a restart, and has kept what it has answered for."""

    @property
    def url(self) -> str: ...

    def kill(self) -> None:
        """From one moment to the next it is away."""

    def start(self) -> None:
        """Returns when it serves again."""


@contextmanager
def own(scheme: str) -> Iterator[Database]:
    """A database that nobody else uses, gone at the end."""
    with ExitStack() as stack:
        folder = Path(mkdtemp(prefix="cortex-flow-own-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        if scheme == "redis":
            database: Database = RedisServer(folder, "--appendonly", "yes", "--appendfsync", "always")
        elif _programs() is not None:
            database = PostgresServer(folder)
        else:
            database = refusing = PostgresDatabase()
            stack.callback(refusing.remove)
        database.start()
        stack.callback(database.kill)
        yield database


class PostgresServer:
    """A server on a port of its own. It refuses root: then it runs as `postgres`."""

    def __init__(self, folder: Path) -> None:
        self._port, self._data, self._folder = free_port(), folder / "data", folder
        self._user = "postgres" if os.getuid() == 0 else None
        self.url = f"postgresql://postgres@127.0.0.1:{self._port}/postgres"
        if self._user:
            shutil.chown(folder, self._user)
        self._run("initdb", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-sync")

    def start(self) -> None:
        places = f"-p {self._port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self._folder} -c {ROOM}"
        self._run("pg_ctl", "--wait", "--silent", "-o", places, "-l", str(self._folder / "log"), "start")

    def kill(self) -> None:
        """As a power cut would: no checkpoint, and recovery at the next start."""
        with suppress(subprocess.CalledProcessError):
            self._run("pg_ctl", "--mode=immediate", "--silent", "stop")

    def _run(self, program: str, *arguments: str) -> None:
        folder = _programs()
        assert folder is not None
        command = [str(folder / program), "-D", str(self._data), *arguments]
        subprocess.run(
            command, check=True, user=self._user, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )


class PostgresDatabase:
    """A database of the server that all tests use, which lets nobody in while it is away."""

    def __init__(self) -> None:
        self._name = f"cortex_test_{uuid4().hex[:16]}"
        self.url = urlsplit(server() or "")._replace(path=f"/{self._name}").geturl()
        self._say("CREATE DATABASE {}")

    def start(self) -> None:
        self._say("ALTER DATABASE {} ALLOW_CONNECTIONS true")

    def kill(self) -> None:
        self._say("ALTER DATABASE {} ALLOW_CONNECTIONS false")
        execute(sql.SQL("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"), self._name)

    def remove(self) -> None:
        self._say("DROP DATABASE {} WITH (FORCE)")

    def _say(self, statement: LiteralString) -> None:
        execute(sql.SQL(statement).format(sql.Identifier(self._name)))


@cache
def _programs() -> Path | None:
    """Where the programs of a PostgreSQL server are, where a test may start one."""
    found = shutil.which("initdb")
    if found is None or (os.getuid() == 0 and not _is_user("postgres")):
        return None
    return Path(found).resolve().parent


def _is_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True
