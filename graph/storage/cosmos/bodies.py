"""Bytes in items: text as text, the rest as base64, what is large in items of its own."""

from __future__ import annotations

import asyncio
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import orjson

from graph.ids import new_id
from graph.storage.cosmos import names
from graph.storage.cosmos.account import Account, Key
from graph.storage.cosmos.records import PART

INLINE: Final = 256 * 1024  # an item takes 2 MB, and may hold two images
_PART: Final = 512 * 1024

Packed = Mapping[str, Any]


class PartsGone(Exception):
    """What was to be read has been replaced meanwhile: read the item again."""


def pack(body: bytes) -> Packed:
    """As a value of JSON that is not much larger than it."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return {"b": b64encode(body).decode()}
    if len(orjson.dumps(text)) > 4 * len(body) // 3 + 64:
        return {"b": b64encode(body).decode()}
    return {"u": text}


def unpack(packed: Packed) -> bytes:
    return packed["u"].encode() if "u" in packed else b64decode(packed["b"])


class Bodies:
    """Bodies in their partitions. Parts are written before what names them, and removed after it."""

    def __init__(self, account: Account) -> None:
        self._account = account

    async def keep(self, partition: str, body: bytes, parts: list[Key]) -> Packed:
        """The value to put in an item for it. What else had to be written is added to `parts`."""
        return pack(body) if len(body) <= INLINE else {"parts": await self.part(partition, body, parts)}

    async def part(self, partition: str, body: bytes, parts: list[Key]) -> list[str]:
        """Write it as items of their own; returns their names."""
        given = new_id()
        slices = [body[start : start + _PART] for start in range(0, len(body), _PART)]
        named = {f"{given}-{number}": data for number, data in enumerate(slices)}
        keys = {names.part(partition, name): data for name, data in named.items()}
        parts += keys
        fields = [self._account.create(key, {"y": PART, "b": b64encode(data).decode()}) for key, data in keys.items()]
        await asyncio.gather(*fields)
        return list(named)

    async def read(self, partition: str, packed: Packed) -> bytes:
        """Raises `PartsGone`."""
        return await self.joined(partition, packed["parts"]) if "parts" in packed else unpack(packed)

    async def joined(self, partition: str, parts: Sequence[str]) -> bytes:
        """Raises `PartsGone`."""
        found = await asyncio.gather(*(self._account.read(names.part(partition, name)) for name in parts))
        return b"".join(_data(item.fields if item else None) for item in found)

    async def remove(self, keys: Iterable[Key]) -> None:
        await asyncio.gather(*(self._account.remove(key) for key in keys))


def parts_of(partition: str, image: Mapping[str, Any] | None) -> set[Key]:
    """The items that an image names."""
    if image is None:
        return set()
    named = [*image.get("body", {}).get("parts", ()), *(part for page in image.get("pages", ()) for part in page[2])]
    return {names.part(partition, name) for name in named}


def _data(fields: Mapping[str, Any] | None) -> bytes:
    if fields is None:
        raise PartsGone
    return b64decode(fields["b"])
