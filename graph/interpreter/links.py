"""The files that programs of a run have made, and the links by which a text leads to them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote

from agents.tools.port import Made, Source
from agents.tools.sandbox.port import DATA
from graph.items import Annotation

_LINK: Final = re.compile(f"sandbox:{re.escape(DATA)}/")  # then the name of a file
_LONGER: Final = re.compile(r"[._-]*[A-Za-z0-9]|/")  # behind a name: it is another file's


class Links:
    """Of files of one name the newest is meant. `made` are those of the run so far."""

    def __init__(self, made: Iterable[Made] = ()) -> None:
        self._made = {each.name: each for each in made}

    def know(self, made: Made) -> None:
        """A program has made this file: texts may link to it."""
        self._made[made.name] = made

    @property
    def made(self) -> tuple[Made, ...]:
        """All of them."""
        return tuple(self._made.values())

    @property
    def images(self) -> tuple[str, ...]:
        """Those that can be shown, by their ids."""
        return tuple(made.file_id for made in self._made.values() if made.image)

    def annotations(self, text: str) -> list[Annotation]:
        """The links in a text, by their place in it."""
        if not self._made:
            return []
        names = {form: made for made in self._made.values() for form in (made.name, quote(made.name))}
        longest_first = sorted(names, key=len, reverse=True)
        found = []
        for match in _LINK.finditer(text):
            name = next((name for name in longest_first if _is_at(name, text, match.end())), None)
            if name is not None:
                end = match.end() + len(name)
                source = Source(names[name].name, file_id=names[name].file_id)
                found.append(Annotation(match.start(), end, text[match.start() : end], source, path=True))
        return found


def _is_at(name: str, text: str, place: int) -> bool:
    """Whether this name stands there, and not a longer one that begins with it."""
    return text.startswith(name, place) and not _LONGER.match(text, place + len(name))
