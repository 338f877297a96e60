"""Tenants and kinds by number."""

from __future__ import annotations

import sqlite3


class Names:
    """The numbers of names. They never change, so those that were committed are remembered.

    Not to be asked inside a transaction: a number that is rolled back must not be remembered.
    """

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def find(self, connection: sqlite3.Connection, name: str) -> int | None:
        """The number of a name; None when nothing was ever written under it."""
        number = self._numbers.get(name)
        if number is None:
            row = connection.execute("SELECT number FROM names WHERE name = ?", (name,)).fetchone()
            if row is None:
                return None
            number = self._numbers[name] = row[0]
        return number

    def give(self, connection: sqlite3.Connection, name: str) -> int:
        """The number of a name, given now when it has none: by a commit of its own, which may outlive the caller's."""
        while (number := self.find(connection, name)) is None:
            connection.execute("INSERT INTO names (name) VALUES (?) ON CONFLICT DO NOTHING", (name,))
        return number
