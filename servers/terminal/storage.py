"""`cortex-flow storage copy`: everything of one storage into another."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack

from graph.lease import TENANT, living
from graph.listing import PLACE
from graph.storage import Storage, StorageError, Stored, open_storage
from graph.storage.copying import Differs, Group, NotEmpty, Sum, copy
from graph.storage.port import Entry, StorageInUse
from servers.settings import without_password


class _Refused(Exception):
    """The message is one line."""


def copy_storage(source: str, target: str, source_blobs: str | None, target_blobs: str | None) -> int:
    """Copy, say what was copied, and return the exit code: 1 where it was not all."""
    try:
        sums = asyncio.run(_copy(source, target, source_blobs, target_blobs))
    except _Refused as refused:
        sys.stderr.write(f"cortex-flow: {refused}\n")
        return 1
    sys.stdout.write(f"{_table(sums)}\n")
    return 0


async def _copy(source: str, target: str, source_blobs: str | None, target_blobs: str | None) -> Mapping[Group, Sum]:
    for url in (source, target):
        if url.startswith("memory://"):
            raise _Refused("memory:// is gone with its process: there is nothing to copy from it or into it.")
    if source == target:
        raise _Refused("both are the same storage.")
    async with AsyncExitStack() as opened:
        first = await _opened(opened, source, source_blobs)
        second = await _opened(opened, target, target_blobs)
        try:
            return await copy(first, second, source, without=_passing)
        except NotEmpty as error:
            raise _Refused(
                f"{without_password(target)}: {error}. A copy needs an empty storage: choose another, or remove what is there."
            ) from error
        except Differs as error:
            raise _Refused(
                f"{without_password(target)} differs from {without_password(source)} in {error}: one of them was written to "
                "meanwhile. Remove what is in the target and copy again."
            ) from error
        except StorageError as error:
            raise _Refused(f"{error}. What was copied stays: the same command goes on from there.") from error


async def _opened(opened: AsyncExitStack, url: str, blobs: str | None) -> Storage:
    """Open, and nobody's but ours, as far as that can be known."""
    try:
        storage = open_storage(url, blobs)
        await storage.open(claim=True)
        opened.push_async_callback(storage.close)
        owners = await living(storage)
    except StorageInUse as error:
        raise _Refused(f"{without_password(url)}: {error}") from error
    except StorageError as error:
        raise _Refused(f"{without_password(url)}: {error}") from error
    if owners:
        raise _Refused(f"{without_password(url)} is in use by {', '.join(owners)}: stop it first.")
    return storage


def _passing(stored: Stored) -> bool:
    """What is of processes that have ended, or names sequences, which are given anew: places are kept for an hour."""
    if stored.tenant == TENANT:
        return stored.log.startswith("owner/") if isinstance(stored, Entry) else stored.kind == "owner"
    return not isinstance(stored, Entry) and stored.kind == PLACE


def _table(sums: Mapping[Group, Sum]) -> str:
    if not sums:
        return "There was nothing to copy."
    rows = [("tenant", "kind", "number", "digest")]
    rows += [(tenant or "(none)", kind, str(sum.count), sum.digest[:16]) for (tenant, kind), sum in sums.items()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    total = sum(each.count for each in sums.values())
    return "\n".join([*lines, f"{total} copied, and the same on both sides."])
