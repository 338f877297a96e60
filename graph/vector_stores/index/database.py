"""A store's index: SQLite FTS5 over the words of its chunks, and their embeddings beside it.

It lives in a file that can be made again, or in a temporary one of SQLite's own. To be used by one thread at a time.
"""

from __future__ import annotations

import sqlite3
from base64 import b64decode
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

from agents.words import normal, spread
from graph.library.index import match_terms
from graph.vector_stores.filters import holds
from graph.vector_stores.index.port import Hit, Question
from graph.vector_stores.index.ranking import DEPTH, fused, scaled
from graph.vector_stores.values import Chunk, StoreFile

if TYPE_CHECKING:
    from numpy.typing import NDArray

_VERSION: Final = 1
_CACHE_KIB: Final = 16 * 1024
_MANY: Final = 2_000  # chunks, among which words that are in a quarter of them or more say little
_COMMON: Final = 4
_FEW: Final = 3

_SCHEMA: Final = f"""
    CREATE TABLE state (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
    CREATE TABLE file (
        id INTEGER PRIMARY KEY, file_id TEXT NOT NULL UNIQUE, revision INTEGER NOT NULL, shelf TEXT NOT NULL,
        attributes BLOB NOT NULL
    );
    CREATE TABLE chunk (id INTEGER PRIMARY KEY, file INTEGER NOT NULL, number INTEGER NOT NULL, embedding BLOB);
    CREATE INDEX chunk_file ON chunk (file);
    CREATE VIRTUAL TABLE words USING fts5 (title, text, tokenize = 'porter unicode61 remove_diacritics 2');
    PRAGMA user_version = {_VERSION};
"""
_LEXICAL: Final = """
    SELECT chunk.id, -bm25(words, 2.0, 1.0) AS score FROM words JOIN chunk ON chunk.id = words.rowid
    WHERE words MATCH ? {filter} ORDER BY score DESC, chunk.id LIMIT ?
"""
_AMONG: Final = "AND chunk.file IN (SELECT value FROM json_each(?))"


