"""The library of folders: the sample library that ships with Cortex Flow and the operator's own documents."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from agents.tools.port import Passage
from graph.library.documents import Document, read_folder
from graph.library.index import Index
from graph.library.passages import cut, title

log = logging.getLogger(__name__)

SAMPLE_LIBRARY = Path(__file__).parent.parent / "sample_library"


class FolderLibrary:
    """Folders of documents, read by every tenant: those given, and the sample library unless `samples` is False.

    `start` begins to index them and returns at once; a search that comes before the index is ready waits for it.
    A folder that can't be read is an error in the log and no more. All work is done in one thread of its own.
    """

    def __init__(self, paths: Sequence[Path] = (), *, samples: bool = True) -> None:
        self._paths = dict.fromkeys([*paths, SAMPLE_LIBRARY] if samples else paths)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="library")
        self._index: Index | None = None
        self._started = False
        self._closed = threading.Event()

    def start(self) -> None:
        """Begin to index, if that has not been done."""
        if not self._started:
            self._started = True
            self._thread.submit(self._build)

    async def search(self, tenant: str, query: str, limit: int) -> Sequence[Passage]:
        """At most `limit` passages, best first. Raises `RuntimeError` after `close`."""
        if self._closed.is_set():
            raise RuntimeError("The library is closed.")
        self.start()
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._find, query, limit)

    def close(self) -> None:
        """End the work and let go of the index. Returns at once; searches that wait still get what there is."""
        if not self._closed.is_set():
            self._closed.set()
            self._thread.submit(self._drop)
            self._thread.shutdown(wait=False)

    def _build(self) -> None:
        started, seen, passages = time.perf_counter(), set[bytes](), 0
        try:
            self._index = Index()
            for path in self._paths:
                passages += self._add_folder(self._index, path, seen)
        except Exception:  # nobody awaits this thread: its end would go unheard
            log.exception("library: the index can't be built, searches find nothing")
            self._drop()
            return
        milliseconds = (time.perf_counter() - started) * 1000
        log.info("library: %d passages of %d documents indexed in %.0f ms", passages, len(seen), milliseconds)

    def _add_folder(self, index: Index, path: Path, seen: set[bytes]) -> int:
        passages = 0
        try:
            for document in read_folder(path):
                if self._closed.is_set():
                    break
                passages += _add(index, document, seen)
        except OSError as error:
            log.error("library: the folder %s can't be read: %s", path, error.strerror or error)
        return passages

    def _find(self, query: str, limit: int) -> list[Passage]:
        return self._index.search(query, limit) if self._index else []

    def _drop(self) -> None:
        if self._index is not None:
            self._index.close()
            self._index = None


def _add(index: Index, document: Document, seen: set[bytes]) -> int:
    """Take in a document, unless the same text has been taken in from elsewhere."""
    digest = hashlib.blake2b(document.text.strip().encode(errors="replace"), digest_size=16).digest()
    if digest in seen:
        return 0
    seen.add(digest)
    return index.add(document.path, title(document), cut(document))
