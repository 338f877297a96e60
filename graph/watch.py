"""Who keeps watch: what one process should do for all that share a store, one of them does."""

from __future__ import annotations

from contextlib import suppress

import orjson

from graph.events import now_ms
from graph.storage.port import Conflict, Delete, Put, Storage

TENANT = ""
_KIND = "watch"
_ID = "sweep"


class Watch:
    """A turn that a process keeps by asking again, and that another one takes when it has not asked for `seconds`. A
    promise of thrift, not of exclusion: two may believe for a moment that it is theirs."""

    def __init__(self, storage: Storage, owner: str, seconds: float) -> None:
        self._storage = storage
        self._owner = owner
        self._lasts = int(seconds * 1000)

    async def mine(self) -> bool:
        """Whether it is this process's turn, now and for a while."""
        document = await self._storage.get(TENANT, _KIND, _ID)
        if document is not None:
            held = orjson.loads(document.body)
            if held["owner"] != self._owner and held["until"] > now_ms():
                return False
        body = orjson.dumps({"owner": self._owner, "until": now_ms() + self._lasts})
        try:
            await self._storage.commit(TENANT, Put(_KIND, _ID, body, expect=document.version if document else 0))
        except Conflict:
            return False
        return True

    async def leave(self) -> None:
        """Let somebody else have it at once."""
        document = await self._storage.get(TENANT, _KIND, _ID)
        if document is not None and orjson.loads(document.body)["owner"] == self._owner:
            with suppress(Conflict):
                await self._storage.commit(TENANT, Delete(_KIND, _ID, expect=document.version))
