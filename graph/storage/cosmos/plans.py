"""What a commit makes of each item that it touches, worked out in memory.

A document without a parent stands under the parent "". One with a parent stands under it, and a place under "" says
which that is: so an id is one item's, whatever its parent, and is found by one or two reads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

from graph.storage.cosmos import logs, names, records
from graph.storage.cosmos.account import Item, Key
from graph.storage.cosmos.bodies import Bodies, parts_of
from graph.storage.cosmos.commits import Change, Commits
from graph.storage.port import Append, Conflict, Delete, Drop, Put, Write


@dataclass(slots=True)
class Draft:
    """An item as the commit will leave it. `raw` is a document's new body, `entries` what a log will grow by."""

    key: Key
    found: Item | None
    head: dict[str, Any]
    image: dict[str, Any] | None
    changed: bool = False
    raw: bytes | None = None
    entries: tuple[bytes, ...] = ()


class Plan:
    """One attempt at a commit of a tenant. What it had to write before the commit is in `parts`, what it leaves behind
    in `left`."""

    def __init__(self, tenant: str, commits: Commits, bodies: Bodies) -> None:
        self._tenant = tenant
        self._commits = commits
        self._bodies = bodies
        self._drafts: dict[Key, Draft] = {}
        self.parts: list[Key] = []
        self.left: set[Key] = set()

    async def apply(self, writes: Sequence[Write]) -> None:
        """Raises `Conflict`."""
        await self._load(writes)
        for write in writes:
            match write:
                case Put():
                    self._put(write)
                case Delete():
                    self._delete(write)
                case Append():
                    self._append(write)
                case Drop():
                    self._drop(write)
                case _:
                    assert_never(write)

    async def changes(self, sequences: Callable[[int], Awaitable[int]]) -> list[Change]:
        """What to write, the first one first. `sequences` gives so many of them, and returns the first."""
        drafts = [draft for draft in self._drafts.values() if draft.changed and (draft.found or draft.image)]
        new = [draft.image for draft in drafts if draft.image is not None and draft.image.get("sequence") == 0]
        if new:
            for sequence, image in enumerate(new, await sequences(len(new))):
                image["sequence"] = sequence
        before = {part for draft in drafts for part in parts_of(draft.key[0], records.now(draft.found))}
        await asyncio.gather(*(self._finish(draft) for draft in drafts))
        self.left = before - {part for draft in drafts for part in parts_of(draft.key[0], draft.image)}
        drafts.sort(key=_precedence)
        return [Change(draft.key, draft.found, draft.head, draft.image) for draft in drafts]

    async def _load(self, writes: Iterable[Write]) -> None:
        heads: dict[Key, dict[str, Any]] = {}
        for write in writes:
            if isinstance(write, Append | Drop):
                heads[names.log(self._tenant, write.log)] = {"t": self._tenant, "i": write.log}
                continue
            parents = {"", write.parent} if isinstance(write, Put) else {""}
            heads |= {self._key(write, parent): self._head(write) for parent in parents}
        await self._claim(heads)
        places = [write for write in writes if isinstance(write, Put | Delete) and self._parent(write)]
        await self._claim({self._key(write, self._parent(write) or ""): self._head(write) for write in places})

    async def _claim(self, heads: dict[Key, dict[str, Any]]) -> None:
        wanted = [key for key in heads if key not in self._drafts]
        for key, item in zip(wanted, await asyncio.gather(*map(self._commits.claimed, wanted)), strict=True):
            image = records.now(item)
            self._drafts[key] = Draft(key, item, heads[key], None if image is None else dict(image))

    def _put(self, write: Put) -> None:
        old = self._expected(write)
        before = None if old is None else old.image
        image: dict[str, Any] = {
            "parent": write.parent,
            "sequence": before["sequence"] if before else 0,
            "version": before["version"] + 1 if before else 1,
            "label": write.label,
            "due": write.due,
        }
        if old is not None and before is not None and before["parent"] != write.parent:
            _set(old, None)
        anchor, new = self._draft(write, ""), self._draft(write, write.parent)
        if anchor is not new and (anchor.image is None or anchor.image.get("at") != write.parent):
            _set(anchor, {"at": write.parent})
        _set(new, image, write.body)

    def _delete(self, write: Delete) -> None:
        old = self._expected(write)
        if old is not None:
            _set(old, None)
            _set(self._draft(write, ""), None)

    def _expected(self, write: Put | Delete) -> Draft | None:
        """The document, if there is one. Raises `Conflict`."""
        parent = self._parent(write)
        found = None if parent is None else self._draft(write, parent)
        version = found.image["version"] if found is not None and found.image is not None else 0
        if write.expect is not None and write.expect != version:
            raise Conflict(write)
        return found if version else None

    def _append(self, write: Append) -> None:
        draft = self._drafts[names.log(self._tenant, write.log)]
        length = draft.image["length"] if draft.image else 0
        if write.after is not None and write.after != length:
            raise Conflict(write)
        draft.changed = draft.changed or bool(write.entries) or (write.after is not None and draft.found is not None)
        if write.entries:
            draft.image = draft.image or logs.empty()
            draft.image["length"] = length + len(write.entries)
            draft.entries += write.entries

    def _drop(self, write: Drop) -> None:
        draft = self._drafts[names.log(self._tenant, write.log)]
        draft.changed = draft.changed or draft.image is not None
        draft.image, draft.entries = None, ()

    async def _finish(self, draft: Draft) -> None:
        """Make bytes fit for an item."""
        partition = draft.key[0]
        if draft.image is not None and draft.raw is not None:
            draft.image["body"] = await self._bodies.keep(partition, draft.raw, self.parts)
        elif draft.image is not None and draft.entries:
            draft.image = await logs.grown(draft.image, draft.entries, self._bodies, partition, self.parts)

    def _parent(self, write: Put | Delete) -> str | None:
        """Under which parent the document stands; None = there is none."""
        anchor = self._draft(write, "").image
        return None if anchor is None else anchor.get("at", "")

    def _draft(self, write: Put | Delete, parent: str) -> Draft:
        return self._drafts[self._key(write, parent)]

    def _key(self, write: Put | Delete, parent: str) -> Key:
        return names.document(self._tenant, write.kind, parent, write.id)

    def _head(self, write: Put | Delete) -> dict[str, Any]:
        return {"t": self._tenant, "k": write.kind, "i": write.id}


def _set(draft: Draft, image: dict[str, Any] | None, raw: bytes | None = None) -> None:
    draft.image, draft.raw, draft.changed = image, raw, True


def _precedence(draft: Draft) -> tuple[bool, bool]:
    """What is new comes first: it is seldom written again, so that its mark is seldom in somebody's way."""
    return draft.image is None, draft.found is not None
