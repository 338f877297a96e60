"""A commit on its way: the values that the procedure takes (see `schema`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, assert_never

from graph.storage.port import Append, Delete, Drop, Put, Write
from graph.storage.postgres.schema import APPEND, DELETE, DROP, PUT
from graph.storage.postgres.texts import stored

COMMIT: Final = "CALL {commit} (%s, %s, %s::bigint[], %s::text[], %b::bytea[])"


def values(tenant: str, origin: str, writes: Sequence[Write]) -> list[Any]:
    """For `COMMIT`. `origin` is who tells of the appends."""
    numbers: list[int | None] = []
    texts: list[str | None] = []
    bodies: list[bytes] = []
    for write in writes:
        match write:
            case Put(kind, id, body, parent, expect, label, due):
                numbers += (PUT, expect, due)
                texts += (stored(kind), stored(id), stored(parent), None if label is None else stored(label))
                bodies.append(body)
            case Delete(kind, id, expect):
                numbers += (DELETE, expect, None)
                texts += (stored(kind), stored(id), None, None)
            case Append(log, entries, after):
                numbers += (APPEND, after, len(entries))
                texts += (stored(log), None, None, None)
                bodies += entries
            case Drop(log):
                numbers += (DROP, None, None)
                texts += (stored(log), None, None, None)
            case _:
                assert_never(write)
    return [stored(tenant), origin, numbers, texts, bodies]
