"""What a request asks for, told from its words alone."""

from __future__ import annotations

import re
from dataclasses import dataclass

from agents.models.offline import lexicon
from agents.models.offline.figures import expression, series
from agents.words import STOP_WORDS, normal, telling_words, words

_MATERIAL_WORDS = 25


@dataclass(frozen=True, slots=True)
class Plan:
    """Who has to work. `own_figures`: the analysis needs nothing but the request."""

    research: bool = False
    analysis: bool = False
    writing: bool = False
    own_figures: bool = False

    def __bool__(self) -> bool:
        return self.research or self.analysis or self.writing


def plan(request: str) -> Plan:
    """Which agents a request needs; none of them for plain talk."""
    said = set(words(request))
    figures = has_figures(request)
    analysis = figures or bool(said & lexicon.ANALYSIS)
    writing = _wants_text(request, said)
    named = bool(said & lexicon.RESEARCH) or "look up" in normal(request)
    facts = _reports(said) if writing else analysis or is_question(request)
    open_subject = not figures and not material(request) and bool(topic_words(topic(request)))
    return Plan(named or (facts and open_subject), analysis, writing, figures)


def has_figures(text: str) -> bool:
    """Whether there is something to compute: an expression, three numbers, or two of which a statistic is asked."""
    most = max(map(len, series(text).values()), default=0)
    return expression(text) is not None or most > 2 or (most == 2 and bool(set(words(text)) & lexicon.STATISTIC))


def is_question(text: str) -> bool:
    """Whether a text asks for something: by its mark, its first word (politeness aside), or a word like `information`."""
    said = words(text)
    first = next((word for word in said if word not in lexicon.POLITE), "")
    return (
        "?" in text
        or "？" in text
        or first in lexicon.QUESTION | lexicon.ASKING
        or bool(set(said) & lexicon.INFORMATION)
    )


def is_work(text: str) -> bool:
    """Whether a text names the work it wants done."""
    return bool(set(words(text)) & (lexicon.RESEARCH | lexicon.ANALYSIS | lexicon.WRITING))


def topic(text: str) -> str:
    """What a request is about: its first clause without the words that ask for the work."""
    head = next((part for part in re.split(r":\s|\n", text) if topic_words(part)), "")
    tokens = head[:400].split()
    while tokens and all(word in lexicon.LEADING for word in words(tokens[0])):
        tokens = tokens[1:]
    while tokens and all(word in STOP_WORDS for word in words(tokens[-1])):
        tokens = tokens[:-1]
    ends = (at for at in range(1, len(tokens)) if _next_work(tokens[at : at + 2]))
    return " ".join(tokens[: next(ends, len(tokens))]).strip(" .?!,:;\"'“”")


def topic_words(text: str) -> list[str]:
    """The words of a request to search for."""
    return [word for word in telling_words(text) if word not in lexicon.WORK]


def material(text: str) -> str:
    """The text a request brings along to be worked on, behind a colon or on lines of its own; empty if there is none."""
    parts = re.split(r":\s|\n", text, maxsplit=1)
    body = parts[1].strip() if len(parts) > 1 else ""
    quoted = max(re.findall(r"[\"“«„]([^\"”»“]+)[\"”»“]", text), key=len, default="")
    if len(body.split()) >= _MATERIAL_WORDS:
        return body
    return quoted if len(quoted.split()) >= 3 else ""


def _next_work(tokens: list[str]) -> bool:
    """Whether another piece of work begins here: “and compare”."""
    joined = words(" ".join(tokens))
    return len(joined) > 1 and joined[0] in lexicon.JOINING and joined[1] in lexicon.WORK


def _wants_text(request: str, said: set[str]) -> bool:
    kinds = said & (lexicon.FACTUAL | lexicon.FREE)
    first = next((word for word in words(request) if word not in STOP_WORDS), "")
    return bool(said & lexicon.WRITING) or bool(kinds and said & lexicon.MAKING) or first in kinds


def _reports(said: set[str]) -> bool:
    """Whether a text to be written needs facts: a report does, and so does anything about something."""
    about = said & {"about", "on", "of", "su", "sul", "sulla", "sui", "di", "über", "zu", "von"}
    return bool(said & lexicon.FACTUAL) or (bool(about) and not said & lexicon.FREE)
