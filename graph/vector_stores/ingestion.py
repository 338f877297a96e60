"""Reading what was put into vector stores: in the background, a few files at a time, and again where a process has died of it.

A file that can't be read fails alone and says why. One that three processes have died of is not read again.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from graph.errors import ConversationBusy, NotFound
from graph.files import Files
from graph.lease import Lease
from graph.storage.port import Conflict, StorageError
from graph.vector_stores.embedded import Embedder, EmbeddingFailed
from graph.vector_stores.parsing.formats import Unreadable
from graph.vector_stores.parsing.reader import Limits, Reader
from graph.vector_stores.stores import Claim, Lost, VectorStores
from graph.vector_stores.values import Chunk, FileError

log = logging.getLogger(__name__)

AT_ONCE: Final = 2
MAX_ATTEMPTS: Final = 3
_SWEEP_EVERY: Final = 3.0
_LATER_MS: Final = 10_000
_TOGETHER: Final = 64
_LISTED: Final = 100
_ALL: Final = 100_000


class Ingestion:
    """Reads the files that are due, whichever process they were given to. `stop` gives back what is not done yet."""

    def __init__(
        self,
        stores: VectorStores,
        files: Files,
        lease: Lease,
        embedder: Embedder,
        token_model: str,
        limits: Limits | None = None,
    ) -> None:
        self._stores = stores
        self._files = files
        self._lease = lease
        self._embedder = embedder
        self._all_readers = [Reader(token_model, limits) for _ in range(AT_ONCE)]
        self._readers = list(self._all_readers)
        self._free = asyncio.Semaphore(AT_ONCE)
        self._busy: dict[tuple[str, str], tuple[Claim, asyncio.Task[None]]] = {}
        self._watching: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin with what is due."""
        self._watching = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Begin nothing more, and give back what is being read. Can be called twice."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching])
        left = [*self._busy.values()]
        for _, task in left:
            task.cancel()
        await asyncio.gather(*(task for _, task in left), return_exceptions=True)
        for claim, _ in left:  # here, since a task that is cancelled before it begins does nothing at its end
            with suppress(Conflict, StorageError):
                await claim.release()
        self._busy.clear()
        for reader in self._all_readers:
            await reader.close()

    async def drained(self, tenant: str | None = None) -> None:
        """Read what is due here and now, of a tenant or of all, without the background."""
        while await self._take(tenant):
            await asyncio.gather(*(task for _, task in self._busy.values()))

    async def _watch(self) -> None:
        while True:
            self._stores.arrived.clear()
            try:
                await self._take_all()
            except StorageError as error:
                log.warning("files for vector stores have to wait: %s", error)
            except Exception:
                log.exception("files for vector stores have to wait")
            with suppress(TimeoutError):
                async with asyncio.timeout(_SWEEP_EVERY):
                    await self._stores.arrived.wait()

    async def _take_all(self) -> None:
        while await self._take():
            pass

    async def _take(self, of: str | None = None) -> bool:
        """Begin to read what is due, as there is room for it; whether there was any."""
        listed = _LISTED if of is None else _ALL
        due = [each for each in await self._stores.pending(listed) if each not in self._busy and of in (None, each[0])]
        taken = False
        for tenant, key in due:
            await self._free.acquire()
            try:
                claim = await self._claim(tenant, key)
            except BaseException:
                self._free.release()
                raise
            if claim is None:
                self._free.release()
                continue
            taken = True
            self._busy[tenant, key] = claim, asyncio.create_task(self._work(claim, self._readers.pop()))
        return taken

    async def _claim(self, tenant: str, key: str) -> Claim | None:
        await self._lease.acquire()
        try:
            return await self._stores.claim(tenant, key, self._lease.owner, self._is_alive)
        except NotFound:
            return None

    async def _is_alive(self, owner: str) -> bool:
        """Whether that owner still reads. What we don't read ourselves, though it is ours, nobody does."""
        return owner != self._lease.owner and await self._lease.is_alive(owner)

    async def _work(self, claim: Claim, reader: Reader) -> None:
        try:
            await self._read(claim, reader)
        except (Lost, NotFound, Conflict):
            pass  # it was taken out, or put in anew
        except (StorageError, ConversationBusy, EmbeddingFailed) as error:
            log.warning("file-%s for vs_%s has to wait: %s", claim.file.file_id, claim.file.store_id, error)
            with suppress(Conflict, StorageError):
                await claim.release(_LATER_MS)
        finally:
            self._busy.pop((claim.tenant, claim.file.key), None)
            self._readers.append(reader)
            self._free.release()

    async def _read(self, claim: Claim, reader: Reader) -> None:
        """Read a file into its store, or write why that can't be."""
        try:
            if claim.file.attempts >= MAX_ATTEMPTS:
                raise Unreadable("Reading the file has ended the process several times.")
            size = await self._keep(claim, reader)
        except Unreadable as error:
            failed = FileError(error.code, error.message)
            await self._stores.finish(claim, replace(claim.file, status="failed", error=failed, owner=None))
        except (Conflict, StorageError, EmbeddingFailed):
            raise
        except Exception:
            log.exception("file-%s could not be read into vs_%s", claim.file.file_id, claim.file.store_id)
            failed = FileError("server_error", "Reading the file failed.")
            await self._stores.finish(claim, replace(claim.file, status="failed", error=failed, owner=None))
        else:
            done = replace(claim.file, status="completed", usage_bytes=size, owner=None, attempts=0)
            await self._stores.finish(claim, done)

    async def _keep(self, claim: Claim, reader: Reader) -> int:
        """Keep a file's chunks; returns the bytes of their text."""
        size = 0
        async with (
            self._content(claim) as path,
            aclosing(reader.read(path, claim.file.filename, claim.file.chunking)) as chunks,
        ):
            async for some in _together(chunks):
                embedded, digests = await self._embedder.embed(claim.tenant, some)
                await claim.add(embedded, digests)
                size += sum(len(chunk.text.encode()) for chunk in some)
        return size

    @asynccontextmanager
    async def _content(self, claim: Claim) -> AsyncGenerator[Path, None]:
        """The file on disk, where parsers can read it as they like."""
        try:
            file = await self._files.get(claim.tenant, claim.file.file_id)
            content = await self._files.content(claim.tenant, file)
        except NotFound as error:
            raise Unreadable(error.message) from None
        with tempfile.NamedTemporaryFile(prefix="cortex-flow-") as target:
            async for data in content:
                await asyncio.to_thread(target.write, data)
            target.flush()
            yield Path(target.name)


async def _together(chunks: AsyncGenerator[Chunk, None]) -> AsyncGenerator[Sequence[Chunk], None]:
    some: list[Chunk] = []
    async for chunk in chunks:
        some.append(chunk)
        if len(some) == _TOGETHER:
            yield some
            some = []
    if some:
        yield some
