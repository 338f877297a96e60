"""Passages in PostgreSQL's own full text search, with words as the caller tells them ([34](../../../docs/decisions/0034-full-text-in-postgresql.md)).

A lexeme is the shelf's number and a word, so that the index knows what stands on which shelf. How often a word stands in a passage, up
to four times, is its weight: D, C, B, A.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from graph.storage.passages import Changes, Embedding, Held, Match, Passage, Term
from graph.storage.postgres.connections import Connection, Connections
from graph.storage.postgres.documents import Statements
from graph.storage.postgres.texts import stored, told

_MANY: Final = 2_000  # passages, among which words that are in a quarter of them or more say little
_COMMON: Final = 4
_FEW: Final = 3
_LONGEST: Final = 200  # characters of a word
_LABELS: Final = "DCBA"

_SHELF: Final = "SELECT number, revision, passages, words FROM {shelves} WHERE tenant = %s AND name = %s"
_MAKE: Final = "INSERT INTO {shelves} (tenant, name) VALUES (%s, %s) ON CONFLICT DO NOTHING"
_HELD: Final = "SELECT name, revision, note FROM {texts} WHERE shelf = %s"
_FORGET: Final = "DELETE FROM {texts} WHERE shelf = %s AND name = ANY(%s)"
_TEXT: Final = "INSERT INTO {texts} (shelf, name, revision, note) VALUES (%s, %s, %s, %s)"
_NOTE: Final = "UPDATE {texts} SET note = %s WHERE shelf = %s AND name = %s"
_PASSAGE: Final = (
    "INSERT INTO {passages} (shelf, text, place, number, words, lexemes, embedding) "
    "VALUES (%s, %s, %s, %s, %s, %s::tsvector, %s)"
)
_SETTLE: Final = (
    "UPDATE {shelves} SET revision = %s, passages = counted.passages, words = counted.words "
    "FROM (SELECT count(*) AS passages, coalesce(sum(words), 0) AS words FROM {passages} WHERE shelf = %s) counted "
    "WHERE number = %s"
)
# What is new waits in a list beside the index that every search reads whole; only an owner of the index may empty it.
_TIDY: Final = (
    "SELECT gin_clean_pending_list(i.oid) FROM pg_index JOIN pg_class i ON i.oid = indexrelid JOIN pg_am ON pg_am.oid = relam "
    "WHERE indrelid = (SELECT tableoid FROM {passages} LIMIT 1) AND amname = 'gin' AND pg_has_role(relowner, 'USAGE')"
)
_DROP: Final = "DELETE FROM {shelves} WHERE tenant = %s AND name = %s"
_COUNT: Final = (
    "SELECT (SELECT count(*) FROM (SELECT 1 FROM {passages} WHERE lexemes @@ term.query LIMIT %s) AS counted) "
    "FROM unnest(%s::text[]::tsquery[]) WITH ORDINALITY AS term (query, place) ORDER BY term.place"
)
# BM25 with k1 = 1.2 and b = 0.75. ts_rank of one word is its weight, divided by 1.64493406685.
_FIND: Final = """
    SELECT text, place, number, sum(weight * often * 2.2 / (often + 1.2 * (0.25 + 0.75 * words / %s))) AS score
    FROM (
        SELECT p.text, p.place, p.number, p.words, term.weight,
            16.4493406685 * ts_rank('{{0.1, 0.2, 0.3, 0.4}}', p.lexemes, term.query) AS often
        FROM {passages} p
        JOIN unnest(%s::text[]::tsquery[], %s::float8[]) AS term (query, weight) ON p.lexemes @@ term.query
        WHERE %s::text[] IS NULL OR p.text = ANY(%s::text[])
        OFFSET 0 -- so that each rank is worked out once
    ) found
    GROUP BY text, place, number
    ORDER BY score DESC, text, number
    LIMIT %s
