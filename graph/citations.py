"""The numbers of a run's sources, and the marks in a text that stand for them."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable

from agents.tools.port import Source
from graph.items import Annotation, Answer

_MARK = re.compile(r"【([0-9]{1,9})†")  # then the source's name and 】, whatever characters the name is made of


class Citations:
    """Gives each source of a run its number, and finds the numbers again in texts. `answers` are those of the run so far:
    what is cited in them keeps its number."""

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
        """The sources whose marks stand in a text, each once, in the order in which they come."""
        return tuple(dict.fromkeys(annotation.source for annotation in self.annotations(text)))

    def annotations(self, text: str) -> tuple[Annotation, ...]:
        """The marks of known sources in a text."""
        found: list[Annotation] = []
        place = 0
        while match := _MARK.search(text, place):
            source = self._sources.get(int(match[1]))
            place = match.end()
            if source is not None and _names(text, place, source):
                place += len(source.name) + 1
                found.append(Annotation(match.start(), place, text[match.start() : place], source))
        return tuple(found)

    def _restore(self, answer: Answer) -> None:
        """Take the numbers of an earlier answer from the marks in it: its sources stand in the order of `cited`."""
        waiting = deque(answer.sources)
        for match in _MARK.finditer(answer.output):
            known = self._sources.get(int(match[1]))
            if waiting and known in (None, waiting[0]) and _names(answer.output, match.end(), waiting[0]):
                self._know(int(match[1]), waiting.popleft())

    def _know(self, number: int, source: Source) -> None:
        self._numbers.setdefault(source, number)
        self._sources.setdefault(number, source)


def _names(text: str, place: int, source: Source) -> bool:
    """Whether a mark whose number ends at `place` goes on with the name of this source."""
    return text.startswith(f"{source.name}】", place)
