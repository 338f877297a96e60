"""Requests with a key, which are sent again: whose work one is, and what was answered.

A record for each key of a tenant: who works for it, then the answer, whose body is a log beside it. Whoever begins claims the record
first, so of many processes one does the work. A claim holds as long as its process lives. It carries the id of the run that may come of it, chosen
before anything is written: who takes the work over finds the run, and starts no other.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson

from graph.events import now_ms
from graph.ids import id_of, new_id
from graph.lease import Lease
from graph.storage.port import TRIES, Append, Conflict, Delete, Drop, Put, Storage, Write

KIND: Final = "key"
AGE_MS: Final = 24 * 3_600_000
LARGEST: Final = 8 * 1024 * 1024
LOOK_AGAIN = 2.0  # seconds after which it is looked whether somebody else still works
_PIECE: Final = 256 * 1024
_FORGET_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Claim:
    """The work is ours. `run_id` is the run's that comes of it, if one does; `again`: somebody else may have begun it."""

    fingerprint: bytes
    run_id: str
    again: bool
    version: int


@dataclass(frozen=True, slots=True)
class Busy:
    """The work is somebody else's, who lives."""

    fingerprint: bytes
    run_id: str


@dataclass(frozen=True, slots=True)
class Result:
    """A whole answer, and the fingerprint of the request that it belongs to."""

    fingerprint: bytes
    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


class Repeats:
    """The records of keys. Every method may raise `StorageError`."""

    def __init__(self, storage: Storage, lease: Lease, *, largest: int = LARGEST) -> None:
        self._storage, self._lease, self._largest = storage, lease, largest

    async def claim(self, tenant: str, key: str, fingerprint: bytes) -> Claim | Busy | Result:
        """The answer that is kept under this key, or who works on it: us from now on, unless another process does. To be asked
        by who knows that nobody in this process is at it."""
        for _ in range(TRIES):
            found = await self._found(tenant, key, fingerprint)
            if found is None:
                continue
            if not isinstance(found, Claim):
                return found
            await self._lease.acquire()
            if await self._write(tenant, _claimed(key, found, self._lease.owner)):
                return replace(found, version=found.version + 1)
        return Busy(fingerprint, "")

    async def keep(self, tenant: str, key: str, claim: Claim, result: Result) -> bool:
        """Keep the answer from now on; False where it is too large for that, or no longer ours to give."""
        if len(result.body) > self._largest:
            return False
        headers = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in result.headers]
        record = {"f": claim.fingerprint.hex(), "s": result.status, "h": headers, "n": len(result.body)}
        pieces = tuple(result.body[at : at + _PIECE] for at in range(0, len(result.body), _PIECE)) or (b"",)
        return await self._write(
            tenant,
            Drop(_log(key)),
            Append(_log(key), pieces, after=0),
            Put(KIND, id_of(key), orjson.dumps(record), expect=claim.version, due=now_ms() + AGE_MS),
        )

    async def release(self, tenant: str, key: str, claim: Claim, *, begun: bool) -> None:
        """Give the work up. `begun`: what has come of it lasts, and is found by who takes the work over."""
        if begun:
            await self._write(tenant, _claimed(key, claim, ""))
        else:
            await self._write(tenant, Delete(KIND, id_of(key), expect=claim.version))

    async def wait(self, tenant: str, key: str) -> None:
        """Wait until it is worth to look again what another process has answered."""
        await self._storage.wait(tenant, _log(key), 0, LOOK_AGAIN)

    async def has_begun(self, tenant: str, run_id: str) -> bool:
        """Whether the run is there that a claim has named."""
        return await self._storage.get(tenant, "run", run_id) is not None

    async def _found(self, tenant: str, key: str, fingerprint: bytes) -> Claim | Busy | Result | None:
        """What a record says: an answer, a claim that holds, or how it may be claimed. None where it is just changing."""
        document = await self._storage.get(tenant, KIND, id_of(key))
        if document is None:
            return Claim(fingerprint, new_id(), again=False, version=0)
        record = orjson.loads(document.body)
        known = bytes.fromhex(record["f"])
        if "s" in record:
            return await self._result(tenant, key, known, record)
        owner: str = record["o"]
        free = owner in ("", self._lease.owner) or not await self._lease.is_alive(owner)
        if known != fingerprint or not free:
            return Busy(known, record["r"])
        return Claim(known, record["r"], again=True, version=document.version)

    async def _result(self, tenant: str, key: str, fingerprint: bytes, record: Mapping[str, Any]) -> Result | None:
        pieces = await self._storage.read(tenant, _log(key))
        body = b"".join(piece for _, piece in pieces)
        if len(body) != record["n"]:
            return None
        headers = tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in record["h"])
        return Result(fingerprint, record["s"], headers, body)

    async def _write(self, tenant: str, *writes: Write) -> bool:
        """Whether the record was ours to change."""
        try:
            await self._storage.commit(tenant, *writes)
        except Conflict:
            return False
        return True


async def forget_answers(storage: Storage) -> None:
    """Remove the records whose time is over."""
    for tenant, id in await storage.due(KIND, now_ms(), limit=_FORGET_AT_ONCE):
        document = await storage.get(tenant, KIND, id)
        if document is not None:
            with suppress(Conflict):  # it has just been used anew
                await storage.commit(tenant, Delete(KIND, id, expect=document.version), Drop(f"{KIND}/{id}"))


def _claimed(key: str, claim: Claim, owner: str) -> Put:
    record = {"f": claim.fingerprint.hex(), "o": owner, "r": claim.run_id}
    return Put(KIND, id_of(key), orjson.dumps(record), expect=claim.version, due=now_ms() + AGE_MS)


def _log(key: str) -> str:
    return f"{KIND}/{id_of(key)}"