"""
_COVERED: Final = (
    "SELECT avg((p.lexemes @@ term.query)::integer)::float8 FROM {passages} p, unnest(%s::text[]::tsquery[]) AS term (query) "
    "WHERE p.shelf = %s AND p.text = %s AND p.number = %s"
)
_EMBEDDINGS: Final = (
    "SELECT text, place, number, embedding FROM {passages} WHERE shelf = %s AND embedding IS NOT NULL "
    "AND (text, number) > (%s, %s) ORDER BY text, number LIMIT %s"
)
_PAGE: Final = 500


class PostgresPassages:
    """`Passages`, beside the documents."""

    def __init__(self, connections: Connections, statements: Statements) -> None:
        self._connections = connections
        self._statements = statements

    async def revision(self, tenant: str, shelf: str) -> int:
        found = await self._shelf(tenant, shelf)
        return -1 if found is None else int(found[1])

    @asynccontextmanager
    async def changing(self, tenant: str, shelf: str) -> AsyncIterator[Changes]:
        names = (stored(tenant), stored(shelf))
        async with self._connections.alone() as connection, connection.transaction():
            await connection.execute(self._statements.of(_MAKE), names)
            locked = self._statements.of(_SHELF) + b" FOR UPDATE"
            [(number, revision, _, _)] = await (await connection.execute(locked, names)).fetchall()
            held = await (await connection.execute(self._statements.of(_HELD), (number,))).fetchall()
            by_name = {told(name): Held(held_revision, bytes(note)) for name, held_revision, note in held}
            yield _Changes(connection, self._statements, number, revision, by_name)

    async def notes(self, tenant: str, shelf: str) -> Mapping[str, bytes]:
        found = await self._shelf(tenant, shelf)
        if found is None:
            return {}
        rows = await self._connections.rows(self._statements.of(_HELD), (found[0],))
        return {told(name): note for name, _, note in rows}

    async def find(
        self, tenant: str, shelf: str, terms: Sequence[Term], texts: Sequence[str] | None, limit: int
    ) -> list[Match]:
        found = await self._shelf(tenant, shelf)
        if found is None or not terms:
            return []
        number, _, passages, words = found
        weighed = await self._weighed(number, passages, terms)
        kept, weights = list(weighed), list(weighed.values())
        names = None if texts is None else [stored(text) for text in texts]
        average = max(words / max(passages, 1), 1.0)
        asked = (average, kept, weights, names, names, limit)
        rows = await self._connections.rows(self._statements.of(_FIND), asked)
        return [Match(told(text), told(place), number, float(score)) for text, place, number, score in rows]

    async def covered(self, tenant: str, shelf: str, terms: Sequence[Term], match: Match) -> float:
        found = await self._shelf(tenant, shelf)
        if found is None or not terms:
            return 0.0
        queries = [" | ".join(_queries(found[0], term)) for term in terms]
        asked = (queries, found[0], stored(match.text), match.number)
        [(share,)] = await self._connections.rows(self._statements.of(_COVERED), asked)
        return float(share or 0.0)

    async def _weighed(self, shelf: int, passages: int, terms: Sequence[Term]) -> dict[str, float]:
        """What to look for, with how much each says: the words that stand in few passages, where there are many. A word
        itself says more than its beginning: it is found by both."""
        most = passages if passages <= _MANY else passages // _COMMON
        queries = [query for term in terms for query in _queries(shelf, term)]
        rows = await self._connections.rows(self._statements.of(_COUNT), (most, queries))
        counts = {query: count for query, (count,) in zip(queries, rows, strict=True)}
        if passages > _MANY:
            rare = {query: count for query, count in counts.items() if count < most}
            counts = rare or dict.fromkeys([_queries(shelf, term)[0] for term in terms[:_FEW]], most)
        return {query: math.log(1 + (passages - count + 0.5) / (count + 0.5)) for query, count in counts.items()}

    async def embeddings(self, tenant: str, shelf: str) -> AsyncIterator[Embedding]:
        found = await self._shelf(tenant, shelf)
        after: tuple[str, int] = ("", -1)
        while found:
            asked = (found[0], *after, _PAGE)
            rows = await self._connections.rows(self._statements.of(_EMBEDDINGS), asked)
            for text, place, number, embedding in rows:
                yield Embedding(told(text), told(place), number, embedding)
            if len(rows) < _PAGE:
                return
            after = (rows[-1][0], rows[-1][2])

    async def drop(self, tenant: str, shelf: str) -> None:
        await self._connections.execute(self._statements.of(_DROP), (stored(tenant), stored(shelf)))

    async def _shelf(self, tenant: str, shelf: str) -> tuple[Any, ...] | None:
        found = await self._connections.rows(self._statements.of(_SHELF), (stored(tenant), stored(shelf)))
        return found[0] if found else None


class _Changes:
    def __init__(
        self, connection: Connection, statements: Statements, shelf: int, revision: int, held: Mapping[str, Held]
    ) -> None:
        self._connection = connection
        self._statements = statements
        self._shelf = shelf
        self.revision = revision
        self.held = held

    async def put(self, text: str, held: Held, passages: Sequence[Passage]) -> None:
        await self.remove([text])
        await self._execute(_TEXT, self._shelf, stored(text), held.revision, held.note)
        rows = [self._row(text, passage) for passage in passages]
        async with self._connection.cursor() as cursor:
            await cursor.executemany(self._statements.of(_PASSAGE), rows)

    async def note(self, text: str, note: bytes) -> None:
        await self._execute(_NOTE, note, self._shelf, stored(text))

    async def remove(self, texts: Sequence[str]) -> None:
        await self._execute(_FORGET, self._shelf, [stored(text) for text in texts])

    async def settle(self, revision: int) -> None:
        await self._execute(_SETTLE, revision, self._shelf, self._shelf)
        await self._execute(_TIDY)

    async def _execute(self, text: str, *values: Any) -> None:
        await self._connection.execute(self._statements.of(text), values)

    def _row(self, text: str, passage: Passage) -> tuple[Any, ...]:
        lexemes = " ".join(
            f"'{_lexeme(self._shelf, word)}':1{_LABELS[min(count, len(_LABELS)) - 1]}"
            for word, count in passage.words.items()
        )
        size = sum(passage.words.values())
        return self._shelf, stored(text), stored(passage.place), passage.number, size, lexemes, passage.embedding


def _queries(shelf: int, term: Term) -> list[str]:
    exact = [f"'{_lexeme(shelf, word)}'" for word in term.words]
    beginnings = [f"'{_lexeme(shelf, word)}':*" for word in term.beginnings]
    return [" | ".join(some) for some in (exact, beginnings) if some]


def _lexeme(shelf: int, word: str) -> str:
    return f"{shelf}.{''.join(filter(str.isalnum, word))[:_LONGEST]}"
