"""What a store may offer beside the port: passages of texts, found by their words. Who searches has a shelf for each thing that
is searched as a whole, and says what a word is.

A store that has no such thing lacks the attribute; the searcher then keeps an index of its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from graph.storage.port import Storage


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a text. `words`: how often each stands in it, letters and digits only; `embedding`: float32 numbers."""

    place: str
    number: int
    words: Mapping[str, int]
    embedding: bytes | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """A text that is held: the revision of it, and what its owner noted beside it."""

    revision: int
    note: bytes


@dataclass(frozen=True, slots=True)
class Term:
    """What a passage is looked for by: it holds one of `words`, or a word that begins with one of `beginnings`."""

    words: tuple[str, ...]
    beginnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Match:
    """A passage that was found, and how well its words fit (BM25)."""

    text: str
    place: str
    number: int
    score: float


@dataclass(frozen=True, slots=True)
class Embedding:
    """Where a passage stands, with its embedding."""

    text: str
    place: str
    number: int
    embedding: bytes


class Changes(Protocol):
    """A shelf while it is changed, by nobody else. Nothing is seen before the end, and all of it then."""

    revision: int
    held: Mapping[str, Held]

    async def put(self, text: str, held: Held, passages: Sequence[Passage]) -> None:
        """Take a text in, in the place of what was held of it."""

    async def note(self, text: str, note: bytes) -> None: ...

    async def remove(self, texts: Sequence[str]) -> None: ...

    async def settle(self, revision: int) -> None:
        """The shelf stands at this revision. The last thing to say."""


class Passages(Protocol):
    """Shelves of texts, seen by every process that shares the store."""

    async def revision(self, tenant: str, shelf: str) -> int:
        """Where it stands; -1 = there is none yet."""

    def changing(self, tenant: str, shelf: str) -> AbstractAsyncContextManager[Changes]:
        """Change a shelf, made where there is none. Who comes second waits, and sees what the first has done."""

    async def notes(self, tenant: str, shelf: str) -> Mapping[str, bytes]:
        """What is noted beside each text."""

    async def find(
        self, tenant: str, shelf: str, terms: Sequence[Term], texts: Sequence[str] | None, limit: int
    ) -> list[Match]:
        """The passages that fit best, of these texts or (None) of all. Terms that stand nearly everywhere may be passed over."""

    async def covered(self, tenant: str, shelf: str, terms: Sequence[Term], match: Match) -> float:
        """The share of these terms that a passage holds."""

    def embeddings(self, tenant: str, shelf: str) -> AsyncIterator[Embedding]:
        """Those of all passages that have one."""

    async def drop(self, tenant: str, shelf: str) -> None:
        """Remove a shelf with all that it holds, if it is there."""


@runtime_checkable
class OffersPassages(Protocol):
    """A store that has them."""

    passages: Passages


def passages_of(storage: Storage) -> Passages | None:
    """What this store offers."""
    return storage.passages if isinstance(storage, OffersPassages) else None
