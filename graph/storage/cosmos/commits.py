"""Commits of many items over a store that writes one at a time: all or nothing, whoever dies when.

A commit reads its items, locks all but one of them by writing beside what each is worth what it may soon be worth, and then
writes the first one, which also says whom it locked. That one write is the commit. Every write is conditional on the etag
that was read, so whatever came between stops it. Then the locked items take their new worth. Whoever meets a lock looks
at the first item: if that one tells the commit, it is done, and whoever looked finishes it; else what the item was
worth holds. A lock whose commit does not come to be within `PATIENCE_SECONDS` is broken: first its first item is
written anew, so that the commit can never happen, then the lock is taken off. (docs/decisions/0036)
"""

from __future__ import annotations

import asyncio
import random
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from graph.ids import new_id
from graph.storage.cosmos import records
from graph.storage.cosmos.account import Account, Item, Key
from graph.storage.cosmos.records import Fields, Image
from graph.storage.port import StorageUnavailable

PATIENCE_SECONDS = 2.0
BUSY_SECONDS: Final = 20.0
_PAUSES: Final = (0.002, 0.1)
_REMEMBERED: Final = 4096


@dataclass(frozen=True, slots=True)
class Change:
    """What a commit makes of an item. `found` is it as it was read, free of locks; `head` says what it is."""

    key: Key
    found: Item | None
    head: Fields
    image: Image | None


