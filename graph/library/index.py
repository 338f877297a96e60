"""The index: SQLite FTS5 with BM25 over passages, and how an ordinary question becomes its query."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Sequence

from agents.tools.port import Passage, Source
from agents.words import normal, spread, telling_words, unspaced
from graph.library.passages import Cut

MAX_TERMS = 32
MAX_QUERY_CHARACTERS = 4000
_CACHE_KIB = 64 * 1024
_NAME = re.compile(r"[^\W_]+(?:_[^\W_]+)+")  # LLM_MODEL: its words in a row

_SCHEMA = f"""
    PRAGMA journal_mode = OFF;
    PRAGMA synchronous = OFF;
    PRAGMA cache_size = -{_CACHE_KIB};
    CREATE TABLE passage (id INTEGER PRIMARY KEY, name TEXT NOT NULL, text TEXT NOT NULL);
    CREATE VIRTUAL TABLE words USING fts5 (
        title, text, content = '', tokenize = 'porter unicode61 remove_diacritics 2'
    );
"""
_SEARCH = """
    SELECT name, passage.text, -bm25(words, 3.0, 1.0) AS score
    FROM words JOIN passage ON passage.id = words.rowid
    WHERE words MATCH ? ORDER BY score DESC, passage.id LIMIT ?
"""


class Index:
    """Passages by their words. Lives in a temporary database of SQLite's own, which is gone when the process is.

    To be made, used and closed in one and the same thread.
    """

    def __init__(self) -> None:
        self._database = sqlite3.connect("")
        self._database.executescript(_SCHEMA)

    def add(self, path: str, name: str, cuts: Iterable[Cut]) -> int:
        """Take in the passages of a document; returns how many there are."""
        count = 0
        for cut in cuts:
            text = f"## {cut.heading}\n\n{cut.text}" if cut.heading and cut.heading != name else cut.text
            cursor = self._database.execute("INSERT INTO passage (name, text) VALUES (?, ?)", (name, text))
            self._database.execute(
                "INSERT INTO words (rowid, title, text) VALUES (?, ?, ?)",
                (cursor.lastrowid, _indexed(f"{name} {path} {cut.heading}"), _indexed(cut.text)),
            )
            count += 1
        return count

    def search(self, query: str, limit: int) -> list[Passage]:
        """The passages that fit a question best, best first; none when it has no telling word."""
        expression = match_expression(query)
        if not expression:
            return []
        rows = self._database.execute(_SEARCH, (expression, limit))
        return [Passage(Source(name, text), text, score) for name, text, score in rows]

    def close(self) -> None:
        self._database.close()


def match_expression(query: str) -> str:
    """A question in FTS5's language: any of its telling words or their beginnings, all of them quoted."""
    return " OR ".join(dict.fromkeys(form for forms in match_terms(query) for form in forms))


def match_terms(query: str) -> list[Sequence[str]]:
    """The telling words of a question in FTS5's language, each with its forms."""
    asked = query[:MAX_QUERY_CHARACTERS]
    names = [[f'"{name}"'] for name in _NAME.findall(normal(asked))[:MAX_TERMS]]
    return [*names, *map(_forms, telling_words(asked)[:MAX_TERMS])]


def _indexed(text: str) -> str:
    """A text with its words in the form in which `match_expression` asks for them."""
    return spread(normal(text))


def _forms(term: str) -> list[str]:
    if unspaced(term):
        return [f'"{term}"'] if len(term) > 1 else [f'"{term}"*']
    if len(term) < 4 or not term.isalpha():
        return [f'"{term}"']
    return [f'"{term}"', f'"{term[:-1] if len(term) > 5 else term}"*']
