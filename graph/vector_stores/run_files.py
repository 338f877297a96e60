"""The files of a run, as its agents search them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from agents.tools.port import Passage, Source
from graph.errors import InvalidRequest, NotFound
from graph.library.passages import plain
from graph.request import FileSearch
from graph.vector_stores.search import Found, Searches, Wanted
from graph.vector_stores.stores import VectorStores

MOST_PASSAGES: Final = 20
FEWEST_PASSAGES: Final = 5
_PASSAGE: Final = 800
_PATIENCE: Final = 60.0  # seconds that a search waits for files that are still being read
_QUOTE: Final = 500


class SearchedFiles:
    """Searches the stores of a run. Files that were put in just now are waited for."""

    def __init__(self, tenant: str, wanted: FileSearch, stores: VectorStores, searches: Searches, window: int) -> None:
        self._tenant = tenant
        self._wanted = wanted
        self._stores = stores
        self._searches = searches
        self._limit = wanted.limit or min(MOST_PASSAGES, max(FEWEST_PASSAGES, window // _PASSAGE))

    async def search(self, query: str) -> Sequence[Passage]:
        """At most as many passages as are wanted, best first. Raises `LookupError` where all stores are gone."""
        ids = await self._stores.usable(self._tenant, self._wanted.stores)
        if not ids:
            raise LookupError("The vector stores of this conversation are gone, or have expired.")
        await self._stores.settled(self._tenant, ids, _PATIENCE)
        wanted = Wanted([query], self._limit, least=self._wanted.least)
        try:
            found = await self._searches.search(self._tenant, ids, wanted)
        except (NotFound, InvalidRequest) as gone:  # in this moment
            raise LookupError(gone.message) from gone
        return list(map(_passage, found))


def _passage(found: Found) -> Passage:
    source = Source(plain(found.filename) or found.file_id, found.text[:_QUOTE], file_id=f"file-{found.file_id}")
    return Passage(source, found.text, found.score)
