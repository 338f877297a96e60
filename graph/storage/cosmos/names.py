"""Partitions and ids of items, for any tenant, kind, parent, id and log."""

from __future__ import annotations

import hashlib
import re

from graph.storage.cosmos.account import Key

_LONGEST = 180  # of what Cosmos DB takes, and short enough for its older partition keys when hashed
_PARTITION = 100
SYSTEM = "system"
SCHEMA: Key = (SYSTEM, "schema")
COUNTER: Key = (SYSTEM, "counter")


def document(tenant: str, kind: str, parent: str, id: str) -> Key:
    """Where a document stands, or with the parent "" where it is told which parent it has."""
    return shelf(tenant, kind, parent), _short(f"d.{_plain(id)}", _LONGEST)


def shelf(tenant: str, kind: str, parent: str) -> str:
    """The partition of the documents of one kind under a parent."""
    return _short(f"{_plain(tenant)}.{_plain(kind)}.{_plain(parent)}", _PARTITION)


def log(tenant: str, name: str) -> Key:
    """Where a log stands."""
    return _short(f"log.{_plain(tenant)}.{_plain(name)}", _PARTITION), "log"


def part(partition: str, name: str) -> Key:
    """Where a part of what is too large for one item stands."""
    return partition, f"part.{name}"


def _plain(text: str) -> str:
    """Letters that Cosmos DB and paths of URLs leave alone; different texts stay different."""
    raw = text.encode("utf-8", "surrogatepass")
    return re.sub(rb"[^A-Za-z0-9_-]", lambda match: b"~%02x" % match[0][0], raw).decode()


def _short(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    return f"{text[:40]}~~{hashlib.blake2b(text.encode(), digest_size=24).hexdigest()}"
