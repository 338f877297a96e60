"""Logs: one item, which says how long the log is, holds the last entries and names the pages of those before.

An append writes this item and, where it has grown large, a page that nobody knew before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from graph.storage.cosmos.account import Key
from graph.storage.cosmos.bodies import Bodies, Packed, pack, unpack

_INLINE: Final = 16 * 1024  # bytes of entries: what every append writes again


def empty() -> dict[str, Any]:
    return {"length": 0, "tail": [], "pages": []}


async def grown(
    image: Mapping[str, Any], entries: Sequence[bytes], bodies: Bodies, partition: str, parts: list[Key]
) -> dict[str, Any]:
    """The image, whose length counts `entries` already, with them at its end."""
    tail: list[Packed] = [*image["tail"], *map(pack, entries)]
    if sum(map(_size, tail)) <= _INLINE:
        return {**image, "tail": tail}
    first = image["length"] - len(tail) + 1
    page = [first, len(tail), await bodies.part(partition, orjson.dumps(tail), parts)]
    return {**image, "tail": [], "pages": [*image["pages"], page]}


async def read(
    image: Mapping[str, Any], bodies: Bodies, partition: str, after: int, limit: int
) -> list[tuple[int, bytes]]:
    """Entries with positions greater than `after`. Raises `PartsGone`."""
    start = max(after, 0)
    found: list[tuple[int, bytes]] = []
    for first, count, names in image["pages"]:
        if len(found) < limit and start < first + count - 1:
            page = orjson.loads(await bodies.joined(partition, names))
            found += _from(first, page, start)
    found += _from(image["length"] - len(image["tail"]) + 1, image["tail"], start)
    return found[: max(limit, 0)]


def _from(first: int, packed: Sequence[Packed], after: int) -> list[tuple[int, bytes]]:
    skipped = max(after - first + 1, 0)
    return [(position, unpack(each)) for position, each in enumerate(packed[skipped:], first + skipped)]


def _size(packed: Packed) -> int:
    return sum(map(len, packed.values()))
