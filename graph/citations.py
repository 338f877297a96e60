"""The numbers of a run's sources, and the marks in a text that stand for them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from agents.tools.port import Source
from graph.items import Annotation, Answer

_MARK = re.compile(r"【(\d+)†([^】]*)】")


class Citations:
    """Gives each source of a run its number, and finds the numbers again in texts."""

    def __init__(self, answers: Iterable[Answer] = ()) -> None:
        self._numbers: dict[Source, int] = {}
        self._sources: dict[int, Source] = {}
        for answer in answers:
            self._restore(answer)

    def cite(self, source: Source) -> int:
        """The number of a source; the same source has the same one."""
        number = self._numbers.get(source)
        if number is None:
            number = max(self._sources, default=0) + 1
            self._know(number, source)
        return number

    def cited(self, text: str) -> tuple[Source, ...]:
        """The sources whose marks stand in a text, each once."""
        return tuple(dict.fromkeys(annotation.source for annotation in self.annotations(text)))

    def annotations(self, text: str) -> tuple[Annotation, ...]:
        """The marks of known sources in a text."""
        found = ((match, self._sources.get(int(match[1]))) for match in _MARK.finditer(text))
        return tuple(
            Annotation(match.start(), match.end(), match[0], source)
            for match, source in found
            if source is not None and source.name == match[2]
        )

    def _restore(self, answer: Answer) -> None:
        """Take the numbers of an earlier answer from the marks in it."""
        by_name = {source.name: source for source in answer.sources}
        for match in _MARK.finditer(answer.output):
            if source := by_name.get(match[2]):
                self._know(int(match[1]), source)

    def _know(self, number: int, source: Source) -> None:
        self._numbers.setdefault(source, number)
        self._sources.setdefault(number, source)
