"""What a `postgresql://` URL says: where the database is, and which of its tables are ours."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import Any, Final, cast
from urllib.parse import urlsplit

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from graph.storage.port import StorageError
from graph.storage.urls import parameters, with_parameters

SCHEMA: Final = "public"
TABLE: Final = "cortex_flow"
POOL_SIZE: Final = 10

# A connection that nobody answers any more is given up within half a minute, not when the system's patience ends.
_PATIENCE: Final = {
    "connect_timeout": "5",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "25000",
}
_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")
_NAMES: Final = ("documents", "entries", "sequence", "version", "commit", "shelves", "texts", "passages")


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """A database and, in one of its schemas, the tables whose names begin with `table`."""

    options: dict[str, Any] = field(repr=False)
    schema: str = SCHEMA
    table: str = TABLE
    pool_size: int = POOL_SIZE

    @classmethod
    def of(cls, url: str) -> Place:
        """Raises `StorageError`, which never repeats the URL: it may hold a password."""
        try:
            parts = urlsplit(url)
            if parts.netloc.count("@") > 1 or "@" in parts.path or "#" in url:
                raise ValueError("a part of a password stands where a host does")
            given = parameters(url)
            own = {name: given.pop(name) for name in ("schema", "table", "pool_size") if name in given}
            options = conninfo_to_dict(with_parameters(url, given), client_encoding="utf8")
        except (ValueError, psycopg.ProgrammingError):
            raise StorageError(
                "it can't be read as postgresql://user:password@host:port/database?schema=...&table=...; "
                "special characters in a password are written as %XX, and other parameters are libpq's"
            ) from None
        return cls(
            {**_PATIENCE, "application_name": "cortex-flow", **options},
            _identifier("schema", own.get("schema", SCHEMA)),
            _identifier("table", own.get("table", TABLE)),
            _size(own.get("pool_size", str(POOL_SIZE))),
        )

    @property
    def where(self) -> str:
        """What messages call it."""
        host, port = self.options.get("host", "its socket"), self.options.get("port", 5432)
        return f"PostgreSQL at {host}:{port}"

    @property
    def channel(self) -> str:
        """Where appends are told. Channels belong to the database: this one to our tables."""
        return f"{TABLE}_{self._digest.hex()[:16]}"

    @property
    def lock(self) -> int:
        """A number for advisory locks, which belong to the database, too."""
        return int.from_bytes(self._digest[:4], signed=True)

    def named(self, statement: str, **values: object) -> bytes:
        """A statement with the names of our tables for `{documents}`, `{entries}`..., and values as literals."""
        names = {name: sql.Identifier(self.schema, f"{self.table}_{name}") for name in _NAMES}
        literals = {name: sql.Literal(value) for name, value in values.items()}
        made = sql.SQL(cast(Any, statement)).format(schema=sql.Identifier(self.schema), **names, **literals)
        return made.as_bytes(None)

    @property
    def _digest(self) -> bytes:
        return hashlib.blake2b(f"{self.schema}.{self.table}".encode(), digest_size=8).digest()


def _identifier(name: str, value: str) -> str:
    if not _IDENTIFIER.fullmatch(value) or value.lower().startswith("pg_"):
        raise StorageError(
            f"{name}={value[:60]!r} names no {name}: up to 40 letters, digits and underscores, not beginning with pg_"
        )
    return value


def _size(value: str) -> int:
    if not value.isascii() or not value.isdigit() or not 1 <= int(value[:5]) <= 1000:
        raise StorageError(f"pool_size={value[:20]!r} is no number of connections: 1 to 1000")
    return int(value)
