"""The numbers of a run's sources, the marks in a text that stand for them, and whether what is quoted beside these marks
was really shown."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from agents.tools.pages import identity
from agents.tools.port import Source
from graph import events as ev
from graph.items import Annotation
from graph.quotations import Claim, claims, normal, stands_in

NOT_FOUND: Final = " (not found in the source)"
_MARK = re.compile(r"【([0-9]{1,9})†")  # then the source's name and 】, whatever characters the name is made of


@dataclass(frozen=True, slots=True)
class _Judged:
    """A quotation, and those of its marks whose sources contain it."""

    claim: Claim
    proven: Sequence[int]

    def wrong(self, proven: Collection[int]) -> Collection[int]:
        """The marks that must not stand for it: all, where none of their sources contains it, else those that no quotation
        proves."""
        return set(self.claim.marks) - set(proven) if self.proven else self.claim.marks


class Citations:
    """Gives each source of a run its number, and finds the numbers again in texts. `journal` is that of the run so far: what
    is cited in its answers keeps its number, and what its tools have shown can be quoted."""

    def __init__(self, journal: Iterable[ev.Durable] = ()) -> None:
        self._numbers: dict[Source, int] = {}
        self._sources: dict[int, Source] = {}
        self._shown: dict[str, list[str]] = {}
        self._normal: dict[str, str] = {}
        told = list(journal)
        for event in told:
            if isinstance(event, ev.CallAnswered):
                self._restore(event)
        for output in _outputs(told):
            self._show_again(output)

    def cite(self, source: Source, shown: str = "") -> int:
        """The number of a source; the same source has the same one. `shown` is what of it can be read now."""
        self._show(source, shown)
        number = self._numbers.get(source)
        if number is None:
            number = max(self._sources, default=0) + 1
            self._know(number, source)
        return number

    def cited(self, text: str) -> tuple[Source, ...]:
        """The sources whose marks stand in a text, each once, in the order in which they come."""
        return tuple(dict.fromkeys(mark.source for mark in self._marks(text)))

    def annotations(self, text: str, asked: str = "", *, json: bool = False) -> tuple[Annotation, ...]:
        """The marks of known sources in a text, without those beside a quotation that their source does not contain. `asked`
        are the user's own words, which may be quoted back; `json` says that the text is JSON."""
        marks = self._marks(text)
        judged = self._judged(text, marks, asked, json=json)
        proven = {number for each in judged for number in each.proven}
        wrong = {number for each in judged for number in each.wrong(proven)}
        return tuple(mark for number, mark in enumerate(marks) if number not in wrong)

    def checked(self, report: str, asked: str = "") -> str:
        """A report in which each quotation that the source of its mark does not contain has the mark of the source that
        does, or is followed by `NOT_FOUND`."""
        marks = self._marks(report)
        judged = self._judged(report, marks, asked)
        proven = {number for each in judged for number in each.proven}
        edits: dict[int, tuple[int, str]] = {}
        for each in judged:
            mark = marks[each.claim.marks[-1]]
            if not each.proven:
                other = None if proven.intersection(each.claim.marks) else self._mark_for(each.claim)
                edits[mark.start if other else mark.end] = (mark.end, other or NOT_FOUND)
        for start in sorted(edits, reverse=True):
            end, text = edits[start]
            report = report[:start] + text + report[end:]
        return report

    def _marks(self, text: str) -> list[Annotation]:
        found: list[Annotation] = []
        place = 0
        while match := _MARK.search(text, place):
            source = self._sources.get(int(match[1]))
            place = match.end()
            if source is not None and _names(text, place, source):
                place += len(source.name) + 1
                found.append(Annotation(match.start(), place, text[match.start() : place], source))
        return found

    def _judged(self, text: str, marks: Sequence[Annotation], asked: str, *, json: bool = False) -> list[_Judged]:
        """The quotations beside marks, but for those that may have come from elsewhere: the user's own words, names."""
        found = claims(text, [(mark.start, mark.end) for mark in marks], json=json)
        judged = [
            _Judged(claim, [number for number in claim.marks if self._says(marks[number].source, claim.quotation)])
            for claim in found
        ]
        own = normal(asked) if judged else ""
        return [each for each in judged if each.proven or _binds(each.claim, own)]

    def _says(self, source: Source, quotation: str) -> bool:
        """Whether a source contains a quotation, as far as it was shown. Of one that nobody has shown it can't be said."""
        key = _document(source)
        if key not in self._normal:
            shown = [source.name, source.url or "", source.quote, *self._shown.get(key, ())]
            if not any(shown[2:]):
                return True
            self._normal[key] = normal("\n\n".join(shown))
        return stands_in(quotation, self._normal[key])

    def _mark_for(self, claim: Claim) -> str | None:
        """The mark of the one document that contains a quotation; None where that is not clear."""
        if len(claim.marks) > 1 or not claim.beside:
            return None
        holding = [
            (number, source)
            for number, source in self._sources.items()
            if _document(source) in self._shown and self._says(source, claim.quotation)
        ]
        if len({_document(source) for _, source in holding}) != 1:
            return None
        number, source = holding[0]
        return f"【{number}†{source.name}】"

    def _show(self, source: Source, text: str) -> None:
        key = _document(source)
        if text and text not in self._shown.setdefault(key, []):
            self._shown[key].append(text)
            self._normal.pop(key, None)

    def _show_again(self, output: str) -> None:
        """Take what a tool has shown from its output: each passage stands behind its mark."""
        marks = self._marks(output)
        ends = [mark.start for mark in marks[1:]] + [len(output)]
        for mark, end in zip(marks, ends, strict=False):  # without marks there is an end all the same
            self._show(mark.source, output[mark.end : end].strip())

    def _restore(self, answer: ev.CallAnswered) -> None:
        """Take the numbers of an earlier answer from the marks in it: its sources stand in the order of `cited`."""
        waiting = deque(answer.sources)
        for match in _MARK.finditer(answer.output):
            known = self._sources.get(int(match[1]))
            if waiting and known in (None, waiting[0]) and _names(answer.output, match.end(), waiting[0]):
                self._know(int(match[1]), waiting.popleft())

    def _know(self, number: int, source: Source) -> None:
        self._numbers.setdefault(source, number)
        self._sources.setdefault(number, source)


def _outputs(journal: Iterable[ev.Durable]) -> Iterator[str]:
    """What the tools of a run have told."""
    for event in journal:
        match event:
            case ev.AgentFinished(calls=calls):
                yield from (call.output for call in calls if call.kind == "tool")
            case ev.CallAnswered(output=output, by="server"):
                yield output


def _binds(claim: Claim, own: str) -> bool:
    """Whether a source has to say it. The user's own words may be quoted back, where they are not said to be the source's."""
    return claim.binds and (claim.beside or not stands_in(claim.quotation, own))


def _document(source: Source) -> str:
    """What passages of one document have in common."""
    return source.file_id or (source.url and (identity(source.url) or source.url)) or source.name


def _names(text: str, place: int, source: Source) -> bool:
    """Whether a mark whose number ends at `place` goes on with the name of this source."""
    return text.startswith(f"{source.name}】", place)