class Commits:
    """The protocol. Knows images and keys, and nothing of what they mean."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._settled: OrderedDict[str, None] = OrderedDict()  # commits of whose locks none is left

    async def worth(self, item: Item | None) -> Image | None:
        """What an item is worth now, whatever lock is on it. A commit that it belongs to and that is done is finished."""
        while item is not None and records.locked_by(item):
            first = await self._account.read(records.first_of(item))
            if first is not None and records.marked_by(first) == records.locked_by(item):
                image: Image | None = item.fields["next"]["image"]
                with suppress(StorageUnavailable):
                    await self._finish(first)
                return image
            again = await self._account.read(item.key)
            if again is not None and again.etag == item.etag:
                break  # still locked after its commit was looked for: at that time it was not done
            item = again
        return records.now(item)

    async def claimed(self, key: Key) -> Item | None:
        """An item to write: without a lock, and with nothing left to do of a commit that it was the first of."""
        waiting = _Waiting()
        while True:
            item = await self._account.read(key)
            if records.locked_by(item):
                assert item is not None
                await self._unlock(item, waiting)
                continue
            mark = records.marked_by(item)
            if item is not None and mark is not None and mark not in self._settled:
                await self._finish(item)
            return item

    async def commit(self, changes: Sequence[Change]) -> bool:
        """True when all of them are written, False when an item was no longer what was read, and none is.

        Raises `StorageUnavailable`: none is, or it can't be known.
        """
        commit = new_id()
        first, others = changes[0], changes[1:]
        locked = await self._lock(commit, first.key, others)
        if locked is None:
            return False
        if not await self._write_first(commit, first, [each.key for each in others]):
            await self._release(commit, [each.key for each in others])
            return False
        with suppress(StorageUnavailable):  # it is done: who reads what is left finishes it
            await asyncio.gather(*(self._settle(commit, item, each.image) for item, each in locked))
            self._remember(commit)
            if first.image is None:
                await self._bury(commit, first.key)
        return True

    async def _lock(self, commit: str, first: Key, others: Sequence[Change]) -> list[tuple[Item, Change]] | None:
        locks = [self._write(each, lock=records.lock(commit, first, each.image)) for each in others]
        locked = await asyncio.gather(*locks, return_exceptions=True)
        held = [(item, each) for item, each in zip(locked, others, strict=True) if isinstance(item, Item)]
        if len(held) == len(others):
            return held
        with suppress(StorageUnavailable):
            await self._release(commit, [each.key for each in others])
        for failed in locked:
            if isinstance(failed, BaseException):
                raise failed
        return None

    async def _write_first(self, commit: str, first: Change, others: Sequence[Key]) -> bool:
        if await self._write(first, mark=records.mark(commit, others)) is not None:
            return True
        # The driver may have sent it twice, so that the refusal is the answer to the second.
        return records.marked_by(await self._account.read(first.key)) == commit

    async def _write(self, change: Change, *, lock: Fields | None = None, mark: Fields | None = None) -> Item | None:
        image = records.now(change.found) if lock else change.image
        head = {**change.head, "grave": change.found is not None and change.found.fields.get("grave", False)}
        fields = records.record(head, image, next=lock, mark=mark)
        if change.found is None:
            return await self._account.create(change.key, fields)
        return await self._account.replace(change.found, fields)

    async def _settle(self, commit: str, item: Item | None, image: Image | None) -> None:
        """Give a locked item its new worth, or take its lock off, which somebody else may have done."""
        key = item.key if item else ("", "")
        while item is not None and records.locked_by(item) == commit:
            if await self._become(item, image):
                return
            item = await self._account.read(key)

    async def _become(self, item: Item, image: Image | None) -> bool:
        fields = records.unlocked(item, image)
        if image is None and not fields.get("mark") and not fields.get("grave"):
            return await self._account.delete(item)
        return await self._account.replace(item, fields) is not None

    async def _finish(self, first: Item) -> None:
        """Give all items of a commit that is done their new worth."""
        commit = records.marked_by(first)
        assert commit is not None
        await asyncio.gather(*(self._finish_one(commit, key) for key in records.others_of(first)))
        self._remember(commit)

    async def _finish_one(self, commit: str, key: Key) -> None:
        item = await self._account.read(key)
        if item is not None and records.locked_by(item) == commit:
            await self._settle(commit, item, item.fields["next"]["image"])

    async def _release(self, commit: str, keys: Sequence[Key]) -> None:
        """Take the locks of a commit that can't come to be off."""
        await asyncio.gather(*(self._release_one(commit, key) for key in keys))

    async def _release_one(self, commit: str, key: Key) -> None:
        item = await self._account.read(key)
        if item is not None:
            await self._settle(commit, item, records.now(item))

    async def _bury(self, commit: str, key: Key) -> None:
        """Remove the first item of a commit that made it nothing."""
        item = await self._account.read(key)
        if item is None or records.marked_by(item) != commit or records.locked_by(item):
            return
        if not item.fields.get("grave"):
            await self._account.delete(item)

    async def _unlock(self, item: Item, waiting: _Waiting) -> None:
        """Finish the commit that holds an item, wait for it, or break its lock."""
        commit = item.fields["next"]["commit"]
        first = await self._account.read(records.first_of(item))
        if first is not None and records.marked_by(first) == commit:
            await self._finish(first)
        elif not await waiting.for_commit(commit) and await self._stop(first, records.first_of(item)):
            await self._release_one(commit, item.key)

    async def _stop(self, first: Item | None, key: Key) -> bool:
        """Write the first item of a commit anew, so that the commit's own write of it fails. False: it has changed."""
        if first is None:
            return await self._account.create(key, {"y": records.GONE, "now": None, "grave": True}) is not None
        return await self._account.replace(first, first.fields) is not None

    def _remember(self, commit: str) -> None:
        self._settled[commit] = None
        while len(self._settled) > _REMEMBERED:
            self._settled.popitem(last=False)


class _Waiting:
    """For the commits of others, each for as long as a living process needs."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}
        self._pause = Pause()

    async def for_commit(self, commit: str) -> bool:
        """False when it has been waited for long enough."""
        now = asyncio.get_running_loop().time()
        if now - self._since.setdefault(commit, now) >= PATIENCE_SECONDS:
            return False
        await self._pause()
        return True


class Pause:
    """Longer every time, and never the same for two who are in each other's way. Raises `StorageUnavailable` at last."""

    def __init__(self) -> None:
        self._longest = _PAUSES[0]
        self._deadline = asyncio.get_running_loop().time() + BUSY_SECONDS

    async def __call__(self) -> None:
        if asyncio.get_running_loop().time() >= self._deadline:
            raise StorageUnavailable("the store stays busy: others keep writing the same")
        await asyncio.sleep(random.uniform(0, self._longest))  # noqa: S311
        self._longest = min(2 * self._longest, _PAUSES[1])


__all__ = ["Change", "Commits", "Pause"]
