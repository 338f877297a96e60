"""Everything of one store into another, empty one, and a look whether it is all there.

A copy that breaks off is taken up by calling it again: what is there already is left as it is. Documents keep their
order, labels and dues, logs their positions. Sequences and versions are given anew.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

from graph.storage.blobs import tenant_of
from graph.storage.port import (
    Append,
    Conflict,
    Delete,
    Entry,
    Filed,
    Put,
    Storage,
    StorageError,
    Stored,
    Write,
)

LOGS: Final = "logs"
BLOBS: Final = "blobs"
_TENANT, _KIND, _ID = "", "copy", "copy"  # of the note that a copy is under way, in the target
_AT_ONCE: Final = 100
_BYTES_AT_ONCE: Final = 4 * 1024 * 1024

Group = tuple[str, str]
"""A tenant, and a kind of documents, `LOGS` or `BLOBS`."""


class NotEmpty(StorageError):
    """There is something in the target."""


class Differs(StorageError):
    """What is in the target is not what is in the source. `groups` are those that differ."""

    def __init__(self, groups: Sequence[Group]) -> None:
        self.groups = groups
        super().__init__(", ".join(f"{kind} of {tenant or 'no tenant'!r}" for tenant, kind in groups))


@dataclass(slots=True)
class Sum:
    """How many there are in a group, and a digest of them all."""

    count: int = 0
    digest: str = ""


@dataclass(slots=True)
class _Tally:
    """Sums in the making. Documents of a kind are told in their order; logs and blobs in any, so theirs are added up."""

    counts: defaultdict[Group, int] = field(default_factory=lambda: defaultdict(int))
    ordered: defaultdict[Group, hashlib.blake2b] = field(default_factory=lambda: defaultdict(_digest))
    added: defaultdict[Group, int] = field(default_factory=lambda: defaultdict(int))

    def document(self, filed: Filed) -> None:
        group, each = (filed.tenant, filed.kind), filed.document
        self.counts[group] += 1
        for part in (each.id, each.parent, each.label, filed.due, each.body):
            _feed(self.ordered[group], part)

    def entry(self, entry: Entry) -> None:
        self.counts[entry.tenant, LOGS] += 1
        self._add((entry.tenant, LOGS), entry.log, entry.position, entry.body)

    def blob(self, path: str, content: bytes) -> None:
        group = (tenant_of(path), BLOBS)
        self.counts[group] += 1
        self._add(group, path, content)

    def sums(self) -> dict[Group, Sum]:
        digests = {group: digest.hexdigest() for group, digest in self.ordered.items()}
        digests |= {group: f"{number % (1 << 128):032x}" for group, number in self.added.items()}
        return {group: Sum(count, digests[group]) for group, count in sorted(self.counts.items())}

    def _add(self, group: Group, *parts: str | bytes | int) -> None:
        digest = _digest()
        for part in parts:
            _feed(digest, part)
        self.added[group] += int.from_bytes(digest.digest())


async def copy(
    source: Storage, target: Storage, name: str, *, without: Callable[[Stored], bool] = lambda stored: False
) -> Mapping[Group, Sum]:
    """Copy what is not `without`, look at all of it again in the target, and say what it is. Both are open, and nobody
    else writes to either. `name` is the source's: a copy of it that broke off is gone on with.

    Raises `NotEmpty`, `Differs`, and `StorageError` as the stores do.
    """
    await _begin(target, name, _shares_blobs(source, target))
    copied = _Tally()
    await _copy_stored(source, target, without, copied)
    if not _shares_blobs(source, target):
        await _copy_blobs(source, target, copied)
    found = await _tally(target, blobs=not _shares_blobs(source, target))
    _compare(copied.sums(), found.sums())
    await target.commit(_TENANT, Delete(_KIND, _ID))
    return found.sums()


async def _begin(target: Storage, name: str, shares_blobs: bool) -> None:
    """Note in the target that a copy is under way, which must be empty or have such a note."""
    note = await target.get(_TENANT, _KIND, _ID)
    digest = hashlib.blake2b(name.encode(), digest_size=16).hexdigest().encode()
    if note is not None:
        if note.body != digest:
            raise NotEmpty("a copy of another store into it has not come to its end")
        return
    if await anext(aiter(target.everything()), None) is not None:
        raise NotEmpty("there is something in it")
    if not shares_blobs and await anext(aiter(target.blobs.paths()), None) is not None:
        raise NotEmpty(f"there is something at {target.blobs.place}, where its blobs are to be")
    await target.commit(_TENANT, Put(_KIND, _ID, digest, expect=0))


async def _copy_stored(source: Storage, target: Storage, without: Callable[[Stored], bool], tally: _Tally) -> None:
    async for tenant, batch in _batches(source.everything(), without):
        documents = [each for each in batch if isinstance(each, Filed)]
        entries = [each for each in batch if isinstance(each, Entry)]
        for filed in documents:
            tally.document(filed)
        for entry in entries:
            tally.entry(entry)
        try:
            await target.commit(tenant, *_puts(documents), *_appends(entries))
        except Conflict:  # some are there, from a copy that broke off
            await target.commit(tenant, *await _missing(target, tenant, documents, entries))


async def _batches(
    everything: AsyncIterator[Stored], without: Callable[[Stored], bool]
) -> AsyncIterator[tuple[str, list[Stored]]]:
    """What belongs to one tenant and follows one another, as much as one commit takes."""
    batch: list[Stored] = []
    size = 0
    async for stored in everything:
        if without(stored):
            continue
        if batch and (len(batch) >= _AT_ONCE or size >= _BYTES_AT_ONCE or stored.tenant != batch[0].tenant):
            yield batch[0].tenant, batch
            batch, size = [], 0
        batch.append(stored)
        size += len(stored.document.body if isinstance(stored, Filed) else stored.body)
    if batch:
        yield batch[0].tenant, batch


async def _missing(target: Storage, tenant: str, documents: Sequence[Filed], entries: Sequence[Entry]) -> list[Write]:
    """The writes of what is not there yet."""
    kinds = {each.kind: [other.document.id for other in documents if other.kind == each.kind] for each in documents}
    filed = {(kind, each.id) for kind, ids in kinds.items() for each in await target.get_many(tenant, kind, ids)}
    logged: set[tuple[str, int]] = set()
    for log, first in {each.log: each.position for each in reversed(entries)}.items():
        logged |= {(log, position) for position, _ in await target.read(tenant, log, first - 1, len(entries))}
    return [
        *_puts(each for each in documents if (each.kind, each.document.id) not in filed),
        *_appends(each for each in entries if (each.log, each.position) not in logged),
    ]


def _puts(documents: Iterable[Filed]) -> list[Write]:
    return [
        Put(each.kind, each.document.id, each.document.body, each.document.parent, 0, each.document.label, each.due)
        for each in documents
    ]


def _appends(entries: Iterable[Entry]) -> list[Write]:
    logs = groupby(entries, key=lambda each: each.log)
    whole = ((log, list(of_log)) for log, of_log in logs)
    return [Append(log, tuple(each.body for each in each_of), each_of[0].position - 1) for log, each_of in whole]


async def _copy_blobs(source: Storage, target: Storage, tally: _Tally) -> None:
    there = source.blobs, target.blobs
    async for path, _ in there[0].paths():
        digest = _digest()
        await there[1].write(path, _told(there[0].read(path), digest))
        tally.blob(path, digest.digest())


async def _told(chunks: AsyncIterator[bytes], digest: hashlib.blake2b) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        digest.update(chunk)
        yield chunk


async def _tally(target: Storage, *, blobs: bool) -> _Tally:
    tally = _Tally()
    async for each in target.everything():
        if isinstance(each, Entry):
            tally.entry(each)
        elif (each.tenant, each.kind) != (_TENANT, _KIND):
            tally.document(each)
    if blobs:
        async for path, _ in target.blobs.paths():
            digest = _digest()
            async for chunk in target.blobs.read(path):
                digest.update(chunk)
            tally.blob(path, digest.digest())
    return tally


def _compare(copied: Mapping[Group, Sum], found: Mapping[Group, Sum]) -> None:
    groups = sorted({*copied, *found})
    differing = [group for group in groups if copied.get(group) != found.get(group)]
    if differing:
        raise Differs(differing)


def _shares_blobs(source: Storage, target: Storage) -> bool:
    return source.blobs.place == target.blobs.place


def _digest() -> hashlib.blake2b:
    return hashlib.blake2b(digest_size=16)


def _feed(digest: hashlib.blake2b, part: str | bytes | int | None) -> None:
    """Parts are told apart by their kinds and lengths."""
    if isinstance(part, int):
        part = str(part).encode()
    data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
    digest.update(b"-" if data is None else b"%d:" % len(data))
    digest.update(data or b"")
