"""What a program has printed and computed, short enough for a model to read."""

from __future__ import annotations

from reprlib import Repr
from typing import Any, Final

OUTPUT_CHARACTERS: Final = 20_000


class Printed:
    """What a program has printed, up to a limit."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._room = OUTPUT_CHARACTERS
        self._cut = False

    def add(self, stream: str, text: str) -> None:
        self._cut = self._cut or len(text) > self._room
        self._parts.append(text[: self._room])
        self._room -= len(self._parts[-1])

    def text(self, end: str | None) -> str:
        """All of it, with `end` as its last lines."""
        printed = "".join(self._parts).rstrip("\n")
        note = f"(more was printed: cut at {OUTPUT_CHARACTERS} characters)" if self._cut else ""
        lines = [part for part in (printed, note, end) if part]
        return "\n".join(lines) or "(The program printed nothing and ends with no value.)"


def show(value: object) -> str:
    """A value as text, cut where it is long."""
    text = value if isinstance(value, str) else _Show().repr(value)
    if len(text) <= OUTPUT_CHARACTERS:
        return text
    return f"{text[:OUTPUT_CHARACTERS]}\n(the value is longer: cut at {OUTPUT_CHARACTERS} characters)"


class _Show(Repr):
    """`repr` that stays short and quick whatever it is given: shared and nested parts count each time they are shown,
    against one budget. Dictionaries keep their order."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 20
        self._left = 2 * OUTPUT_CHARACTERS
        self.maxtuple = self.maxlist = self.maxarray = self.maxdict = self.maxset = self.maxfrozenset = 1000
        self.maxdeque = 1000
        self.maxstring = self.maxlong = self.maxother = OUTPUT_CHARACTERS

    def repr1(self, x: Any, level: int) -> str:
        if self._left <= 0:
            return "..."
        self._left -= 1
        text = super().repr1(x, level)
        if not isinstance(x, list | tuple | dict | set | frozenset):
            self._left -= len(text)
        return text

    def repr_dict(self, x: dict[Any, Any], level: int) -> str:
        if not x or level <= 0:
            return "{...}" if x else "{}"
        pairs = [f"{self.repr1(key, level - 1)}: {self.repr1(x[key], level - 1)}" for key in list(x)[: self.maxdict]]
        return "{" + ", ".join([*pairs, "..."] if len(x) > self.maxdict else pairs) + "}"