class Database:
    """The index of one store. `revision` is the store's, as far as it is taken in; -1 = not at all."""

    def __init__(self, path: Path | None) -> None:
        self._connection = _opened(path)
        self._vectors: tuple[NDArray[Any], NDArray[Any]] | None = None

    @property
    def revision(self) -> int:
        row = self._connection.execute("SELECT value FROM state WHERE name = 'revision'").fetchone()
        return -1 if row is None else int(row[0])

    def files(self) -> Mapping[str, tuple[int, Mapping[str, Any]]]:
        """The revision and attributes of the files that it holds, by their ids."""
        rows = self._connection.execute("SELECT file_id, revision, attributes FROM file")
        return {file_id: (revision, orjson.loads(attributes)) for file_id, revision, attributes in rows}

    def put(self, file: StoreFile, chunks: Iterable[Chunk]) -> None:
        """Take a file in, in the place of what it held of it."""
        with self._connection:
            self._remove(file.file_id)
            cursor = self._connection.execute(
                "INSERT INTO file (file_id, revision, shelf, attributes) VALUES (?, ?, ?, ?)",
                (file.file_id, file.revision, file.shelf, orjson.dumps(file.attributes)),
            )
            title = _indexed(file.filename)
            for chunk in chunks:
                self._add(cursor.lastrowid, title, chunk)
        self._vectors = None

    def mark(self, file: StoreFile) -> None:
        """Take a file's attributes in."""
        with self._connection:
            self._connection.execute(
                "UPDATE file SET attributes = ? WHERE file_id = ?", (orjson.dumps(file.attributes), file.file_id)
            )

    def remove(self, file_ids: Iterable[str]) -> None:
        with self._connection:
            for file_id in file_ids:
                self._remove(file_id)
        self._vectors = None

    def settle(self, revision: int) -> None:
        """All changes up to this revision of the store are taken in."""
        with self._connection:
            self._connection.execute("REPLACE INTO state VALUES ('revision', ?)", (revision,))

    def search(self, question: Question, limit: int) -> list[Hit]:
        """At most `limit` chunks, best first; where there are embeddings too, by the sum of the reciprocal ranks. Words weigh
        the more, the more of the question's words the best chunk holds."""
        among = self._among(question)
        if among == []:
            return []
        lexical = self._lexical(question.text, among, limit * DEPTH)
        cosine = self._cosine(question.embedding, among, limit * DEPTH) if question.embedding else {}
        covered = self._covered(question.text, lexical) if question.embedding else 0.0
        ranks = fused(lexical, cosine, covered) if question.embedding else scaled(lexical)
        return self._hits(dict(list(ranks.items())[:limit]), lexical, cosine if question.embedding else None)

    def close(self) -> None:
        self._connection.close()

    def _add(self, file: int | None, title: str, chunk: Chunk) -> None:
        embedding = b64decode(chunk.embedding) if chunk.embedding else None
        cursor = self._connection.execute(
            "INSERT INTO chunk (file, number, embedding) VALUES (?, ?, ?)", (file, chunk.number, embedding)
        )
        row = (cursor.lastrowid, title, _indexed(chunk.text))
        self._connection.execute("INSERT INTO words (rowid, title, text) VALUES (?, ?, ?)", row)

    def _remove(self, file_id: str) -> None:
        row = self._connection.execute("DELETE FROM file WHERE file_id = ? RETURNING id", (file_id,)).fetchone()
        if row is not None:
            ids = self._connection.execute("DELETE FROM chunk WHERE file = ? RETURNING id", row).fetchall()
            self._connection.executemany("DELETE FROM words WHERE rowid = ?", ids)

    def _among(self, question: Question) -> list[int] | None:
        """The files to look in; None: all."""
        if question.filter is None:
            return None
        rows = self._connection.execute("SELECT id, attributes FROM file")
        return [id for id, attributes in rows if holds(question.filter, orjson.loads(attributes))]

    def _lexical(self, text: str, among: Sequence[int] | None, limit: int) -> dict[int, float]:
        expression = self._expression(text)
        if not expression:
            return {}
        wanted = () if among is None else (orjson.dumps(among).decode(),)
        statement = _LEXICAL.format(filter="" if among is None else _AMONG)
        return dict(self._connection.execute(statement, (expression, *wanted, limit)).fetchall())

    def _expression(self, text: str) -> str:
        """A query by the words that stand in few chunks: weighing those that stand everywhere says little and takes long."""
        terms = match_terms(text)
        (chunks,) = self._connection.execute("SELECT count(*) FROM chunk").fetchone()
        if chunks > _MANY:
            rare = [forms for forms in terms if self._is_rare(forms, chunks // _COMMON)]
            terms = rare or [forms[:1] for forms in terms[:_FEW]]
        return " OR ".join(dict.fromkeys(form for forms in terms for form in forms))

    def _is_rare(self, forms: Sequence[str], most: int) -> bool:
        counted = "SELECT count(*) FROM (SELECT 1 FROM words WHERE words MATCH ? LIMIT ?)"
        (count,) = self._connection.execute(counted, (" OR ".join(forms), most)).fetchone()
        return bool(count < most)

    def _covered(self, text: str, lexical: Mapping[int, float]) -> float:
        """The share of a question's words that the best of these chunks holds."""
        terms, best = match_terms(text), next(iter(lexical), None)
        if not terms or best is None:
            return 0.0
        held = "SELECT 1 FROM words WHERE words MATCH ? AND rowid = ?"
        found = (self._connection.execute(held, (" OR ".join(forms), best)).fetchone() for forms in terms)
        return sum(row is not None for row in found) / len(terms)

    def _cosine(self, embedding: bytes, among: Sequence[int] | None, limit: int) -> dict[int, float]:
        import numpy

        ids, vectors = self._matrix()
        asked = numpy.frombuffer(embedding, numpy.float32)
        if not len(ids) or vectors.shape[1] != len(asked):
            return {}
        near = vectors @ asked
        if among is not None:
            kept = self._connection.execute(
                "SELECT id FROM chunk WHERE file IN (SELECT value FROM json_each(?))", (orjson.dumps(among).decode(),)
            )
            near = numpy.where(numpy.isin(ids, [id for (id,) in kept]), near, -numpy.inf)
        best = numpy.argsort(-near, kind="stable")[:limit]
        return {int(ids[at]): float(near[at]) for at in best if near[at] > -numpy.inf}

    def _matrix(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """The ids and embeddings of all chunks, kept in memory from the first search on."""
        import numpy

        if self._vectors is None:
            rows = self._connection.execute("SELECT id, embedding FROM chunk WHERE embedding IS NOT NULL").fetchall()
            sizes = {len(embedding) for _, embedding in rows}
            if len(sizes) > 1:  # another model's: they can't be compared
                rows = [row for row in rows if len(row[1]) == len(rows[-1][1])]
            ids = numpy.array([id for id, _ in rows], numpy.int64)
            matrix = numpy.frombuffer(b"".join(embedding for _, embedding in rows), numpy.float32)
            self._vectors = ids, matrix.reshape(len(rows), -1) if rows else matrix.reshape(0, 0)
        return self._vectors

    def _hits(
        self, ranks: Mapping[int, float], lexical: Mapping[int, float], cosine: Mapping[int, float] | None
    ) -> list[Hit]:
        rows = self._connection.execute(
            "SELECT chunk.id, file_id, shelf, number FROM chunk JOIN file ON file.id = chunk.file "
            "WHERE chunk.id IN (SELECT value FROM json_each(?))",
            (orjson.dumps(list(ranks)).decode(),),
        )
        found: dict[int, tuple[str, str, int]] = {id: (file_id, shelf, number) for id, file_id, shelf, number in rows}
        return [
            Hit(*found[id], lexical.get(id, 0.0), None if cosine is None else cosine.get(id, 0.0), rank)
            for id, rank in ranks.items()
            if id in found
        ]


def _opened(path: Path | None) -> sqlite3.Connection:
    """The database at `path`, made anew where it is broken or of another version."""
    if path is None:
        return _made(sqlite3.connect("", check_same_thread=False))
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, check_same_thread=False)
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version == _VERSION:
            return _quick(connection)
    except sqlite3.DatabaseError:
        pass
    connection.close()
    remove(path)
    return _made(sqlite3.connect(path, check_same_thread=False))


def remove(path: Path) -> None:
    """Remove the file of an index, which nobody has open."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _made(connection: sqlite3.Connection) -> sqlite3.Connection:
    _quick(connection).executescript(_SCHEMA)
    return connection


def _quick(connection: sqlite3.Connection) -> sqlite3.Connection:
    """What a power cut may break is made again; a process that dies breaks nothing."""
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    return connection


def _indexed(text: str) -> str:
    return spread(normal(text))
